// Kubernetes' watch cases (testdata/k8s_watch_cases.json). A resourceVersion is a
// revision, a namespace a source, a pod a token, spec.nodeName its role; a bookmark
// is a Progress, the end of the initial events Synced. DELETED by leaving a selector
// is REMOVED with LEFT_FILTER.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/watch_trace/case_file.h"
#include "tests/watch_trace/watch_script.h"

namespace tokeninventory::testing {
namespace {

using Json = nlohmann::json;
using Pace = FakeStream::Pace;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A pod as the cases write it: `baseNamespacedPodAssigned(name, namespace, node)`.
struct Pod {
  std::string name;
  std::string source = "acme";
  std::string node;
  bool updated = false;
  bool selected = false;
};

Pod ReadPod(absl::string_view text) {
  Pod pod;
  if (absl::ConsumePrefix(&text, "selectedPod({'id': '")) {
    pod = ReadPod(text.substr(0, text.find('\'')));
    pod.selected = true;
    return pod;
  }
  const std::size_t open = text.find('(');
  std::vector<std::string> arguments;
  if (open != absl::string_view::npos) {
    arguments = absl::StrSplit(text.substr(open + 1, text.size() - open - 2), ", ");
  }
  pod.name = arguments.empty() ? "foo" : arguments[0];
  if (absl::StrContains(text, "Namespaced")) pod.source = arguments.at(1);
  if (absl::StrContains(text, "Assigned")) pod.node = arguments.empty() ? "bar" : arguments.back();
  pod.updated = absl::StrContains(text, "Updated");
  return pod;
}

class K8sWatchCaseTest : public WatchScript, public ::testing::WithParamInterface<WatchCase> {
 protected:
  using Runner = void (K8sWatchCaseTest::*)(const Json&);

  void WritePod(const Pod& pod) {
    Observe({Observed(pod.name,
                      [&](v1::Token& token) {
                        token.set_role(pod.node);
                        if (pod.updated) token.set_display_name("updated");
                        if (pod.selected) token.set_hint("selected");
                      })},
            pod.source);
  }
  // The type of the only event so far that `watch` was not asked about; nothing
  // when the newest revision is none to it.
  std::string NextEvent(OpenWatch& watch, std::size_t& seen) {
    AwaitTold(watch);
    const std::vector<std::string> events = EventsIn(watch.stream->messages());
    if (events.size() == seen) return "";
    EXPECT_EQ(events.size(), seen + 1);
    seen = events.size();
    return std::vector<std::string>(absl::StrSplit(events.back(), ' '))[1];
  }
  static std::string Ours(const Json& type) {
    if (type.is_null()) return "";
    return type == "DELETED" ? "REMOVED" : type.get<std::string>();
  }
  std::string ReasonOfOpen(const WatchSession::Options& options) {
    const absl::Status status = watch_.Make(options)->Open();
    return status.ok() ? "" : ReasonOf(status);
  }

  // The start that a request of Kubernetes' means. Its own rules let initial events
  // be unset, for clients from before there was a choice.
  // `empty`: the revision of a new store.
  static WatchSession::Options StartOf(const Json& request, std::int64_t current,
                                       std::int64_t empty = 0) {
    const std::string rv = request["resource_version"];
    const Json& initial = request["send_initial_events"];
    const bool legacy = initial.is_null() && (rv == "unset" || rv == "0");
    if (legacy || initial == true) return FromInitialState();
    if (rv == "unset" || rv == "0") return FromNow();
    return AfterRevision(rv == "current" ? current : std::stoll(rv) - empty);
  }

  // -- Groups.

