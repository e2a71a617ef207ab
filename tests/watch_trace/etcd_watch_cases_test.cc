// etcd's watch scripts (testdata/etcd_watch_scenarios.json). etcd's first write is
// its revision 2, here it is 1; etcd watches from a revision on, here after one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/proto_time.h"
#include "tests/inventory/vendor_churn.h"
#include "tests/watch_trace/case_file.h"
#include "tests/watch_trace/watch_script.h"

namespace tokeninventory::testing {
namespace {

using Json = nlohmann::json;
using Pace = FakeStream::Pace;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kOffset = 1;

// `r5 TXN PUT /foo/a=3, DELETE /foo/b` or `r5 DELETE foo1, foo2 (one transaction)`.
std::vector<ScriptWrite> ReadWrites(absl::string_view line) {
  line = line.substr(line.find(' ') + 1);
  absl::ConsumePrefix(&line, "TXN ");
  absl::ConsumeSuffix(&line, " (one transaction)");
  std::vector<ScriptWrite> writes;
  bool deletes = false;
  for (absl::string_view op : absl::StrSplit(line, ", ")) {
    if (absl::ConsumePrefix(&op, "PUT ")) deletes = false;
    if (absl::ConsumePrefix(&op, "DELETE ")) deletes = true;
    const std::vector<std::string> parts = absl::StrSplit(op, '=');
    writes.push_back({parts[0], deletes ? ScriptWrite::kGone : parts.size() > 1 ? parts[1] : ""});
  }
  return writes;
}

// etcd's words for what a watcher was told.
std::vector<std::string> InEtcdsWords(const std::vector<v1::WatchTokensResponse>& messages) {
  std::vector<std::string> events;
  for (const auto& message : messages) {
    for (const auto& batch : message.batches()) {
      for (const auto& event : batch.events()) {
        const bool removed = event.type() == v1::TokenEvent::REMOVED;
        events.push_back(absl::StrCat("r", batch.revision() + kOffset,
                                      removed ? " DELETE " : " PUT ",
                                      event.token().provider_token_id()));
      }
    }
  }
  return events;
}

// Which keys a watch of etcd's asks for.
std::string FilterOf(const Json& watch_case) {
  const std::string key = watch_case["key"];
  std::vector<std::string> terms = {"role != \"gone\""};
  const auto add = [&](absl::string_view comparison, const std::string& value) {
    terms.push_back(absl::StrCat("provider_token_id ", comparison, " \"", value, "\""));
  };
  if (watch_case.value("prefix", false)) {
    add("=", key + "*");
  } else if (watch_case.value("from_key", false)) {
    add(">=", key);
  } else if (watch_case.contains("range_end")) {
    add(">=", key);
    add("<", watch_case["range_end"]);
  } else {
    add("=", key);
  }
  return absl::StrJoin(terms, " AND ");
}

class EtcdWatchCaseTest : public WatchScript, public ::testing::WithParamInterface<WatchCase> {
 protected:
  using Runner = void (EtcdWatchCaseTest::*)(const Json&);

  // A stream that begins with etcd's revision `from`.
  static WatchSession::Options From(std::int64_t from) {
    return AfterRevision(std::max<std::int64_t>(from - kOffset - 1, 0));
  }

  void Write(const std::string& line) {
    const auto writes = ReadWrites(line);
    if (writes.size() == 1 && writes[0].value == ScriptWrite::kGone) {
      Delete(writes[0].key);
    } else {
      Commit(writes);
    }
    EXPECT_TRUE(absl::StartsWith(line, absl::StrCat("r", house_.revision() + kOffset, " ")))
        << line;
  }
  void PutMany(int count) {
    for (int i = 0; i < count; ++i) Put("k", absl::StrCat(i));
  }
  std::string ReasonOfOpen(const WatchSession::Options& options) {
    auto stream = watch_.Make(options);
    const absl::Status status = stream->Open();
    EXPECT_EQ(stream->writes_begun(), 0);
    return status.ok() ? "" : ReasonOf(status);
  }

  // -- Groups.

