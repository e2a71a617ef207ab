#include "server/metrics/inventory_metrics.h"

#include <map>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "inventory/count_tokens.h"

namespace tokeninventory {
namespace {

MetricLabels LabelsOf(const SourceEntry& source) {
  return {{"source", source.id}, {"provider", source.status->provider()}};
}

MetricLabels With(MetricLabels labels, std::string name, std::string value) {
  labels.push_back({std::move(name), std::move(value)});
  return labels;
}

bool IsConfigured(const SourceEntry& source) {
  return source.status->state() != v1::Source::DETACHED;
}

// What a source's last pass may have come to, and PENDING.
template <typename Visit>
void ForEachState(Visit visit) {
  for (int number = v1::Source::State_MIN; number <= v1::Source::State_MAX; ++number) {
    const auto state = static_cast<v1::Source::State>(number);
    if (!v1::Source::State_IsValid(number) || state == v1::Source::STATE_UNSPECIFIED ||
        state == v1::Source::DETACHED) {
      continue;
    }
    visit(state);
  }
}

void AddTokens(const Snapshot& snapshot, absl::Time now, MetricSet& metrics) {
  Metric tokens = metrics.Gauge("token_inventory_tokens", "Tokens that List shows.");
  Metric missing = metrics.Gauge("token_inventory_tokens_missing",
                                 "Tokens that the last complete pass did not show and that are "
                                 "not yet believed to be gone; token_inventory_tokens has them.");
  Metric ending = metrics.Gauge("token_inventory_tokens_expiring",
                                "Active tokens that end within the time of the label.");
  Metric soonest = metrics.Gauge("token_inventory_soonest_expiry_timestamp_seconds",
                                 "When the next active token ends. Absent when none does.");
  const std::vector<TokenCounts> counts = CountTokens(snapshot, now);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const SourceEntry& source = snapshot.sources()[i];
    if (!IsConfigured(source)) continue;
    const MetricLabels labels = LabelsOf(source);
    for (const auto& [group, count] : counts[i].by_state_and_kind) {
      tokens.Add(
          With(With(labels, "state", v1::Token::State_Name(group.first)), "kind", group.second),
          count);
    }
    missing.Add(labels, counts[i].missing);
    for (std::size_t lead = 0; lead < kEndingWithinDays.size(); ++lead) {
      ending.Add(With(labels, "within", absl::StrCat(kEndingWithinDays[lead], "d")),
                 counts[i].ending_within[lead]);
    }
    soonest.Add(labels, counts[i].soonest_end);
  }
}

void AddNotices(const Snapshot& snapshot, MetricSet& metrics) {
  absl::flat_hash_map<std::pair<absl::string_view, v1::Expiration::Kind>, std::int64_t> open;
  snapshot.notices().Scan(0, [&](std::int64_t, const std::shared_ptr<const Notice>& notice) {
    if (notice->is_open()) ++open[{notice->source, notice->kind}];
    return true;
  });
  Metric notices =
      metrics.Gauge("token_inventory_open_notices", "Expiration notices that are open.");
  for (const SourceEntry& source : snapshot.sources()) {
    if (!IsConfigured(source)) continue;
    // A DIGEST is never open.
    for (const auto kind : {v1::Expiration::LEAD, v1::Expiration::EXPIRED, v1::Expiration::OVERDUE,
                            v1::Expiration::SOURCE_UNHEALTHY}) {
      const auto found = open.find({source.id, kind});
      notices.Add(With(LabelsOf(source), "kind", v1::Expiration::Kind_Name(kind)),
                  found == open.end() ? 0 : found->second);
    }
  }
}

void AddSources(const Snapshot& snapshot, MetricSet& metrics) {
  Metric states = metrics.Gauge("token_inventory_source_state",
                                "1 for what the source's last pass came to, 0 for all else.");
  Metric created = metrics.Gauge("token_inventory_source_created_timestamp_seconds",
                                 "When the source entered the configuration.");
  Metric complete = metrics.Gauge("token_inventory_source_last_complete_timestamp_seconds",
                                  "When the last pass that proved the whole source ended. Absent "
                                  "when none did.");
  Metric interval =
      metrics.Gauge("token_inventory_source_interval_seconds", "Configured time between passes.");
  Metric incomplete = metrics.Gauge("token_inventory_source_incomplete_scopes",
                                    "Listings that the last pass could not prove complete, at most "
                                    "100.");
  Metric held =
      metrics.Gauge("token_inventory_source_held_tokens",
                    "Tokens that the last pass would have dropped, implausibly many: they "
                    "are kept until somebody approves.");
  Metric left = metrics.Gauge("token_inventory_vendor_rate_limit_remaining",
                              "Requests that the vendor still allows, by the header that says so.");
  for (const SourceEntry& source : snapshot.sources()) {
    if (!IsConfigured(source)) continue;
    const v1::Source& status = *source.status;
    const MetricLabels labels = LabelsOf(source);
    ForEachState([&](v1::Source::State state) {
      states.Add(With(labels, "state", v1::Source::State_Name(state)),
                 std::int64_t{status.state() == state});
    });
    if (status.has_create_time()) created.Add(labels, FromProto(status.create_time()));
    if (status.has_last_complete_time()) {
      complete.Add(labels, FromProto(status.last_complete_time()));
    }
    interval.Add(labels, absl::ToDoubleSeconds(FromProto(status.sync_interval())));
    incomplete.Add(labels, std::int64_t{status.incomplete_scopes_size()});
    held.Add(labels, std::int64_t{status.hold().token_count()});
    for (const v1::RateLimit& limit : status.rate_limits()) {
      left.Add(With(labels, "limit", limit.name()), std::int64_t{limit.remaining()});
    }
  }
}

}  // namespace

void AddInventoryMetrics(const Snapshot& snapshot, absl::Time now, MetricSet& metrics) {
  AddTokens(snapshot, now, metrics);
  AddNotices(snapshot, metrics);
  AddSources(snapshot, metrics);
}

void AddSourceCounts(const Snapshot& snapshot, const std::vector<SourceCounts>& counts,
                     MetricSet& metrics) {
  Metric passes =
      metrics.Counter("token_inventory_passes_total", "Passes that ended, by what they came to.");
  Metric durations = metrics.Histogram("token_inventory_pass_duration_seconds",
                                       "How long passes took, waits for rate limits included.");
  Metric dropped = metrics.Counter("token_inventory_secrets_dropped_total",
                                   "Texts of vendors' records that were left out because they look "
                                   "like a whole secret.");
  Metric requests = metrics.Counter("token_inventory_vendor_requests_total",
                                    "Requests sent to vendors, by the HTTP status that came.");
  Metric retries = metrics.Counter("token_inventory_vendor_retries_total",
                                   "Requests among them that repeat one that failed.");
  for (const SourceCounts& source : counts) {
    const int index = snapshot.FindSource(source.source);
    if (index < 0) continue;
    const MetricLabels labels = LabelsOf(snapshot.sources()[static_cast<std::size_t>(index)]);
    ForEachState([&](v1::Source::State state) {
      if (state == v1::Source::PENDING) return;
      const auto found = source.passes.find(state);
      passes.Add(With(labels, "outcome", v1::Source::State_Name(state)),
                 found == source.passes.end() ? 0 : found->second);
    });
    durations.Add(labels, source.durations);
    dropped.Add(labels, source.secrets_dropped);
    for (const auto& [code, count] : source.requests.by_code) {
      requests.Add(With(labels, "code", code), count);
    }
    retries.Add(labels, source.requests.retries);
  }
}

}  // namespace tokeninventory
