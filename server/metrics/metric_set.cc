#include "server/metrics/metric_set.h"

#include <prometheus/text_serializer.h>

namespace tokeninventory {

using prometheus::ClientMetric;
using prometheus::MetricType;

void Metric::Add(const MetricLabels& labels, double value) {
  ClientMetric& metric = family_.metric.emplace_back();
  metric.label = labels;
  if (family_.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

void Metric::Add(const MetricLabels& labels, absl::Time time) {
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return;
  Add(labels, absl::ToDoubleSeconds(time - absl::UnixEpoch()));
}

void Metric::Add(const MetricLabels& labels, const DurationHistogram::Reading& reading) {
  ClientMetric& metric = family_.metric.emplace_back();
  metric.label = labels;
  ClientMetric::Histogram& histogram = metric.histogram;
  histogram.sample_sum = absl::ToDoubleSeconds(reading.sum);
  for (std::size_t i = 0; i < reading.counts.size(); ++i) {
    histogram.sample_count += static_cast<std::uint64_t>(reading.counts[i]);
    if (i == reading.bounds.size()) break;  // the serializer adds +Inf
    histogram.bucket.push_back({histogram.sample_count, absl::ToDoubleSeconds(reading.bounds[i])});
  }
}

Metric MetricSet::Counter(absl::string_view name, absl::string_view help) {
  return Make(name, help, MetricType::Counter);
}

Metric MetricSet::Gauge(absl::string_view name, absl::string_view help) {
  return Make(name, help, MetricType::Gauge);
}

Metric MetricSet::Histogram(absl::string_view name, absl::string_view help) {
  return Make(name, help, MetricType::Histogram);
}

Metric MetricSet::Make(absl::string_view name, absl::string_view help, MetricType type) {
  prometheus::MetricFamily& family = families_.emplace_back();
  family.name = std::string(name);
  family.help = std::string(help);
  family.type = type;
  return Metric(family);
}

std::string MetricSet::Text() const {
  std::vector<prometheus::MetricFamily> families;
  for (const prometheus::MetricFamily& family : families_) {
    if (!family.metric.empty()) families.push_back(family);
  }
  return prometheus::TextSerializer().prometheus::Serializer::Serialize(families);
}

}  // namespace tokeninventory