  void Predicate(const Json& watch_case) {
    LedgerSetup setup;
    std::set<std::string> sources = {"acme"};
    for (const Json& step : watch_case["steps"]) {
      if (!step["write"].is_null())
        sources.insert(ReadPod(step["write"].get<std::string>()).source);
    }
    if (watch_case.contains("namespace_scope") && !watch_case["namespace_scope"].is_null()) {
      sources.insert(watch_case["namespace_scope"].get<std::string>());
    }
    setup.sources.clear();
    for (const std::string& source : sources) setup.sources.push_back(MakeSourceInfo(source));
    Reopen(setup);

    std::vector<std::string> terms;
    const std::string filter = watch_case["filter"];
    if (filter != "everything") {
      for (const absl::string_view term : absl::StrSplit(filter, " AND ")) {
        const std::vector<std::string> sides = absl::StrSplit(term, absl::MaxSplits('=', 1));
        std::string field = sides[0];
        std::string comparison = "=";
        if (absl::EndsWith(field, "!")) {
          field.pop_back();
          comparison = "!=";
        }
        const bool is_namespace = field == "metadata.namespace";
        field = is_namespace ? "source" : field == "metadata.name" ? "provider_token_id" : "role";
        terms.push_back(absl::StrCat(field, " ", comparison, " \"",
                                     is_namespace ? SourceName(sides[1]) : sides[1], "\""));
      }
    }
    if (watch_case.contains("name_scope") && !watch_case["name_scope"].is_null()) {
      terms.push_back(absl::StrCat("provider_token_id = ", watch_case["name_scope"].dump()));
    }
    // The source's own attribute function: what has the label.
    if (watch_case["name"] == "filtering") terms.push_back("hint = \"selected\"");
    const Json& scope = watch_case.value("namespace_scope", Json());
    OpenWatch watch = Watch(WithFilter(FromNow(), absl::StrJoin(terms, " AND "),
                                       scope.is_null() ? "" : scope.get<std::string>()));
    std::size_t seen = 0;
    for (const Json& step : watch_case["steps"]) {
      if (step["write"].is_null()) {
        Delete("foo");
      } else {
        WritePod(ReadPod(step["write"].get<std::string>()));
      }
      EXPECT_EQ(NextEvent(watch, seen), Ours(step["expect"])) << step;
    }
    Finish(std::move(watch));
  }

  void RvSemantics(const Json& watch_case) {
    for (const std::string key : watch_case["existing"]) Put(key);
    const std::int64_t current = house_.revision();
    // A new store is at revision 1 there, at 0 here.
    const WatchSession::Options options = StartOf(watch_case["request"], current, /*empty=*/1);
    OpenWatch watch = Watch(options);
    if (options.start == WatchSession::Start::kNow) {
      ASSERT_TRUE(watch.stream->AwaitMessages(1));
    }
    if (options.start == WatchSession::Start::kInitialState) {
      ASSERT_TRUE(watch.stream->AwaitSynced());
    }
    for (const std::string key : watch_case["created_after_watch_opened"]) Put(key);
    const auto messages = Told(watch);
    std::vector<std::string> keys = InitialIn(messages);
    for (const std::string& event : EventsIn(messages)) {
      const std::vector<std::string> words = absl::StrSplit(event, ' ');
      EXPECT_EQ(words[1], "ADDED");
      keys.push_back(words[2]);
    }
    Json wanted = watch_case["expect_initial_added"];
    for (const Json& key : watch_case["expect_then_added"]) wanted.push_back(key);
    EXPECT_EQ(Json(keys), wanted);
    if (watch_case["expect_initial_end_marker_with_rv_at_least"].is_null()) return;
    std::int64_t synced = -1;
    for (const auto& message : messages) {
      if (message.has_synced()) synced = message.synced().revision();
    }
    EXPECT_GE(synced, current);
  }

  void StartRv(const Json& watch_case) {
    const std::int64_t current = watch_case["storage_current_rv"];
    for (std::int64_t i = 1; i <= current; ++i) Put(absl::StrCat("k", i % 10));
    const WatchSession::Options options = StartOf(watch_case["request"], current);
    OpenWatch watch = Watch(options);
    const auto messages = Told(watch);
    const std::int64_t start = watch_case["expect_start_rv"];
    // 0: any; the only view there is shows the current one.
    if (options.start == WatchSession::Start::kAfterRevision) {
      EXPECT_EQ(messages[0].batches(0).revision(), start + 1);
      EXPECT_THAT(EventsIn(messages), SizeIs(static_cast<std::size_t>(current - start)));
    } else {
      EXPECT_GE(messages[0].progress().revision(), std::max(start, current));
      EXPECT_THAT(EventsIn(messages), IsEmpty());
    }
  }