  void WatchSelect(const Json& watch_case) {
    OpenWatch watch;
    for (const std::string line : GetParam().about["setup"]) {
      if (!absl::StartsWith(line, "(")) {
        Write(line);
        continue;
      }
      watch = Watch(WithFilter(
          watch_case.contains("from_revision") ? From(watch_case["from_revision"]) : FromNow(),
          FilterOf(watch_case)));
    }
    EXPECT_EQ(Json(InEtcdsWords(Told(watch))), watch_case["expect"]);
  }

  void RangeEvents(const Json& watch_case) {
    for (const std::string line : GetParam().about["setup"]) Write(line);
    OpenWatch watch = Watch(WithFilter(From(watch_case["min_rev_inclusive"]), kNotGone));
    std::vector<std::string> events;
    const std::int64_t end = watch_case["max_rev_exclusive"];
    for (const std::string& event : InEtcdsWords(Told(watch))) {
      if (std::stoll(event.substr(1)) < end) events.push_back(event);
    }
    EXPECT_EQ(Json(events), watch_case["expect"]);
  }

  void LaggingWatcher(const Json& watch_case) {
    KeepChanges(watch_case["window"]);
    OpenWatch watch = Watch(FromNow(), Pace::kByHand);
    watch.stream->Take();
    ASSERT_TRUE(watch.stream->AwaitMessages(1));
    // The first event is under way, the others wait in the log.
    Put("k", "first");
    ASSERT_TRUE(watch.stream->AwaitWritesBegun(2));
    PutMany(watch_case["eventCount"].get<int>() - 1);
    Compact();
    watch.stream->TakeAll();
    const bool closed = !AwaitToldOrEnd(watch);
    EXPECT_EQ(closed, watch_case["wantClosed"].get<bool>());
    if (closed) {
      EXPECT_EQ(ReasonOf(watch.stream->status()), "REVISION_COMPACTED");
    }
    BreakOff(watch);
    const std::size_t count = InEtcdsWords(records_.back().responses).size();
    EXPECT_LE(count, watch_case.value("wantAtMaxEventCount", std::size_t{1000}));
    EXPECT_EQ(count, watch_case.value("wantExactEventCount", count));
  }

  void BroadcastBatching(const Json& watch_case) {
    std::map<std::int64_t, int> sizes;
    for (const std::int64_t revision : watch_case["input"]) ++sizes[revision];
    std::map<std::int64_t, std::int64_t> theirs;  // by ours
    for (const auto& [revision, size] : sizes) {
      std::vector<ScriptWrite> writes;
      for (int i = 0; i < size; ++i) writes.push_back({absl::StrCat("k", i), "v"});
      Commit(writes);
      theirs[house_.revision()] = revision;
    }
    OpenWatch watch = Watch(AfterRevision(0));
    ASSERT_TRUE(watch.stream->AwaitRevision(house_.revision()));
    std::vector<std::int64_t> revisions;
    std::vector<int> counts;
    for (const auto& message : watch.stream->messages()) {
      revisions.push_back(theirs[message.batches(0).revision()]);
      counts.push_back(0);
      for (const auto& batch : message.batches()) counts.back() += batch.events_size();
    }
    EXPECT_EQ(Json(revisions), watch_case["wantRevs"]);
    EXPECT_EQ(Json(counts), watch_case["wantSizes"]);
    Finish(std::move(watch));
  }

  // A store that restarts under its watches: they resume.
  void RestoreWhileWatching(const Json& watch_case) {
    const std::int64_t start = watch_case["start_revision"];
    OpenWatch watch = Watch(start == 0 ? FromNow() : From(start));
    if (start == 0) {
      ASSERT_TRUE(watch.stream->AwaitMessages(1));
    }
    Put("foo");
    BreakOff(watch);  // told or not
    Reopen({});
    watch = Reconnect(std::move(watch));
    Delete("foo");
    AwaitTold(watch);
    Finish(std::move(watch));
    std::vector<std::string> events;
    for (const auto& record : records_) {
      for (const std::string& event : InEtcdsWords(record.responses)) {
        const std::vector<std::string> words = absl::StrSplit(event, ' ');
        events.push_back(absl::StrCat(words[1], " ", words[0]));
      }
    }
    EXPECT_EQ(Json(events), watch_case["expect"]);
  }

