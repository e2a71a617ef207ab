// The checker on recorded traces that were tampered with: each fault breaks the
// property that it should. A checker that never refuses proves nothing.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "inventory/token_watch_view.h"
#include "tests/watch_trace/trace_fixture.h"

namespace tokeninventory::testing {
namespace {

using v1::TokenEvent;
using v1::TokenEventBatch;
using v1::WatchTokensResponse;
using Responses = std::vector<WatchTokensResponse>;

// Three watches: of everything, from the initial state on; resumed after
// revision 2; and of role 1 alone.
class BrokenTraceTest : public TraceFixture {
 protected:
  enum Which { kAll, kResumed, kFiltered };

  BrokenTraceTest() {
    const auto tokens = [](const std::vector<std::pair<const char*, const char*>>& roles) {
      std::vector<ObservedToken> observed;
      for (const auto& [id, role] : roles) {
        observed.push_back(Observed(id, [r = role](v1::Token& t) { t.set_role(r); }));
      }
      return Lists(observed);
    };
    house_.Pass({tokens({{"a", "0"}, {"b", "0"}, {"c", "1"}})});  // revision 1
    OpenWatch all = Watch(FromInitialState());
    EXPECT_TRUE(all.stream->AwaitSynced());
    WatchSession::Options of_role = FromInitialState();
    of_role.view = std::make_shared<TokenWatchView>(MakeScope(v1::FULL, "", "role = \"1\""));
    OpenWatch filtered = Watch(of_role);
    EXPECT_TRUE(filtered.stream->AwaitSynced());
    house_.Pass({tokens({{"a", "1"}, {"b", "1"}, {"c", "1"}})});              // 2: two events
    house_.Pass({tokens({{"a", "2"}, {"b", "1"}, {"c", "1"}, {"d", "1"}})});  // 3: two events
    house_.Pass({tokens({{"a", "2"}, {"b", "1"}, {"c", "1"}})});              // 4: d is missing
    house_.Pass({tokens({{"a", "2"}, {"b", "1"}, {"c", "1"}})});              // 5: d is gone
    house_.Pass({tokens({{"a", "2"}, {"b", "1"}, {"c", "3"}, {"d", "1"}})});  // 6: two events
    house_.Pass({tokens({{"a", "0"}, {"b", "1"}, {"c", "3"}, {"d", "1"}})});  // 7
    EXPECT_EQ(house_.revision(), 7);
    OpenWatch resumed = Watch(AfterRevision(2));
    for (OpenWatch* watch : {&all, &resumed, &filtered}) {
      AwaitTold(*watch);
      BreakOff(*watch);
    }
    ReadLog();
    // How many revisions went out together is chance.
    for (auto& record : records_) record.responses = OneBatchEach(record.responses);
  }

  // Nobody tells how far it is, but for the stream's end.
  Responses OneBatchEach(const Responses& responses) const {
    Responses apart;
    std::int64_t last = 0;
    for (const WatchTokensResponse& response : responses) {
      for (const TokenEventBatch& batch : response.batches()) {
        *apart.emplace_back().add_batches() = batch;
      }
      if (response.has_synced()) *apart.emplace_back().mutable_synced() = response.synced();
      if (response.has_progress()) last = response.progress().revision();
      if (!response.resume_token().empty()) {
        last = *DecodeResumeToken(response.resume_token(), house_.ledger().epoch());
      }
    }
    apart.emplace_back().mutable_progress()->set_revision(last);
    return apart;
  }

  // The property that is broken when `edit` has had its way with one watch's
  // messages.
  std::string Broken(Which which, const std::function<void(Responses&)>& edit) const {
    std::vector<watch_trace::WatchRecord> records = records_;
    edit(records[which].responses);
    const auto trace = watch_trace::MakeTrace(log_, records);
    if (!trace.ok()) return trace.status().ToString();
    const auto violation = watch_trace::FindViolation(*trace);
    if (!violation) return "";
    EXPECT_EQ(violation->watch, static_cast<std::size_t>(which)) << *violation;
    return std::string(NameOf(violation->property));
  }
  // For an edit of one batch.
  std::string BrokenBatch(Which which, std::int64_t revision,
                          const std::function<void(TokenEventBatch&)>& edit) const {
    return Broken(which, [&](Responses& responses) {
      edit(*responses[At(responses, revision)].mutable_batches(0));
    });
  }