  void InitialEndMarker(const Json& watch_case) {
    const std::int64_t current =
        std::max(watch_case["required_rv"].get<std::int64_t>(), std::int64_t{100});
    for (std::int64_t i = 1; i <= current; ++i) Put(absl::StrCat("k", i % 10));
    const WatchSession::Options options = StartOf(watch_case["request"], current);
    OpenWatch watch = Watch(options);
    std::optional<std::int64_t> synced;
    for (const auto& message : Told(watch)) {
      if (message.has_synced()) synced = message.synced().revision();
    }
    // It cannot be declined here: who asks for the initial state is told its end.
    EXPECT_EQ(synced.has_value(), options.start == WatchSession::Start::kInitialState);
    const std::int64_t wanted = watch_case["expect_end_marker_rv"];
    if (wanted > 0) {
      EXPECT_GE(synced.value_or(0), wanted);
    }
  }

  void ParameterMatrix(const Json& row) {
    for (int i = 0; i < 5; ++i) Put(absl::StrCat("k", i));
    Json request = {
        {"resource_version", row["resource_version"] == "RV" ? "3" : row["resource_version"]},
        {"send_initial_events", nullptr}};
    if (row["send_initial_events"] == "true") request["send_initial_events"] = true;
    if (row["send_initial_events"] == "false") request["send_initial_events"] = false;
    OpenWatch watch = Watch(StartOf(request, house_.revision()));
    const auto messages = Told(watch);
    const std::string cache = row["from_cache"];
    const std::string store = row["from_store"];
    const bool lists = absl::StrContains(store, "list +");
    const bool from_rv = absl::EndsWith(store, "from RV");
    EXPECT_THAT(InitialIn(messages), SizeIs(lists ? 5u : 0u)) << cache;
    EXPECT_THAT(EventsIn(messages), SizeIs(from_rv ? 2u : 0u)) << cache;
  }

  void EmptyEventCache(const Json& watch_case) {
    KeepChanges(0);
    for (int i = 0; i < 3; ++i) Put("k");
    Compact();
    if (watch_case["from"] == "lastRV-1") {
      EXPECT_EQ(ReasonOfOpen(AfterRevision(house_.revision() - 1)), "REVISION_COMPACTED");
      return;
    }
    OpenWatch watch = Watch(AfterRevision(house_.revision()));
    EXPECT_THAT(EventsIn(Told(watch)), IsEmpty());
  }

  // -- Scenarios.

  void WatchFromZero(const Json&) {
    KeepChanges(1);
    Put("foo", "v1");
    OpenWatch watch = Watch(FromInitialState());
    ASSERT_TRUE(watch.stream->AwaitSynced());
    Put("foo", "v2");
    auto messages = Told(watch);
    EXPECT_THAT(InitialIn(messages), ElementsAre("foo"));
    EXPECT_THAT(EventsIn(messages), ElementsAre("2 MODIFIED foo"));
    const auto expect_only = [this](const std::string& value) {
      OpenWatch next = Watch(FromInitialState());
      const auto told = Told(next);
      EXPECT_THAT(InitialIn(told), ElementsAre("foo"));
      EXPECT_EQ(told[0].batches(0).events(0).token().role(), value);
      EXPECT_THAT(EventsIn(told), IsEmpty());
    };
    expect_only("v2");
    Put("foo", "v3");
    Put("foo", "v4");
    Compact();
    expect_only("v4");
    EXPECT_EQ(ReasonOfOpen(AfterRevision(2)), "REVISION_COMPACTED");
  }

  void WatchFromCurrent(const Json&) {
    Put("foo");
    OpenWatch watch = Watch(AfterRevision(house_.revision()));
    house_.clock().Advance(absl::Seconds(15));
    ASSERT_TRUE(watch.stream->AwaitProgresses(1));
    EXPECT_THAT(EventsIn(watch.stream->messages()), IsEmpty());
    Put("foo");
    EXPECT_THAT(EventsIn(Told(watch)), ElementsAre("2 MODIFIED foo"));
  }

  void DeleteEventRv(const Json&) {
    Put("foo");
    OpenWatch watch = Watch(AfterRevision(1));
    Delete("foo");
    const auto messages = Told(watch);
    ASSERT_THAT(EventsIn(messages), ElementsAre("2 REMOVED foo"));
    EXPECT_EQ(messages[0].batches(0).events(0).token().revision(), 2);
  }

