// The service's metrics, as Prometheus gets them.
#pragma once

#include <map>
#include <set>
#include <string>

namespace tokeninventory::testing {

// What GET (or another method) of a path of 127.0.0.1 is answered; status 0 when nothing answers.
struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};
HttpAnswer HttpGet(int port, const std::string& path);
HttpAnswer HttpPost(int port, const std::string& path);

// One scrape.
class Scrape {
 public:
  // Fails the test when there are no metrics at this port.
  explicit Scrape(int port);

  // Of a series, `name{label="value",…}` with its labels as they are served. Fails the test when
  // there is none, or when it stands there twice.
  double operator[](const std::string& series) const;
  bool Has(const std::string& series) const { return series_.count(series) > 0; }
  // The sum of all series of a name whose labels contain `label`, `name="value"`.
  double Sum(const std::string& name, const std::string& label = "") const;
  // Names of metrics that have a series; of a histogram without its suffixes.
  std::set<std::string> Names() const;

  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::map<std::string, double> series_;
};

}  // namespace tokeninventory::testing
