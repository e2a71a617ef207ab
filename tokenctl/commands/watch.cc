// watch: changes of tokens as they happen.
#include <unistd.h>

#include <deque>
#include <map>
#include <memory>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/proto_time.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/commands/requests.h"
#include "tokenctl/commands/stream_notes.h"
#include "tokenctl/resuming_stream.h"
#include "tokenctl/text/live_screen.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/table.h"
#include "tokenctl/token_columns.h"

namespace tokeninventory::tokenctl {
namespace {

using TokenStream = ResumingStream<v1::WatchTokensRequest, v1::WatchTokensResponse>;

Style StyleOf(v1::TokenEvent::Type type) {
  switch (type) {
    case v1::TokenEvent::ADDED:
      return Style::kGood;
    case v1::TokenEvent::MODIFIED:
      return Style::kAccent;
    case v1::TokenEvent::REMOVED:
      return Style::kBad;
    default:
      return Style::kPlain;
  }
}

std::string BriefText(const v1::Token& token, const std::string& path, const TimeFormat& times) {
  const Cell cell = TokenCell(token, {.path = path, .column = {}}, times);
  return cell.compact.empty() ? cell.text : cell.compact;
}

// What happened, as far as one event tells.
std::string WhatHappened(const v1::TokenEvent& event, const TimeFormat& times) {
  const v1::Token& token = event.token();
  switch (event.type()) {
    case v1::TokenEvent::ADDED:
      return absl::StrCat(v1::Token::State_Name(token.state()), ", ends ",
                          BriefText(token, "effective_expire_time", times));
    case v1::TokenEvent::MODIFIED: {
      std::vector<std::string> parts;
      const auto& paths = event.changed_fields().paths();
      const bool expiry = absl::c_linear_search(paths, "expire_time");
      for (const std::string& path : paths) {
        if (expiry && path == "effective_expire_time") continue;  // follows from it
        const std::string value = BriefText(token, path, times);
        parts.push_back(absl::StrCat(path, ": ", value.empty() ? "-" : value));
      }
      return absl::StrJoin(parts, ", ");
    }
    default:
      return v1::TokenEvent::RemoveCause_Name(event.remove_cause());
  }
}

// The token of an event; only its uid is told where the caller may not see it.
std::string LabelOf(const v1::TokenEvent& event) {
  return event.has_token() ? TokenLabel(event.token()) : Printable(event.uid());
}

// Where changes are told.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void Show(const v1::WatchTokensResponse& message) = 0;
  // The stream is gone, and comes back later.
  virtual void Lost(const std::string& why, absl::Duration delay) = 0;
  virtual void Back() = 0;
  // Time passed.
  virtual void Tick() {}
};

// A line for each change.
class LineSink final : public EventSink {
 public:
  explicit LineSink(Session& session) : session_(session) {}

  void Show(const v1::WatchTokensResponse& message) override {
    session_.Tick();
    if (message.has_reset()) session_.Tell(ResetNote(message.reset()), Style::kWarning);
    for (const v1::TokenEventBatch& batch : message.batches()) {
      const absl::Time when =
          batch.has_commit_time() ? FromProto(batch.commit_time()) : session_.times.now;
      for (const v1::TokenEvent& event : batch.events()) Show(event, when);
    }
    session_.out.flush();
  }
  void Lost(const std::string& why, absl::Duration delay) override {
    session_.Tell(LostNote(why, delay), Style::kWarning);
  }
  void Back() override { session_.Tell(BackNote()); }

 private:
  void Show(const v1::TokenEvent& event, absl::Time when) {
    const Terminal& terminal = session_.terminal;
    std::string type = v1::TokenEvent::Type_Name(event.type());
    type.resize(8, ' ');
    const std::string source =
        event.has_token() ? absl::StrCat(Printable(SourceId(event.token().source())), "/") : "";
    session_.out << terminal.Paint(absl::FormatTime("%Y-%m-%d %H:%M:%S", when, session_.times.zone),
                                   Style::kDim)
                 << "  " << terminal.Paint(type, StyleOf(event.type())) << "  " << source
                 << LabelOf(event) << "  " << WhatHappened(event, session_.times) << "\n";
  }

  Session& session_;
};

// Each message of the stream as a line of JSON.
class JsonSink final : public EventSink {
 public:
  explicit JsonSink(Session& session) : session_(session) {}
  void Show(const v1::WatchTokensResponse& message) override {
    session_.out << ToJson(message) << std::endl;
  }
  void Lost(const std::string& why, absl::Duration delay) override {
    session_.Tell(LostNote(why, delay), Style::kWarning);
  }
  void Back() override { session_.Tell(BackNote()); }

 private:
  Session& session_;
};

// The newest changes as a table that is drawn over itself.
class LiveSink final : public EventSink {
 public:
  LiveSink(Session& session, const WatchOptions& options)
      : session_(session), options_(options), screen_(STDOUT_FILENO, session.out) {
    session_.Tick();
    since_ = session_.times.now;
    Draw();
  }

  void Show(const v1::WatchTokensResponse& message) override {
    session_.Tick();
    if (message.has_reset()) {
      changes_.clear();
      note_ = ResetNote(message.reset());
    }
    for (const v1::TokenEventBatch& batch : message.batches()) {
      const absl::Time when =
          batch.has_commit_time() ? FromProto(batch.commit_time()) : session_.times.now;
      for (const v1::TokenEvent& event : batch.events()) Add(event, when);
    }
    if (message.has_progress()) progress_ = message.progress();
    Draw();
  }
  void Lost(const std::string& why, absl::Duration delay) override {
    note_ = LostNote(why, delay);
    Draw();
  }
  void Back() override {
    note_.clear();
    Draw();
  }
  void Tick() override {
    session_.Tick();
    Draw();
  }