  // Where etcd cuts batches after some revisions, this service does after some bytes.
  void UnsyncedBatches(const Json& watch_case) {
    for (int i = 0; i < watch_case["revisions"].get<int>(); ++i) {
      std::vector<ScriptWrite> writes;
      for (int k = 0; k < watch_case["eventsPerRevision"].get<int>(); ++k) {
        writes.push_back({absl::StrCat("k", k), "v"});
      }
      Commit(writes);
    }
    OpenWatch watch = Watch(AfterRevision(0));
    Json revisions = Json::array();
    for (const auto& message : Told(watch)) {
      for (const auto& batch : message.batches()) {
        EXPECT_FALSE(batch.continued());
        for (int i = 0; i < batch.events_size(); ++i) {
          revisions.push_back(batch.revision() + kOffset);
        }
      }
    }
    Json wanted = Json::array();
    for (const Json& batch : watch_case["expectRevisionBatches"]) {
      wanted.insert(wanted.end(), batch.begin(), batch.end());
    }
    EXPECT_EQ(revisions, wanted);
  }

  void RequestProgress(const Json& watch_case) {
    Put("foo");
    const std::int64_t start = watch_case["startRev"];
    if (start > house_.revision() + kOffset) {
      EXPECT_EQ(ReasonOfOpen(From(start)), "REVISION_IN_FUTURE") << "so it gets no progress";
      EXPECT_FALSE(watch_case.value("expectProgressAfterSync", false));
      return;
    }
    OpenWatch watch = Watch(start == 0 ? FromNow() : From(start));
    ASSERT_TRUE(watch.stream->AwaitMessages(1));
    EXPECT_EQ(watch.stream->messages()[0].has_progress(),
              watch_case.value("expectProgressBeforeSync", false));
    ASSERT_TRUE(watch.stream->AwaitRevision(1));
    house_.clock().Advance(absl::Seconds(15));
    EXPECT_TRUE(watch.stream->AwaitProgresses(start == 0 ? 2 : 1));
    EXPECT_TRUE(watch_case.value("expectProgressAfterSync", false));
    Finish(std::move(watch));
  }

  // -- Scenarios.

  void CompactRevision(const Json&) {
    KeepChanges(3);
    PutMany(5);  // r2 … r6
    Compact();   // r4 is the first that is left
    const absl::Status status = watch_.Make(From(2))->Open();
    EXPECT_EQ(ReasonOf(status), "REVISION_COMPACTED");
    EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status)->metadata().at("oldest_revision"), "2");
    OpenWatch watch = Watch(From(4));
    EXPECT_THAT(InEtcdsWords(Told(watch)), ElementsAre("r4 PUT k", "r5 PUT k", "r6 PUT k"));
  }

  void ResumeCompacted(const Json&) {
    KeepChanges(3);
    OpenWatch watch = Watch(From(1));
    BreakOff(watch);
    PutMany(5);
    Compact();
    int compacted = 0;
    watch = Reconnect(std::move(watch), Pace::kAtOnce, &compacted);
    EXPECT_EQ(compacted, 1);
    const auto messages = Told(watch);
    EXPECT_THAT(InitialIn(messages), ElementsAre("k"));
  }

  void CompactEvery7(const Json&) {
    KeepChanges(1);
    for (const bool deletes : {true, false}) {
      std::set<std::int64_t> told;
      const std::int64_t first = house_.revision() + 1;
      OpenWatch watch = Watch(AfterRevision(house_.revision()));
      for (int i = 1; i <= 100; ++i) {
        if (i % 7 == 0 && deletes) {
          Delete("k");
        } else {
          Put("k", absl::StrCat(i));
        }
        if (i % 7 != 0 && i != 100) continue;
        AwaitTold(watch);
        BreakOff(watch);
        for (const auto& message : records_.back().responses) {
          for (const auto& batch : message.batches()) told.insert(batch.revision());
        }
        Compact();
        watch = Watch(AfterRevision(house_.revision() - 1));  // the last one once more
      }
      Finish(std::move(watch));
      EXPECT_THAT(told, SizeIs(100));
      EXPECT_EQ(*told.begin(), first);
      EXPECT_EQ(*told.rbegin(), house_.revision());
    }
  }

