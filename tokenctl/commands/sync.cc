// sync: a pass over a source now.
#include <google/protobuf/duration.pb.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/commands/requests.h"
#include "tokenctl/source_text.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/timeline.h"
#include "tokenctl/token_columns.h"

namespace tokeninventory::tokenctl {
namespace {

// One line on the terminal that is written over and over.
class ProgressLine {
 public:
  // `expected`: records of the pass before; 0 when there was none.
  ProgressLine(Session& session, std::string source, std::int64_t expected)
      : session_(session), source_(std::move(source)), expected_(expected) {}
  ~ProgressLine() { Clear(); }

  void Show(const v1::SyncProgress& progress) {
    const Terminal& terminal = session_.err_terminal;
    if (!terminal.is_terminal) return;
    const v1::SyncStats& stats = progress.stats();
    const std::string left = RequestsLeft(progress.rate_limits());
    std::string facts =
        absl::StrCat(stats.pages(), stats.pages() == 1 ? " page, " : " pages, ", stats.records(),
                     " records", left.empty() ? "" : absl::StrCat(", ", left, " requests left"));
    if (!progress.stream().empty()) {
      absl::StrAppend(&facts, "  ", Printable(progress.stream()), " ", Printable(progress.scope()));
    }
    const int width = std::clamp(terminal.width / 5, 8, 40);
    const std::string head = absl::StrCat(source_, "  ");
    const int room = terminal.width - DisplayWidth(head) - width - 3;
    session_.err << "\r" << head << ProgressBar(stats.records(), width) << "  "
                 << Truncate(facts, std::max(room, 10), terminal.glyphs().ellipsis) << "\x1b[K"
                 << std::flush;
    shown_ = true;
  }

  void Clear() {
    if (std::exchange(shown_, false)) session_.err << "\r\x1b[K" << std::flush;
  }

 private:
  // How far the pass is if it finds as much as the one before. Full only when it has ended.
  std::string ProgressBar(std::int64_t records, int width) const {
    const Terminal& terminal = session_.err_terminal;
    const std::int64_t most = std::max<std::int64_t>(expected_, 1);
    const std::int64_t filled =
        expected_ == 0 ? 0 : std::min<std::int64_t>(records * width / most, width - 1);
    std::string done, rest;
    for (std::int64_t i = 0; i < width; ++i) {
      (i < filled ? done : rest) += i < filled ? terminal.glyphs().bar : terminal.glyphs().track;
    }
    return terminal.Paint(done, Style::kAccent) + terminal.Paint(rest, Style::kDim);
  }

  Session& session_;
  const std::string source_;
  const std::int64_t expected_;
  bool shown_ = false;
};

// What the pass before found; 0 when that is not known.
std::int64_t RecordsBefore(Session& session, const std::string& name) {
  v1::GetSourceRequest request;
  request.set_name(name);
  v1::Source source;
  const auto context = session.connection.NewCall();
  // SyncSource will say what is wrong.
  if (!session.connection.sources().GetSource(context.get(), request, &source).ok()) return 0;
  return source.last_sync_stats().records();
}

void PrintResult(Session& session, const std::string& source, const v1::SyncResult& result) {
  const Terminal& terminal = session.terminal;
  const absl::Duration took = FromProto(result.end_time()) - FromProto(result.start_time());
  session.out << source << "  "
              << terminal.Paint(v1::Source::State_Name(result.state()), StyleOf(result.state()))
              << "  " << result.stats().pages()
              << (result.stats().pages() == 1 ? " page in " : " pages in ")
              << absl::FormatDuration(absl::Trunc(took, absl::Milliseconds(100))) << ": "
              << StatsText(result.stats()) << "; revision " << result.revision() << "\n";
  if (!result.error().empty()) {
    session.out << "  " << terminal.Paint(Printable(result.error()), Style::kWarning) << "\n";
  }
  for (const v1::IncompleteScope& scope : result.incomplete_scopes()) {
    session.out << "  not read: "
                << Printable(absl::StrCat(scope.stream(), " ", scope.scope(), ": ", scope.reason()))
                << "\n";
  }
}

}  // namespace

int RunSync(Session& session, const SyncOptions& options) {
  v1::SyncSourceRequest request;
  request.set_name(SourceNameOf(options.source));
  request.set_fresh(options.fresh);
  const std::string source = Printable(SourceId(request.name()));
  const bool progress = session.err_terminal.is_terminal;
  ProgressLine line(session, source, progress ? RecordsBefore(session, request.name()) : 0);
  const auto context = session.connection.NewStream();
  const auto stream = session.connection.sources().SyncSource(context.get(), request);
  v1::SyncSourceResponse response;
  v1::SyncResult result;
  while (stream->Read(&response)) {
    if (response.has_progress()) line.Show(response.progress());
    if (response.has_result()) result = response.result();
  }
  line.Clear();
  if (const grpc::Status status = stream->Finish(); !status.ok()) return session.Fail(status);
  if (options.output == Output::kJson) {
    session.out << ToJson(result) << "\n";
  } else if (options.output == Output::kYaml) {
    session.out << JsonToYaml(ToJson(result));
  } else {
    PrintResult(session, source, result);
  }
  return result.state() == v1::Source::OK ? kOk : kFailed;
}

}  // namespace tokeninventory::tokenctl
