// The checker against the verdicts of etcd's own one (testdata/watch_traces_etcd.json,
// with its `source`).
#include "tests/watch_trace/trace_checker.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/watch_trace/etcd_trace.h"

namespace tokeninventory::watch_trace {
namespace {

using Json = nlohmann::json;

Json ReadCases() {
  std::ifstream stream(TI_WATCH_TESTDATA "watch_traces_etcd.json");
  return Json::parse(stream);
}

TEST(TraceCheckerTest, GivesEveryVerdictOfEtcd) {
  const Json file = ReadCases();
  std::map<std::string, int> verdicts;
  for (const Json& test_case : file["cases"]) {
    SCOPED_TRACE(test_case["name"].get<std::string>() + ", line " +
                 test_case["source_line"].dump());
    CheckOptions options;
    options.unique_revisions = test_case.value("expect_unique_revision", false);
    const auto violation = FindViolation(EtcdTrace(test_case), options);
    const Json verdict = violation ? Json(std::string(NameOf(violation->property))) : Json();
    EXPECT_EQ(verdict, test_case["expect"]) << (violation ? violation->what : "");
    ++verdicts[test_case["expect"].is_null() ? "" : test_case["expect"].get<std::string>()];
  }
  EXPECT_EQ(file["cases"].size(), 59u);
  // Each of the nine is broken by some case.
  EXPECT_EQ(verdicts.size(), 1u + 9u);
  for (const auto& [property, meaning] : file["properties"].items()) {
    EXPECT_GT(verdicts[property], 0) << property << ": " << meaning;
  }
}

// Every key; what etcd's traces do not have, below.
class EverySelection final : public Selection {
 public:
  bool Admits(const Event&) const override { return true; }
  std::optional<Event> See(const Change& change) const override {
    Event event;
    event.type = change.after ? Event::Type::kPut : Event::Type::kDelete;
    event.key = change.key;
    event.value = change.after ? change.after->bytes : "";
    event.revision = change.revision;
    event.create = !change.before;
    return event;
  }
};

class InitialStateTest : public ::testing::Test {
 protected:
  InitialStateTest() {
    trace_.log = {
        {1, "a", std::nullopt, Value{"1", 1}},  {2, "b", std::nullopt, Value{"1", 2}},
        {3, "a", Value{"1", 1}, Value{"2", 3}}, {4, "b", Value{"1", 2}, std::nullopt},
        {5, "c", std::nullopt, Value{"1", 5}},  {5, "d", std::nullopt, Value{"1", 5}},
    };
    watch().selection = std::make_shared<EverySelection>();
    watch().initial = InitialState{3, {Put("a", "2", 3), Put("b", "1", 2)}, true};
    watch().responses = {{{Delete("b", 4)}, 4, false},
                         {{Put("c", "1", 5), Put("d", "1", 5)}, 5, false}};
  }

  static Event Put(const std::string& key, const std::string& value, std::int64_t revision) {
    return {Event::Type::kPut, key, value, revision, true, std::nullopt};
  }
  static Event Delete(const std::string& key, std::int64_t revision) {
    return {Event::Type::kDelete, key, "", revision, false, std::nullopt};
  }

  Watch& watch() { return trace_.watches[0]; }
  std::string Broken() const {
    const auto violation = FindViolation(trace_);
    return violation ? std::string(NameOf(violation->property)) : "";
  }

  Trace trace_{{}, std::vector<Watch>(1)};
};

TEST_F(InitialStateTest, AWholeTraceBreaksNothing) { EXPECT_EQ(Broken(), ""); }

TEST_F(InitialStateTest, AMissingKeyIsNotReliable) {
  watch().initial->events.pop_back();
  EXPECT_EQ(Broken(), "reliable");
  // But it may still be on its way.
  watch().initial->complete = false;
  watch().responses.clear();
  EXPECT_EQ(Broken(), "");
}

TEST_F(InitialStateTest, AnOldValueIsNotReliable) {
  watch().initial->events[0] = Put("a", "1", 1);
  EXPECT_EQ(Broken(), "reliable");
}

TEST_F(InitialStateTest, AKeyThatIsGoneIsNotReliable) {
  watch().initial->revision = 4;
  watch().responses.erase(watch().responses.begin());
  EXPECT_EQ(Broken(), "reliable");
}

TEST_F(InitialStateTest, AKeyTwiceIsNotUnique) {
  watch().initial->events.push_back(watch().initial->events.front());
  EXPECT_EQ(Broken(), "unique");
}

TEST_F(InitialStateTest, AValueNewerThanItsRevisionIsNotBookmarkable) {
  watch().initial->events.push_back(Put("c", "1", 5));
  EXPECT_EQ(Broken(), "bookmarkable");
}

TEST_F(InitialStateTest, AChangeThatItShowsIsNotBookmarkable) {
  watch().responses.insert(watch().responses.begin(), {{Put("a", "2", 3)}, std::nullopt, false});
  EXPECT_EQ(Broken(), "bookmarkable");
}

TEST_F(InitialStateTest, WhatIsNotCreatedBreaksIsCreate) {
  watch().initial->events[1].create = false;
  EXPECT_EQ(Broken(), "is_create");
}

TEST_F(InitialStateTest, TheFirstChangeBehindItIsOwed) {
  watch().responses.erase(watch().responses.begin());
  EXPECT_EQ(Broken(), "resumable");
}

TEST_F(InitialStateTest, OnlyACutStreamMayEndWithinARevision) {
  watch().responses[1].events.pop_back();
  EXPECT_EQ(Broken(), "reliable");
  watch().responses[1].bookmark.reset();
  EXPECT_EQ(Broken(), "reliable");
  watch().responses[1].cut = true;
  EXPECT_EQ(Broken(), "");
  watch().responses.push_back({{}, 5, false});
  EXPECT_EQ(Broken(), "reliable");
}

TEST_F(InitialStateTest, WhatWasNeverWrittenIsNotReliable) {
  watch().responses.push_back({{Put("e", "1", 6)}, std::nullopt, false});
  EXPECT_EQ(Broken(), "reliable");
}

}  // namespace
}  // namespace tokeninventory::watch_trace