  void ProgressWaitsForSync(const Json&) {
    KeepChanges(100'000, /*feed_bytes=*/1);
    PutMany(1000);
    WatchSession::Options options = AfterRevision(0);
    options.progress_interval = absl::Seconds(1);
    OpenWatch watch = Watch(options, Pace::kByHand);
    // A Progress is due from now on, before every message.
    for (std::size_t taken = 1; !watch.stream->IsToldSoon(house_.revision()); ++taken) {
      ASSERT_TRUE(watch.stream->AwaitWrite());
      house_.clock().Advance(absl::Seconds(2));
      watch.stream->Take();
      ASSERT_TRUE(watch.stream->AwaitMessages(taken));
    }
    watch.stream->TakeAll();
    house_.clock().Advance(absl::Seconds(2));
    ASSERT_TRUE(watch.stream->AwaitProgresses(1));
    EXPECT_EQ(watch.stream->messages().back().progress().revision(), house_.revision());
    Finish(std::move(watch));
  }

  void NoEventsLostOnCompact(const Json&) {
    KeepChanges(10);
    OpenWatch watch = Watch(FromInitialState(), Pace::kByHand);
    for (int i = 0; i < 20; ++i) {
      Put("k");
      Delete("k");
      if (i % 8 == 7) Compact();
      if (i == 0) watch.stream->Take();
    }
    watch.stream->TakeAll();
    EXPECT_FALSE(AwaitToldOrEnd(watch));
    EXPECT_EQ(ReasonOf(watch.stream->status()), "REVISION_COMPACTED");
    Finish(std::move(watch));
  }

  // A token has at most 64 KiB here.
  void Fragment(const Json&) {
    std::vector<ObservedToken> tokens = ObservedRange("k", 1, 160);
    for (ObservedToken& token : tokens) token.token.set_provider_uri(std::string(60 << 10, 'x'));
    Observe(tokens);
    OpenWatch watch = Watch(AfterRevision(0));
    const auto messages = Told(watch);
    EXPECT_THAT(EventsIn(messages), SizeIs(160));
    for (const auto& message : messages) EXPECT_LT(message.ByteSizeLong(), 3u << 19);
  }

  void PrevKvSeparateStreams(const Json&) {
    OpenWatch full = Watch(FromNow(v1::FULL)), basic = Watch(FromNow(v1::BASIC));
    Observe({Observed("k", [](v1::Token& t) { t.set_provider_uri("https://acme.example/k"); })});
    Observe({Observed("k", [](v1::Token& t) { t.set_provider_uri("https://acme.example/l"); })});
    for (const bool is_full : {true, false}) {
      const auto messages = Told(is_full ? full : basic);
      ASSERT_THAT(EventsIn(messages), ElementsAre("1 ADDED k", "2 MODIFIED k"));
      for (const auto& message : messages) {
        for (const auto& batch : message.batches()) {
          EXPECT_NE(batch.events(0).token().provider_uri().empty(), is_full);
        }
      }
    }
  }

  void CancelImmediate(const Json&) {
    PutMany(3);
    for (const auto& options : {FromInitialState(), FromNow(), AfterRevision(0)}) {
      for (int moment = 0; moment < 4; ++moment) {
        const bool running = moment >= 2;
        OpenWatch watch = Watch(options, running ? Pace::kByHand : Pace::kAtOnce);
        if (moment == 1) {
          ASSERT_TRUE(watch.stream->AwaitMessages(1));
        }
        if (running) {
          ASSERT_TRUE(watch.stream->AwaitWrite());
        }
        if (moment == 3) Put("k", absl::StrCat("while running ", moment));
        watch.stream->Cancel();
        EXPECT_TRUE(watch.stream->AwaitEnd());
        EXPECT_EQ(watch.stream->status().code(), absl::StatusCode::kCancelled);
        Finish(std::move(watch));
      }
    }
    EXPECT_TRUE(watch_.AwaitStreamCount(0));
  }

  // -- etcd's bugs.

  void ProgressNotSyncedWithStream(const Json& watch_case) { ProgressWaitsForSync(watch_case); }

  // A store that went back is another one, or does not know the revision yet.
  void TravellingBack(const Json&) {
    PutMany(5);
    OpenWatch watch = Watch(AfterRevision(0));
    const std::string token = Told(watch).back().resume_token();
    WatchHarness other;
    EXPECT_EQ(ReasonOf(DecodeResumeToken(token, other.house().ledger().epoch())),
              "STORE_EPOCH_CHANGED");
    EXPECT_EQ(ReasonOfOpen(AfterRevision(6)), "REVISION_IN_FUTURE");
  }

  void OneTransactionTouchesAKeyTwice(const Json&) {
    OpenWatch watch = Watch(FromNow());
    Commit({{"k", "1"}, {"l", "1"}, {"k", "2"}});
    Commit({{"k", "3"}, {"k", "3"}});
    EXPECT_THAT(EventsIn(Told(watch)), ElementsAre("1 ADDED k", "1 ADDED l", "2 MODIFIED k"));
  }

  void StarvedStreams(const Json&) {
    std::vector<OpenWatch> watches;
    for (int i = 0; i < 50; ++i) {
      watches.push_back(Watch(i % 2 == 0 ? FromInitialState() : FromNow(), Pace::kByHand));
    }
    for (int i = 0; i < 100; ++i) {
      Commit({{absl::StrCat("k", i % 10), absl::StrCat(i)}, {"k", absl::StrCat(i)}});
      watches[static_cast<std::size_t>(i) % watches.size()].stream->Take();
    }
    for (OpenWatch& watch : watches) watch.stream->TakeAll();
    for (OpenWatch& watch : watches) {
      AwaitTold(watch);
      Finish(std::move(watch));
    }
  }

  void RevisionNeverFalls(const Json&) {
    KeepChanges(1);
    PutMany(3);
    Delete("k");
    const std::int64_t told = house_.revision();
    for (int i = 0; i < 2; ++i) {
      Compact();
      LedgerSetup setup;
      setup.retention.max_changes = i == 0 ? 1 : 0;
      Reopen(setup);
      EXPECT_GE(house_.revision(), told);
    }
    Put("k", "again");
    EXPECT_EQ(house_.revision(), told + 1);
    OpenWatch watch = Watch(AfterRevision(told));
    EXPECT_THAT(EventsIn(Told(watch)), SizeIs(1));
  }

  void CompactingOnDelete(const Json&) {
    KeepChanges(2);
    Put("k", "v2");
    Put("k", "v3");
    Put("k", "v4");
    Delete("k");
    Put("k", "v6");
    Compact();
    EXPECT_EQ(house_.feed().bounds().oldest + kOffset, 4);
    OpenWatch watch = Watch(From(5));
    EXPECT_THAT(InEtcdsWords(Told(watch)), ElementsAre("r5 DELETE k", "r6 PUT k"));
  }

  void DeleteAtTheCompactedRevision(const Json&) {
    KeepChanges(1);
    for (int i = 0; i < 5; ++i) Put(absl::StrCat("/key-", i));
    Delete("/key-0");
    Compact();
    KeepChanges(1);  // the service starts again
    OpenWatch watch =
        Watch(WithFilter(AfterRevision(house_.revision() - 1), "provider_token_id = \"/key-0\""));
    EXPECT_THAT(EventsIn(Told(watch)), ElementsAre("6 REMOVED /key-0"));
  }

  void CompactedRevisionIsAnError(const Json&) {
    KeepChanges(2, /*feed_bytes=*/1);
    PutMany(10);
    Compact();
    for (int revision = 0; revision < 8; ++revision) {
      EXPECT_EQ(ReasonOfOpen(AfterRevision(revision)), "REVISION_COMPACTED");
    }
    EXPECT_EQ(house_.store().ReadLog({8, 0}, 1 << 20).status().code(),
              absl::StatusCode::kOutOfRange);
  }

  void FutureRevisionTellsNothing(const Json&) {
    PutMany(4);  // r5
    EXPECT_EQ(ReasonOfOpen(From(10)), "REVISION_IN_FUTURE");
    EXPECT_EQ(watch_.hub().stream_count(), 0);
  }

  // All timers wake late, once.
  void APausedProcess(const Json&) {
    OpenWatch watch = Watch(FromNow());
    Observe({Observed("k", [this](v1::Token& t) {
      ToProto(house_.clock().Now() + absl::Minutes(1), t.mutable_expire_time());
    })});
    ASSERT_TRUE(watch.stream->AwaitRevision(1));
    house_.Advance(absl::Hours(3));
    EXPECT_EQ(house_.Token("k").state(), v1::Token::EXPIRED);
    EXPECT_THAT(EventsIn(Told(watch)), ElementsAre("1 ADDED k", "2 MODIFIED k"));
  }

  static const std::map<std::string, Runner>& Ids() {
    using T = EtcdWatchCaseTest;
    static const auto* const ids = new std::map<std::string, Runner>{
        {"compact_revision", &T::CompactRevision},
        {"resume_compacted", &T::ResumeCompacted},
        {"compact_every_7", &T::CompactEvery7},
        {"progress_waits_for_sync", &T::ProgressWaitsForSync},
        {"no_events_lost_on_compact", &T::NoEventsLostOnCompact},
        {"fragment", &T::Fragment},
        {"prev_kv_separate_streams", &T::PrevKvSeparateStreams},
        {"cancel_immediate", &T::CancelImmediate},
        {"etcd_15220", &T::ProgressNotSyncedWithStream},
        {"etcd_15271", &T::TravellingBack},
        {"etcd_17247", &T::OneTransactionTouchesAKeyTwice},
        {"etcd_17529", &T::StarvedStreams},
        {"etcd_17780", &T::RevisionNeverFalls},
        {"etcd_18089", &T::CompactingOnDelete},
        {"etcd_19179", &T::DeleteAtTheCompactedRevision},
        {"etcd_18667", &T::CompactedRevisionIsAnError},
        {"etcd_20221a", &T::FutureRevisionTellsNothing},
        {"etcd_20418", &T::APausedProcess},
    };
    return *ids;
  }
  static bool HasItsOwnRunner(const WatchCase& watch_case) {
    return Ids().count(watch_case.id) > 0;
  }
  static Runner RunnerFor(const WatchCase& watch_case) {
    using T = EtcdWatchCaseTest;
    static const auto* const groups = new std::map<std::string, Runner>{
        {"watch_select", &T::WatchSelect},
        {"range_events", &T::RangeEvents},
        {"lagging_watcher", &T::LaggingWatcher},
        {"broadcast_batching", &T::BroadcastBatching},
        {"restore_while_watching", &T::RestoreWhileWatching},
        {"unsynced_batches", &T::UnsyncedBatches},
        {"request_progress", &T::RequestProgress},
    };
    const auto id = Ids().find(watch_case.id);
    if (id != Ids().end()) return id->second;
    const auto group = groups->find(watch_case.group);
    return group == groups->end() ? nullptr : group->second;
  }
};

TEST_P(EtcdWatchCaseTest, HoldsOrHasItsReason) {
  if (GetParam().is_set_aside()) {
    EXPECT_FALSE(HasItsOwnRunner(GetParam())) << "run and set aside";
    return;
  }
  const Runner runner = RunnerFor(GetParam());
  ASSERT_NE(runner, nullptr) << "neither run nor set aside";
  (this->*runner)(GetParam().json);
  ExpectNoViolation();
}

INSTANTIATE_TEST_SUITE_P(Etcd, EtcdWatchCaseTest,
                         ::testing::ValuesIn(ReadWatchCases("etcd_watch_scenarios.json")),
                         [](const auto& param) { return param.param.id; });

}  // namespace
}  // namespace tokeninventory::testing