 private:
  struct Change {
    absl::Time when;
    v1::TokenEvent::Type type;
    std::string label, source, what;
  };
  static constexpr std::size_t kKept = 500;  // more than any screen has lines

  void Add(const v1::TokenEvent& event, absl::Time when) {
    ++counts_[event.type()];
    changes_.push_front({when, event.type(), LabelOf(event),
                         Printable(SourceId(event.token().source())),
                         WhatHappened(event, session_.times)});
    if (changes_.size() > kKept) changes_.pop_back();
  }

  std::string SourceStates() const {
    std::vector<std::string> parts;
    for (const v1::SourceFreshness& source : progress_.sources()) {
      parts.push_back(absl::StrCat(Printable(SourceId(source.source())), " ",
                                   v1::Source::State_Name(source.state())));
    }
    return absl::StrJoin(parts, absl::StrCat(" ", session_.terminal.glyphs().dot, " "));
  }

  void Draw() {
    const Terminal terminal = DetectTerminal(STDOUT_FILENO, ColourChoice::kNever);
    session_.terminal.width = terminal.width;
    session_.terminal.height = terminal.height;
    const Terminal& to = session_.terminal;
    const char* ellipsis = to.glyphs().ellipsis;
    const auto line = [&](const std::string& text, Style style) {
      return to.Paint(Truncate(text, to.width, ellipsis), style);
    };
    std::vector<std::string> lines;
    lines.push_back(
        line(absl::StrCat("Changes of tokens in ", Printable(SourceNameOf(options_.source)),
                          options_.filter.empty() ? "" : " with ", Printable(options_.filter)),
             Style::kBold));
    lines.push_back(line(SourceStates(), Style::kDim));
    lines.emplace_back();
    // What is above and below the table, and the line of the cursor.
    const int room = to.height - static_cast<int>(lines.size()) - 4;
    Table table({{.title = "WHEN"},
                 {.title = "CHANGE"},
                 {.title = "TOKEN", .cut_to = 12},
                 {.title = "SOURCE", .cut_to = 8},
                 {.title = "WHAT", .cut_to = 10}},
                to);
    std::vector<Row> rows;
    for (const Change& change : changes_) {
      if (static_cast<int>(rows.size()) >= room) break;
      rows.push_back({{session_.times.Relative(change.when), Style::kDim},
                      {v1::TokenEvent::Type_Name(change.type), StyleOf(change.type)},
                      change.label,
                      change.source,
                      change.what});
    }
    if (rows.empty()) {
      lines.push_back(line("No change yet.", Style::kDim));
    } else {
      for (absl::string_view row : absl::StrSplit(table.Render(rows), '\n', absl::SkipEmpty())) {
        lines.emplace_back(row);
      }
    }
    lines.emplace_back();
    const std::string dot = absl::StrCat(" ", to.glyphs().dot, " ");
    lines.push_back(line(
        absl::StrCat(counts_[v1::TokenEvent::ADDED], " added, ", counts_[v1::TokenEvent::MODIFIED],
                     " modified, ", counts_[v1::TokenEvent::REMOVED], " removed since ",
                     session_.times.Clock(since_), dot, "revision ", progress_.revision(), dot,
                     "Ctrl-C ends"),
        Style::kDim));
    if (!note_.empty()) lines.push_back(line(note_, Style::kWarning));
    screen_.Draw(lines, to.width);
  }

  Session& session_;
  const WatchOptions& options_;
  LiveScreen screen_;
  absl::Time since_;
  std::deque<Change> changes_;  // newest first
  v1::Progress progress_;
  std::map<int, std::int64_t> counts_;  // by type
  std::string note_;
};

std::unique_ptr<EventSink> MakeSink(Session& session, const WatchOptions& options) {
  if (options.output == Output::kJson) return std::make_unique<JsonSink>(session);
  if (options.output == Output::kTable ||
      (!options.output.has_value() && session.terminal.is_terminal)) {
    return std::make_unique<LiveSink>(session, options);
  }
  return std::make_unique<LineSink>(session);
}

}  // namespace

int RunWatch(Session& session, const WatchOptions& options) {
  v1::WatchTokensRequest request;
  request.set_parent(SourceNameOf(options.source));
  request.set_filter(options.filter);
  request.set_on_gap(v1::RESYNC);
  if (options.output == Output::kJson) request.set_view(v1::FULL);
  request.mutable_progress_interval()->set_seconds(kProgressSeconds);
  if (!options.resume_token.empty()) {
    request.set_resume_token(options.resume_token);
  } else if (options.initial) {
    request.mutable_initial_state();
  } else {
    request.mutable_now();
  }
  const std::unique_ptr<EventSink> sink = MakeSink(session, options);
  TokenStream stream(request,
                     {.new_context = [&] { return session.connection.NewStream(); },
                      .prepare =
                          [&](grpc::ClientContext* context, const v1::WatchTokensRequest& from,
                              grpc::CompletionQueue* queue) {
                            return session.connection.tokens().PrepareAsyncWatchTokens(context,
                                                                                       from, queue);
                          },
                      .on_lost =
                          [&](const grpc::Status& why, absl::Duration delay) {
                            sink->Lost(DescribeError(why, session.Facts()), delay);
                          },
                      .on_back = [&] { sink->Back(); }});
  for (;;) {
    const auto next = stream.Next(absl::Now() + absl::Seconds(1));
    if (!next.status.ok()) return session.Fail(next.status, {{"filter", options.filter}});
    for (const v1::WatchTokensResponse& message : next.messages) sink->Show(message);
    if (next.messages.empty()) sink->Tick();
    if (!session.out) return kOk;  // nobody reads any more
  }
}

}  // namespace tokeninventory::tokenctl
