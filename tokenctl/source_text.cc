#include "tokenctl/source_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/token_columns.h"

namespace tokeninventory::tokenctl {

Style StyleOf(v1::Source::State state) {
  switch (state) {
    case v1::Source::OK:
      return Style::kGood;
    case v1::Source::PENDING:
    case v1::Source::DETACHED:
      return Style::kDim;
    case v1::Source::DEGRADED:
    case v1::Source::RATE_LIMITED:
      return Style::kWarning;
    default:
      return Style::kBad;
  }
}

std::string RequestsLeft(const google::protobuf::RepeatedPtrField<v1::RateLimit>& limits) {
  if (limits.empty()) return "";
  std::int64_t least = limits.Get(0).remaining();
  for (const v1::RateLimit& limit : limits) least = std::min(least, limit.remaining());
  return absl::StrCat(least);
}

std::string StatsText(const v1::SyncStats& stats) {
  const std::pair<std::int64_t, const char*> counts[] = {{stats.tokens_added(), " added"},
                                                         {stats.tokens_updated(), " changed"},
                                                         {stats.tokens_unchanged(), " as before"},
                                                         {stats.tokens_missing(), " missing"},
                                                         {stats.tokens_deleted(), " deleted"}};
  std::string text;
  for (const auto& [count, what] : counts) {
    if (count > 0) absl::StrAppend(&text, text.empty() ? "" : ", ", count, what);
  }
  if (text.empty()) text = "no tokens";
  if (stats.secrets_dropped() > 0) {
    absl::StrAppend(&text, "; ", stats.secrets_dropped(), " texts that look like secrets left out");
  }
  return text;
}

SourceHealth JudgeSource(const v1::Source& source, absl::Duration max_age, absl::Time now) {
  if (source.state() == v1::Source::DETACHED) return {};
  if (max_age == absl::ZeroDuration()) {
    max_age = std::max(3 * FromProto(source.sync_interval()), absl::Minutes(10));
  }
  const std::string id = Printable(SourceId(source.name()));
  const std::string state = v1::Source::State_Name(source.state());
  const std::string error =
      source.error().empty() ? "" : absl::StrCat(" (", Printable(source.error()), ")");
  if (!source.has_last_complete_time()) {
    // A new source has until then to be read once.
    const bool late = now - FromProto(source.create_time()) > max_age;
    return {late ? SourceHealth::kStale : SourceHealth::kWarning,
            absl::StrCat(id, " ", state, ", never read whole", error)};
  }
  const absl::Time complete = FromProto(source.last_complete_time());
  if (now - complete > max_age) {
    return {SourceHealth::kStale,
            absl::StrCat(id, " ", state, ", last read whole ", RelativeTime(complete, now), error)};
  }
  if (source.state() == v1::Source::OK) return {};
  return {SourceHealth::kWarning, absl::StrCat(id, " ", state, error)};
}

}  // namespace tokeninventory::tokenctl