  // Where the batch of a revision is.
  static std::size_t At(const Responses& responses, std::int64_t revision) {
    for (std::size_t i = 0; i < responses.size(); ++i) {
      if (responses[i].batches_size() > 0 && responses[i].batches(0).revision() == revision) {
        return i;
      }
    }
    ADD_FAILURE() << "no batch of revision " << revision;
    return 0;
  }
  static void Erase(Responses& responses, std::int64_t revision) {
    responses.erase(responses.begin() + static_cast<std::ptrdiff_t>(At(responses, revision)));
  }
  static void Insert(Responses& responses, std::size_t at, const TokenEventBatch& batch) {
    WatchTokensResponse response;
    *response.add_batches() = batch;
    responses.insert(responses.begin() + static_cast<std::ptrdiff_t>(at), response);
  }
};

TEST_F(BrokenTraceTest, AsRecordedNothingIsBroken) {
  for (const Which which : {kAll, kResumed, kFiltered}) {
    EXPECT_EQ(Broken(which, [](Responses&) {}), "");
  }
  const watch_trace::Trace trace = ExpectNoViolation();
  EXPECT_EQ(CountEvents(trace), (3 + 9) + 7 + (1 + 8));
}

TEST_F(BrokenTraceTest, ADroppedEventIsNotReliable) {
  EXPECT_EQ(
      BrokenBatch(kAll, 3, [](TokenEventBatch& batch) { batch.mutable_events()->RemoveLast(); }),
      "reliable");
  for (const std::int64_t revision : {3, 4, 5, 6, 7}) {
    EXPECT_EQ(Broken(kAll, [&](Responses& r) { Erase(r, revision); }), "reliable") << revision;
  }
}

TEST_F(BrokenTraceTest, ADroppedFirstEventIsNotResumable) {
  EXPECT_EQ(Broken(kAll, [](Responses& r) { Erase(r, 2); }), "resumable");
  EXPECT_EQ(Broken(kResumed, [](Responses& r) { Erase(r, 3); }), "resumable");
}

TEST_F(BrokenTraceTest, ALostEndIsNoFaultUntilItIsClaimed) {
  EXPECT_EQ(Broken(kAll,
                   [](Responses& r) {
                     Erase(r, 7);
                     r.pop_back();  // Progress
                   }),
            "");
}

TEST_F(BrokenTraceTest, ADuplicatedEventIsNotUnique) {
  EXPECT_EQ(
      BrokenBatch(kAll, 3, [](TokenEventBatch& batch) { *batch.add_events() = batch.events(0); }),
      "unique");
  EXPECT_EQ(Broken(kAll,
                   [](Responses& r) {
                     const std::size_t at = At(r, 4);
                     Insert(r, at, TokenEventBatch(r[at].batches(0)));
                   }),
            "unique");
}

TEST_F(BrokenTraceTest, SwappedBatchesAreNotOrdered) {
  EXPECT_EQ(Broken(kAll, [](Responses& r) { std::swap(r[At(r, 3)], r[At(r, 4)]); }), "ordered");
}

TEST_F(BrokenTraceTest, SwappedRevisionsAreNotOrdered) {
  EXPECT_EQ(Broken(kAll,
                   [](Responses& r) {
                     const std::size_t third = At(r, 3), fourth = At(r, 4);
                     r[third].mutable_batches(0)->set_revision(4);
                     r[fourth].mutable_batches(0)->set_revision(3);
                   }),
            "ordered");
}

TEST_F(BrokenTraceTest, AnOldEventOnceMoreIsNotOrdered) {
  EXPECT_EQ(
      Broken(kAll,
             [](Responses& r) { Insert(r, At(r, 7), TokenEventBatch(r[At(r, 3)].batches(0))); }),
      "ordered");
}

TEST_F(BrokenTraceTest, SwappedEventsOfOneRevisionAreNotReliable) {
  EXPECT_EQ(BrokenBatch(kAll, 6,
                        [](TokenEventBatch& batch) { batch.mutable_events()->SwapElements(0, 1); }),
            "reliable");
}

TEST_F(BrokenTraceTest, ASplitRevisionIsNotAtomicUnlessItSaysSo) {
  const auto split = [](bool says_so) {
    return [says_so](Responses& r) {
      const std::size_t at = At(r, 6);
      TokenEventBatch rest = r[at].batches(0);
      rest.mutable_events()->DeleteSubrange(0, 1);
      r[at].mutable_batches(0)->mutable_events()->RemoveLast();
      r[at].mutable_batches(0)->set_continued(says_so);
      Insert(r, at + 1, rest);
    };
  };
  EXPECT_EQ(Broken(kAll, split(false)), "atomic");
  EXPECT_EQ(Broken(kAll, split(true)), "");
}

TEST_F(BrokenTraceTest, AStreamMayBreakWithinARevisionThatSaysSo) {
  const auto cut = [](bool says_so) {
    return [says_so](Responses& r) {
      const std::size_t at = At(r, 6);
      r.resize(at + 1);
      r[at].mutable_batches(0)->mutable_events()->RemoveLast();
      r[at].mutable_batches(0)->set_continued(says_so);
    };
  };
  EXPECT_EQ(Broken(kAll, cut(false)), "reliable");
  EXPECT_EQ(Broken(kAll, cut(true)), "");
}

TEST_F(BrokenTraceTest, AWrongPreviousValueIsRefused) {
  const auto edit_mask = [this](const std::function<void(google::protobuf::FieldMask&)>& edit) {
    return BrokenBatch(kAll, 7, [&](TokenEventBatch& batch) {
      edit(*batch.mutable_events(0)->mutable_changed_fields());
    });
  };
  EXPECT_EQ(edit_mask([](auto& mask) { mask.set_paths(0, "hint"); }), "prev");
  EXPECT_EQ(edit_mask([](auto& mask) { mask.add_paths("hint"); }), "prev");
  EXPECT_EQ(edit_mask([](auto& mask) { mask.clear_paths(); }), "prev");
  // Of one that was not there for the watcher.
  EXPECT_EQ(BrokenBatch(kFiltered, 2,
                        [](TokenEventBatch& batch) {
                          batch.mutable_events(0)->mutable_changed_fields()->add_paths("role");
                        }),
            "prev");
}

TEST_F(BrokenTraceTest, AWrongTypeBreaksIsCreate) {
  EXPECT_EQ(
      BrokenBatch(kAll, 7,
                  [](TokenEventBatch& b) { b.mutable_events(0)->set_type(TokenEvent::ADDED); }),
      "is_create");
  EXPECT_EQ(
      BrokenBatch(kFiltered, 2,
                  [](TokenEventBatch& b) { b.mutable_events(0)->set_type(TokenEvent::MODIFIED); }),
      "is_create");
}

TEST_F(BrokenTraceTest, AWrongTokenIsNotReliable) {
  EXPECT_EQ(
      BrokenBatch(kAll, 7,
                  [](TokenEventBatch& b) { b.mutable_events(0)->mutable_token()->set_role("1"); }),
      "reliable");
  // An old one under a new revision.
  EXPECT_EQ(Broken(kAll,
                   [](Responses& r) {
                     *r[At(r, 7)].mutable_batches(0)->mutable_events(0)->mutable_token() =
                         r[At(r, 3)].batches(0).events(0).token();
                   }),
            "reliable");
}

TEST_F(BrokenTraceTest, AWrongCauseIsNotReliable) {
  EXPECT_EQ(BrokenBatch(kAll, 5,
                        [](TokenEventBatch& batch) {
                          batch.mutable_events(0)->set_remove_cause(TokenEvent::LEFT_FILTER);
                        }),
            "reliable");
}

TEST_F(BrokenTraceTest, WhatTheFilterHidesBreaksFilter) {
  // Revision 7 changes a token of role 2.
  EXPECT_EQ(Broken(kFiltered,
                   [this](Responses& r) {
                     const Responses& all = records_[kAll].responses;
                     Insert(r, r.size() - 1, all[At(all, 7)].batches(0));
                   }),
            "filter");
  EXPECT_EQ(Broken(kFiltered,
                   [this](Responses& r) {
                     const Responses& all = records_[kAll].responses;
                     *r[At(r, 1)].mutable_batches(0)->add_events() =
                         all[At(all, 1)].batches(0).events(0);
                   }),
            "filter");
}

TEST_F(BrokenTraceTest, AMissingRemovalFromTheFilterIsNotReliable) {
  EXPECT_EQ(BrokenBatch(kFiltered, 3,
                        [](TokenEventBatch& batch) {
                          ASSERT_EQ(batch.events(0).remove_cause(), TokenEvent::LEFT_FILTER);
                          batch.mutable_events()->DeleteSubrange(0, 1);
                        }),
            "reliable");
}

TEST_F(BrokenTraceTest, AnEarlyBookmarkIsRefused) {
  const auto progress = [](std::int64_t revision) {
    WatchTokensResponse response;
    response.mutable_progress()->set_revision(revision);
    return response;
  };
  // Before what it covers.
  EXPECT_EQ(Broken(kAll, [&](Responses& r) { r.insert(r.begin() + 3, progress(5)); }),
            "bookmarkable");
  // Behind what was told.
  EXPECT_EQ(Broken(kAll, [&](Responses& r) { r.push_back(progress(6)); }), "bookmarkable");
  // A resume token is one as well.
  EXPECT_EQ(Broken(kAll,
                   [this](Responses& r) {
                     r[At(r, 4)].set_resume_token(EncodeResumeToken(house_.ledger().epoch(), 5));
                   }),
            "bookmarkable");
  // As is Synced.
  EXPECT_EQ(Broken(kAll, [](Responses& r) { r[1].mutable_synced()->set_revision(2); }),
            "bookmarkable");
}

TEST_F(BrokenTraceTest, AnInitialStateWithoutATokenIsNotReliable) {
  EXPECT_EQ(
      BrokenBatch(kAll, 1, [](TokenEventBatch& batch) { batch.mutable_events()->RemoveLast(); }),
      "reliable");
}

TEST_F(BrokenTraceTest, WhatTheInitialStateShowedIsNotToldAgain) {
  EXPECT_EQ(Broken(kAll,
                   [](Responses& r) {
                     TokenEventBatch again = r[At(r, 1)].batches(0);
                     again.set_initial(false);
                     Insert(r, At(r, 2), again);
                   }),
            "bookmarkable");
}

TEST_F(BrokenTraceTest, ALogThatDoesNotJoinOnIsNoTruth) {
  watch_trace::WriteLog log;
  // Compacted before it was read.
  house_.Advance(absl::Hours(24 * 8));
  EXPECT_EQ(log.ReadFrom(house_.store()).code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace tokeninventory::testing
