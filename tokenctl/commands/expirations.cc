// expirations: notices that tokens near their end.
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/commands/requests.h"
#include "tokenctl/commands/stream_notes.h"
#include "tokenctl/output/formats.h"
#include "tokenctl/resuming_stream.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/table.h"
#include "tokenctl/text/timeline.h"
#include "tokenctl/token_columns.h"

namespace tokeninventory::tokenctl {
namespace {

using NoticeStream = ResumingStream<v1::WatchExpirationsRequest, v1::WatchExpirationsResponse>;

// `LEAD 7d`, `EXPIRED`, `RESOLVED (EXTENDED)`.
Cell NoticeCell(const v1::Expiration& notice) {
  if (notice.state() == v1::Expiration::RESOLVED && notice.kind() != v1::Expiration::DIGEST) {
    return {absl::StrCat("RESOLVED (",
                         v1::Expiration::Resolution::Cause_Name(notice.resolution().cause()), ")"),
            Style::kGood};
  }
  const std::string kind = v1::Expiration::Kind_Name(notice.kind());
  if (notice.kind() != v1::Expiration::LEAD) {
    return {kind, notice.kind() == v1::Expiration::DIGEST ? Style::kPlain : Style::kBad};
  }
  const absl::Duration lead = FromProto(notice.lead());
  return {absl::StrCat("within ", DurationText(lead)),
          UrgencyOf(absl::UnixEpoch() + lead, absl::UnixEpoch())};
}

// What it is about: a token, else its source.
std::string LabelOf(const v1::Expiration& notice) {
  if (notice.has_token()) return TokenLabel(notice.token());
  return Printable(notice.token_uid().empty() ? notice.source() : notice.token_uid());
}

// A token that ends by being left unused is saved by using it.
std::string EndsText(const v1::Expiration& notice, const TimeFormat& times, bool brief) {
  if (!notice.has_effective_expire_time()) return "";
  const absl::Time end = FromProto(notice.effective_expire_time());
  return absl::StrCat(brief ? "" : absl::StrCat(times.Minute(end), "  "), times.Relative(end),
                      notice.reason() == v1::Expiration::INACTIVITY ? " (unused)" : "");
}

std::string DigestText(const v1::Expiration::Digest& digest) {
  std::string text =
      absl::StrCat(digest.token_count(), " tokens, ", digest.expired_count(), " ended before");
  for (const auto& lead : digest.leads()) {
    absl::StrAppend(&text, ", ", lead.count(), " within ", DurationText(FromProto(lead.lead())));
  }
  return text;
}

Row NoticeRow(const v1::Expiration& notice, const TimeFormat& times) {
  return {NoticeCell(notice),
          LabelOf(notice),
          Printable(SourceId(notice.source())),
          PrincipalLabel(notice.token().owner()),
          {EndsText(notice, times, false), Style::kPlain, EndsText(notice, times, true)},
          notice.verified() || notice.token_uid().empty() ? Cell()
                                                          : Cell("not verified", Style::kWarning)};
}

v1::ListExpirationsRequest ListRequest(const ExpirationsOptions& options) {
  v1::ListExpirationsRequest request;
  request.set_parent(SourceNameOf(options.source));
  request.set_filter(options.filter);
  request.set_show_resolved(options.show_resolved);
  if (options.max_lead > absl::ZeroDuration())
    ToProto(options.max_lead, request.mutable_max_lead());
  return request;
}

void ShowLine(Session& session, const v1::Expiration& notice, absl::Time when) {
  const Terminal& terminal = session.terminal;
  const Cell what = NoticeCell(notice);
  std::string padded = what.text;
  padded.resize(std::max<std::size_t>(padded.size(), 16), ' ');
  session.out << terminal.Paint(absl::FormatTime("%Y-%m-%d %H:%M:%S", when, session.times.zone),
                                Style::kDim)
              << "  " << terminal.Paint(padded, what.style) << "  ";
  if (!notice.token_uid().empty()) session.out << Printable(SourceId(notice.source())) << "/";
  session.out << LabelOf(notice);
  if (notice.has_digest()) {
    session.out << "  " << DigestText(notice.digest());
  } else if (notice.has_effective_expire_time()) {
    session.out << "  ends " << EndsText(notice, session.times, false);
  }
  const std::string owner = PrincipalLabel(notice.token().owner());
  if (!owner.empty()) session.out << "  owner " << owner;
  session.out << "\n";
}

void Show(Session& session, const v1::WatchExpirationsResponse& message) {
  session.Tick();
  if (message.has_reset()) session.Tell(ResetNote(message.reset()), Style::kWarning);
  for (const v1::ExpirationBatch& batch : message.batches()) {
    for (const v1::Expiration& notice : batch.expirations()) {
      ShowLine(session, notice, FromProto(notice.update_time()));
    }
  }
  session.out.flush();
}

}  // namespace

int RunExpirationsList(Session& session, const ExpirationsOptions& options) {
  v1::ListExpirationsRequest request = ListRequest(options);
  std::vector<v1::Expiration> notices;
  std::int64_t total = 0;
  do {
    const std::int64_t left = options.limit - static_cast<std::int64_t>(notices.size());
    request.set_page_size(
        options.limit == 0 ? 1000 : static_cast<int>(std::min<std::int64_t>(left, 1000)));
    v1::ListExpirationsResponse response;
    const auto context = session.connection.NewCall();
    const grpc::Status status =
        session.connection.tokens().ListExpirations(context.get(), request, &response);
    if (!status.ok()) return session.Fail(status, {{"filter", options.filter}});
    TellUnreachable(session, response.unreachable());
    total = response.total_size();
    notices.insert(notices.end(), response.expirations().begin(), response.expirations().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() &&
           (options.limit == 0 || static_cast<std::int64_t>(notices.size()) < options.limit));
  if (options.output == Output::kJson || options.output == Output::kYaml) {
    PrintMessages(options.output, notices, session.out);
    return kOk;
  }
  std::vector<Row> rows;
  for (const v1::Expiration& notice : notices) rows.push_back(NoticeRow(notice, session.times));
  Table table({{.title = "NOTICE"},
               {.title = "TOKEN", .cut_to = 12},
               {.title = "SOURCE", .cut_to = 8},
               {.title = "OWNER", .cut_to = 10},
               {.title = "ENDS"},
               {.title = "", .optional = true}},
              session.terminal);
  if (!rows.empty()) session.out << table.Render(rows);
  if (session.terminal.is_terminal) {
    const std::string shown = absl::StrCat(notices.size(), " of ", total, " notices");
    session.out << session.terminal.Paint(shown, Style::kDim) << "\n";
  }
  return kOk;
}

int RunExpirationsWatch(Session& session, const ExpirationsOptions& options) {
  const v1::ListExpirationsRequest like = ListRequest(options);
  v1::WatchExpirationsRequest request;
  request.set_parent(like.parent());
  request.set_filter(like.filter());
  if (like.has_max_lead()) *request.mutable_max_lead() = like.max_lead();
  request.set_on_gap(v1::RESYNC);
  request.mutable_progress_interval()->set_seconds(kProgressSeconds);
  if (!options.resume_token.empty()) {
    request.set_resume_token(options.resume_token);
  } else if (options.only_new) {
    request.mutable_now();
  } else {
    request.mutable_open_expirations();
  }
  NoticeStream stream(
      request,
      {.new_context = [&] { return session.connection.NewStream(); },
       .prepare =
           [&](grpc::ClientContext* context, const v1::WatchExpirationsRequest& from,
               grpc::CompletionQueue* queue) {
             return session.connection.tokens().PrepareAsyncWatchExpirations(context, from, queue);
           },
       .on_lost =
           [&](const grpc::Status& why, absl::Duration delay) {
             session.Tell(LostNote(DescribeError(why, session.Facts()), delay), Style::kWarning);
           },
       .on_back = [&] { session.Tell(BackNote()); }});
  for (;;) {
    const auto next = stream.Next(absl::InfiniteFuture());
    if (!next.status.ok()) return session.Fail(next.status, {{"filter", options.filter}});
    for (const v1::WatchExpirationsResponse& message : next.messages) {
      if (options.output == Output::kJson) {
        session.out << ToJson(message) << std::endl;
      } else {
        Show(session, message);
      }
    }
    if (!session.out) return kOk;  // nobody reads any more
  }
}

}  // namespace tokeninventory::tokenctl
