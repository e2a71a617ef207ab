// Records the streams of a WatchHarness, and judges the trace.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "inventory/token_name.h"
#include "inventory/token_watch_view.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"
#include "tests/watch_trace/token_trace.h"
#include "tests/watch_trace/trace_checker.h"

namespace tokeninventory::testing {

// A stream, and how it was asked for.
struct OpenWatch {
  WatchSession::Options options;
  std::unique_ptr<FakeStream> stream;
  // Once it was broken off: where its client goes on.
  std::string resume_token;
};

// Used by the test's thread.
class TraceFixture : public ::testing::Test {
 protected:
  explicit TraceFixture(LedgerSetup setup = {}) : watch_(std::move(setup)) { StartHub(); }

  // Restarts the service, over the same store.
  void Reopen(const LedgerSetup& setup) {
    watch_.Reopen(setup);
    StartHub();
  }

  OpenWatch Watch(const WatchSession::Options& options,
                  FakeStream::Pace pace = FakeStream::Pace::kAtOnce) {
    OpenWatch watch{options, watch_.Make(options, pace), ""};
    const absl::Status opened = watch.stream->Open();
    EXPECT_TRUE(opened.ok()) << opened;
    return watch;
  }

  // Takes what was received into the trace, and ends the stream.
  void BreakOff(OpenWatch& watch) {
    watch.stream->Cancel();
    EXPECT_TRUE(watch.stream->AwaitEnd());
    watch_trace::WatchRecord record;
    record.request = RequestOf(watch.options);
    for (auto& message : watch.stream->messages()) {
      if (!message.resume_token().empty()) watch.resume_token = message.resume_token();
      record.responses.push_back(std::move(message));
    }
    if (watch.resume_token.empty()) watch.resume_token = record.request.resume_token();
    records_.push_back(std::move(record));
    watch.stream = nullptr;
  }
  void Finish(OpenWatch watch) { BreakOff(watch); }

  // Goes on where a stream that was broken off told to; from the initial state
  // when it told nothing, or when that is compacted (then `*compacted` is counted
  // up; null: that is not to be).
  OpenWatch Reconnect(OpenWatch watch, FakeStream::Pace pace = FakeStream::Pace::kAtOnce,
                      int* compacted = nullptr) {
    WatchSession::Options options = watch.options;
    if (!watch.resume_token.empty()) {
      const auto revision = DecodeResumeToken(watch.resume_token, house_.ledger().epoch());
      EXPECT_TRUE(revision.ok()) << revision.status();
      options.start = WatchSession::Start::kAfterRevision;
      options.after_revision = revision.value_or(0);
    }
    OpenWatch next{options, watch_.Make(options, pace), ""};
    const absl::Status opened = next.stream->Open();
    if (opened.ok()) return next;
    EXPECT_EQ(ReasonOf(opened), "REVISION_COMPACTED") << opened;
    EXPECT_NE(compacted, nullptr);
    if (compacted != nullptr) ++*compacted;
    options.start = WatchSession::Start::kInitialState;
    return Watch(options, pace);
  }
  OpenWatch Resume(OpenWatch watch, FakeStream::Pace pace, int* compacted = nullptr) {
    BreakOff(watch);
    return Reconnect(std::move(watch), pace, compacted);
  }

  // Waits until a client that takes everything knows the newest revision. False
  // when its stream ended before.
  bool AwaitToldOrEnd(OpenWatch& watch) {
    // Those whom the last revisions do not concern learn of them by Progress.
    for (int i = 0; i < 2000; ++i) {
      if (!watch.stream->status().ok()) return false;
      if (watch.stream->IsToldSoon(house_.revision())) return true;
      house_.clock().Advance(absl::Seconds(15));
    }
    ADD_FAILURE() << "the newest revision was never told";
    return true;
  }
  void AwaitTold(OpenWatch& watch) { EXPECT_TRUE(AwaitToldOrEnd(watch)) << watch.stream->status(); }

  // Keeps what was committed so far, before the store compacts it.
  void ReadLog() {
    const absl::Status read = log_.ReadFrom(house_.store());
    EXPECT_TRUE(read.ok()) << read;
  }

  // Lets clients take as long as they like: tests move the clock by hours while
  // some thread may just have a message under way.
  void StartHub() { watch_.StartHub(1000, /*stall_timeout=*/absl::Hours(100'000)); }

  watch_trace::Trace MakeTrace() {
    ReadLog();
    auto trace = watch_trace::MakeTrace(log_, records_);
    EXPECT_TRUE(trace.ok()) << trace.status();
    return trace.ok() ? *std::move(trace) : watch_trace::Trace();
  }

  // The trace of all streams that were broken off or finished.
  watch_trace::Trace ExpectNoViolation() {
    watch_trace::Trace trace = MakeTrace();
    const auto violation = watch_trace::FindViolation(trace);
    EXPECT_FALSE(violation.has_value()) << *violation;
    return trace;
  }

  v1::WatchTokensRequest RequestOf(const WatchSession::Options& options) {
    v1::WatchTokensRequest request;
    const WatchScope& scope = dynamic_cast<const TokenWatchView&>(*options.view).scope();
    request.set_parent(scope.source.empty() ? "sources/-" : SourceName(scope.source));
    request.set_view(scope.view);
    request.set_filter(scope.filter_text);
    switch (options.start) {
      case WatchSession::Start::kInitialState:
        request.mutable_initial_state();
        break;
      case WatchSession::Start::kNow:
        request.mutable_now();
        break;
      case WatchSession::Start::kAfterRevision:
        request.set_resume_token(
            EncodeResumeToken(house_.ledger().epoch(), options.after_revision));
        break;
    }
    return request;
  }

  WatchHarness watch_;
  LedgerHarness& house_ = watch_.house();
  watch_trace::WriteLog log_;
  std::vector<watch_trace::WatchRecord> records_;
};

}  // namespace tokeninventory::testing
