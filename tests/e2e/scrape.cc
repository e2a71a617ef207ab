#include "tests/e2e/scrape.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory::testing {
namespace {

HttpAnswer AnswerOf(const httplib::Result& result) {
  if (!result) return {};
  return {result->status, result->get_header_value("Content-Type"), result->body};
}

}  // namespace

HttpAnswer HttpGet(int port, const std::string& path) {
  return AnswerOf(httplib::Client("127.0.0.1", port).Get(path.c_str()));
}

HttpAnswer HttpPost(int port, const std::string& path) {
  return AnswerOf(httplib::Client("127.0.0.1", port).Post(path.c_str(), "x", "text/plain"));
}

Scrape::Scrape(int port) {
  const HttpAnswer answer = HttpGet(port, "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(absl::StartsWith(answer.content_type, "text/plain; version=0.0.4"))
      << answer.content_type;
  text_ = answer.body;
  std::istringstream lines(text_);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t space = line.rfind(' ');
    double value = 0;
    EXPECT_TRUE(space != std::string::npos && absl::SimpleAtod(line.substr(space + 1), &value))
        << line;
    EXPECT_TRUE(series_.emplace(line.substr(0, space), value).second) << "twice: " << line;
  }
}

double Scrape::operator[](const std::string& series) const {
  const auto found = series_.find(series);
  if (found != series_.end()) return found->second;
  ADD_FAILURE() << "no series " << series;
  return -1;
}

double Scrape::Sum(const std::string& name, const std::string& label) const {
  double sum = 0;
  for (const auto& [series, value] : series_) {
    if ((series == name || absl::StartsWith(series, name + "{")) &&
        absl::StrContains(series, label)) {
      sum += value;
    }
  }
  return sum;
}

std::set<std::string> Scrape::Names() const {
  std::set<std::string> names;
  std::istringstream lines(text_);
  for (std::string line; std::getline(lines, line);) {
    constexpr absl::string_view kType = "# TYPE ";
    if (!absl::StartsWith(line, kType)) continue;
    names.insert(line.substr(kType.size(), line.find(' ', kType.size()) - kType.size()));
  }
  return names;
}

}  // namespace tokeninventory::testing
