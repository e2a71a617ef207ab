// Metrics of one scrape, as prometheus-cpp writes them.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/duration_histogram.h"

namespace tokeninventory {

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

// A metric of one name, with its series. Lives as long as its MetricSet.
class Metric {
 public:
  explicit Metric(prometheus::MetricFamily& family) : family_(family) {}

  void Add(const MetricLabels& labels, double value);
  void Add(const MetricLabels& labels, std::int64_t value) {
    Add(labels, static_cast<double>(value));
  }
  // In seconds since 1970; none for a time that is infinite.
  void Add(const MetricLabels& labels, absl::Time time);
  void Add(const MetricLabels& labels, const DurationHistogram::Reading& reading);

 private:
  prometheus::MetricFamily& family_;
};

// Used by one thread.
class MetricSet {
 public:
  // A metric without a series is not written.
  Metric Counter(absl::string_view name, absl::string_view help);
  Metric Gauge(absl::string_view name, absl::string_view help);
  Metric Histogram(absl::string_view name, absl::string_view help);

  // In Prometheus' text format.
  std::string Text() const;

 private:
  Metric Make(absl::string_view name, absl::string_view help, prometheus::MetricType type);

  std::deque<prometheus::MetricFamily> families_;  // stay where they are
};

}  // namespace tokeninventory