  void DelayedDelivery(const Json&) {
    OpenWatch watch = Watch(AfterRevision(0), Pace::kByHand);
    for (int i = 0; i < 21; ++i) Put(absl::StrCat("foo-", i));
    watch.stream->Take();
    ASSERT_TRUE(watch.stream->AwaitMessages(1));
    house_.clock().Advance(absl::Seconds(1));
    BreakOff(watch);
    const auto events = EventsIn(records_.back().responses);
    EXPECT_THAT(events, Not(IsEmpty()));
    for (std::size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i], absl::StrCat(i + 1, " ADDED foo-", i));
    }
  }

  // What cannot be decoded is here what cannot be read.
  void ErrorStopsStream(const Json&) {
    KeepChanges(1000, /*feed_bytes=*/1);
    for (int i = 0; i < 5; ++i) Put("k");
    house_.store().FailReadLog(true);
    OpenWatch watch = Watch(AfterRevision(0));
    ASSERT_TRUE(watch.stream->AwaitEnd());
    EXPECT_EQ(ReasonOf(watch.stream->status()), "STORE_UNAVAILABLE");
    house_.store().FailReadLog(false);
    Put("k");
    BreakOff(watch);
    EXPECT_THAT(records_.back().responses, IsEmpty());
  }

  void TwoSources() {
    LedgerSetup setup;
    setup.sources.push_back(MakeSourceInfo("beta"));
    Reopen(setup);
  }

  void InitialEndIsGlobal(const Json&) {
    TwoSources();
    for (int i = 0; i < 5; ++i) Put(absl::StrCat("k", i), "", "acme");
    Put("other", "", "beta");
    OpenWatch watch = Watch(FromInitialState(v1::FULL, "acme"));
    ASSERT_TRUE(watch.stream->AwaitSynced());
    const auto messages = Told(watch);
    EXPECT_THAT(InitialIn(messages), SizeIs(5));
    EXPECT_EQ(messages.back().synced().revision(), 6);
  }

  void InitialEventsNotRepeated(const Json&) {
    for (int i = 0; i < 10; ++i) Put(absl::StrCat("pod-", i));
    OpenWatch watch = Watch(FromInitialState());
    const auto messages = Told(watch);
    EXPECT_THAT(InitialIn(messages), SizeIs(10));
    EXPECT_THAT(EventsIn(messages), IsEmpty());
  }

  void FilterTransition(const Json& watch_case) {
    OpenWatch watch = Watch(WithFilter(FromNow(), "role = \"host\""));
    std::size_t seen = 0;
    // `rv2 node='' -> DELETED rv2 (left the filter)`
    for (const std::string step : watch_case["steps"]) {
      const std::vector<std::string> sides = absl::StrSplit(step, " -> ");
      WritePod({"pod", "acme", absl::StrContains(sides[0], "node=host") ? "host" : "",
                house_.revision() % 2 == 0});
      const std::vector<std::string> wanted = absl::StrSplit(sides[1], ' ');
      EXPECT_EQ(NextEvent(watch, seen), wanted[0] == "nothing" ? "" : Ours(wanted[0])) << step;
    }
    Finish(std::move(watch));
  }

  void NotBackInTime(const Json&) {
    OpenWatch slow = Watch(AfterRevision(0), Pace::kByHand);
    for (int i = 0; i < 100; ++i) {
      Put(absl::StrCat("k", i));
      slow.stream->Take();
    }
    OpenWatch fast = Watch(AfterRevision(0));
    EXPECT_THAT(EventsIn(Told(fast)), SizeIs(100));
    slow.stream->TakeAll();
    EXPECT_THAT(EventsIn(Told(slow)), SizeIs(100));
  }

  // The store that starts anew is the one that feeds.
  void NoHoleOnReinit(const Json&) {
    Put("k", "1");
    std::vector<OpenWatch> watches;
    for (int i = 0; i < 100; ++i) watches.push_back(Watch(AfterRevision(1)));
    for (int i = 2; i <= 7; ++i) Put("k", absl::StrCat(i));
    for (OpenWatch& watch : watches) BreakOff(watch);
    Reopen({});
    for (int i = 8; i <= 17; ++i) Put("k", absl::StrCat(i));
    for (OpenWatch& watch : watches) {
      watch = Reconnect(std::move(watch));
      AwaitTold(watch);
      Finish(std::move(watch));
    }
  }

