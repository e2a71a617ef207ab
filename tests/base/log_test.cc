#include "base/log.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tokeninventory::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// The lines that `work` wrote to stderr.
template <typename Work>
std::vector<std::string> LinesOf(Work work) {
  ::testing::internal::CaptureStderr();
  work();
  const std::string text = ::testing::internal::GetCapturedStderr();
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

google::protobuf::Struct ParseLine(const std::string& line) {
  google::protobuf::Struct parsed;
  const auto status = google::protobuf::util::JsonStringToMessage(line, &parsed);
  EXPECT_TRUE(status.ok()) << status.ToString() << ": " << line;
  return parsed;
}

std::string FieldOf(const google::protobuf::Struct& line, const std::string& key) {
  const auto it = line.fields().find(key);
  return it == line.fields().end() ? std::string("(no such field)") : it->second.string_value();
}

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { SetLogSeverity(LogSeverity::kInfo); }
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  const auto lines = LinesOf([] { LogInfo("started", {{"port", "8443"}, {"store", "a.db"}}); });
  ASSERT_THAT(lines, SizeIs(1));
  const auto line = ParseLine(lines[0]);
  EXPECT_EQ(FieldOf(line, "severity"), "INFO");
  EXPECT_EQ(FieldOf(line, "message"), "started");
  EXPECT_EQ(FieldOf(line, "port"), "8443");
  EXPECT_EQ(FieldOf(line, "store"), "a.db");
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, FieldOf(line, "time"), &time, &error)) << error;
}

TEST_F(LogTest, EscapesWhatJsonDoesNotAllow) {
  const std::string cases[] = {
      "",
      "\"quoted\" \\back\\slash",
      "two\nlines\r\n\ttab",
      std::string("nul \0 and \x01 \x1f \x7f", 15),
      "ключ → 鍵 🔑",
      "{\"severity\":\"ERROR\"}",
  };
  for (const std::string& text : cases) {
    SCOPED_TRACE(text);
    const auto lines = LinesOf([&] { LogInfo(text, {{"field", text}}); });
    ASSERT_THAT(lines, SizeIs(1));
    const auto line = ParseLine(lines[0]);
    EXPECT_EQ(FieldOf(line, "message"), text);
    EXPECT_EQ(FieldOf(line, "field"), text);
    EXPECT_EQ(FieldOf(line, "severity"), "INFO");
  }
}

TEST_F(LogTest, EscapesKeysToo) {
  const auto lines = LinesOf([] { LogInfo("m", {{"a \"key\"", "v"}}); });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(FieldOf(ParseLine(lines[0]), "a \"key\""), "v");
}

TEST_F(LogTest, WritesWhatIsAtLeastAsSevereAsSet) {
  struct Case {
    LogSeverity least;
    std::vector<std::string> written;
  };
  const Case cases[] = {
      {LogSeverity::kDebug, {"DEBUG", "INFO", "WARNING", "ERROR"}},
      {LogSeverity::kInfo, {"INFO", "WARNING", "ERROR"}},
      {LogSeverity::kWarning, {"WARNING", "ERROR"}},
      {LogSeverity::kError, {"ERROR"}},
  };
  for (const Case& c : cases) {
    SetLogSeverity(c.least);
    const auto lines = LinesOf([] {
      LogDebug("m");
      LogInfo("m");
      LogWarning("m");
      LogError("m");
    });
    std::vector<std::string> written;
    for (const std::string& line : lines) written.push_back(FieldOf(ParseLine(line), "severity"));
    EXPECT_EQ(written, c.written);
  }
}

TEST_F(LogTest, IsSilentBelowTheDefaultSeverity) {
  EXPECT_THAT(LinesOf([] { LogDebug("m"); }), IsEmpty());
}

TEST_F(LogTest, LinesOfSeveralThreadsDoNotMix) {
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  const auto lines = LinesOf([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < kLines; ++i) LogInfo("m", {{"who", std::string(100, char('a' + t))}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  ASSERT_THAT(lines, SizeIs(kThreads * kLines));
  for (const std::string& line : lines) {
    const std::string who = FieldOf(ParseLine(line), "who");
    EXPECT_EQ(who, std::string(100, who.empty() ? '?' : who[0]));
  }
}

}  // namespace
}  // namespace tokeninventory::testing