  void SlowDoesNotBlockFast(const Json&) {
    OpenWatch never = Watch(AfterRevision(0), Pace::kByHand);
    OpenWatch reads = Watch(AfterRevision(0));
    for (int i = 0; i < 50; ++i) Put(absl::StrCat("k", i));
    EXPECT_TRUE(reads.stream->AwaitRevision(50)) << "no clock moved";
    EXPECT_THAT(EventsIn(reads.stream->messages()), SizeIs(50));
    EXPECT_THAT(never.stream->messages(), IsEmpty());
    Finish(std::move(reads));
    Finish(std::move(never));
  }

  // Their add is at revision 3, and "since 2" is after revision 2. Here revision 2
  // is 0, and what the window holds is what the log keeps.
  void HistoryWindow(const Json&) {
    KeepChanges(5);
    const auto since = [this](std::int64_t revision) {
      OpenWatch watch = Watch(AfterRevision(revision - 2));
      return EventsIn(Told(watch));
    };
    Put("pod");  // 3
    EXPECT_THAT(since(2), ElementsAre("1 ADDED pod"));
    Put("pod");  // 4
    Put("pod");  // 5
    EXPECT_THAT(since(3), ElementsAre("2 MODIFIED pod", "3 MODIFIED pod"));
    for (int i = 6; i <= 9; ++i) Put("pod");
    Compact();
    EXPECT_EQ(ReasonOfOpen(AfterRevision(3 - 2)), "REVISION_COMPACTED");
    EXPECT_THAT(since(4), SizeIs(5));
    Delete("pod");  // 10
    EXPECT_THAT(since(9), ElementsAre("8 REMOVED pod"));
  }

  static const std::map<std::string, Runner>& Ids() {
    using T = K8sWatchCaseTest;
    static const auto* const ids = new std::map<std::string, Runner>{
        {"watch_from_zero", &T::WatchFromZero},
        {"watch_from_current", &T::WatchFromCurrent},
        {"delete_event_rv", &T::DeleteEventRv},
        {"delayed_delivery", &T::DelayedDelivery},
        {"error_stops_stream", &T::ErrorStopsStream},
        {"initial_end_is_global", &T::InitialEndIsGlobal},
        {"initial_events_not_repeated", &T::InitialEventsNotRepeated},
        {"filter_transition_1", &T::FilterTransition},
        {"filter_transition_2", &T::FilterTransition},
        {"not_back_in_time", &T::NotBackInTime},
        {"no_hole_on_reinit", &T::NoHoleOnReinit},
        {"slow_does_not_block_fast", &T::SlowDoesNotBlockFast},
        {"history_window", &T::HistoryWindow},
    };
    return *ids;
  }
  static bool HasItsOwnRunner(const WatchCase& watch_case) {
    return Ids().count(watch_case.id) > 0;
  }
  static Runner RunnerFor(const WatchCase& watch_case) {
    using T = K8sWatchCaseTest;
    static const auto* const groups = new std::map<std::string, Runner>{
        {"watch_predicate", &T::Predicate},
        {"watch_cluster_scope", &T::Predicate},
        {"watch_namespace_scope", &T::Predicate},
        {"rv_semantics_matrix", &T::RvSemantics},
        {"watch_start_rv", &T::StartRv},
        {"initial_end_marker_rv", &T::InitialEndMarker},
        {"watch_parameter_matrix", &T::ParameterMatrix},
        {"empty_event_cache", &T::EmptyEventCache},
    };
    const auto id = Ids().find(watch_case.id);
    if (id != Ids().end()) return id->second;
    const auto group = groups->find(watch_case.group);
    return group == groups->end() ? nullptr : group->second;
  }
};

TEST_P(K8sWatchCaseTest, HoldsOrHasItsReason) {
  if (GetParam().is_set_aside()) {
    EXPECT_FALSE(HasItsOwnRunner(GetParam())) << "run and set aside";
    return;
  }
  const Runner runner = RunnerFor(GetParam());
  ASSERT_NE(runner, nullptr) << "neither run nor set aside";
  (this->*runner)(GetParam().json);
  ExpectNoViolation();
}

INSTANTIATE_TEST_SUITE_P(K8s, K8sWatchCaseTest,
                         ::testing::ValuesIn(ReadWatchCases("k8s_watch_cases.json")),
                         [](const auto& param) { return param.param.id; });

}  // namespace
}  // namespace tokeninventory::testing
