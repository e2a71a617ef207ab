// Watchers over a Ledger and a real store.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "inventory/watch_hub.h"
#include "tests/inventory/fake_stream.h"
#include "tests/inventory/ledger_harness.h"

namespace tokeninventory::testing {

// Thread-safe as its parts are. Streams must be gone before it, and before
// Reopen.
class WatchHarness {
 public:
  explicit WatchHarness(const LedgerSetup& setup = {}) : house_(setup) { Start(setup); }

  // Restarts the service.
  void Reopen(const LedgerSetup& setup) {
    hub_ = nullptr;
    house_.Reopen(setup);
    Start(setup);
  }
  // A hub with other limits.
  void StartHub(int max_streams = 20'000, absl::Duration stall_timeout = absl::Seconds(60)) {
    WatchHub::Options options;
    options.max_streams = max_streams;
    options.stall_timeout = stall_timeout;
    StartHub(std::move(options));
  }
  // Sets what it lives on. Streams have no age here unless told so.
  void StartHub(WatchHub::Options options) {
    options.inventory = &house_.inventory();
    options.feed = &house_.feed();
    options.store = &house_.store();
    options.clock = &house_.clock();
    options.epoch = house_.ledger().epoch();
    if (options.max_age == WatchHub::Options().max_age) options.max_age = absl::Hours(100'000);
    hub_ = nullptr;
    hub_ = std::make_unique<WatchHub>(std::move(options));
  }

  // Not yet open.
  std::unique_ptr<FakeStream> Make(const WatchSession::Options& options,
                                   FakeStream::Pace pace = FakeStream::Pace::kAtOnce) {
    return std::make_unique<FakeStream>(*hub_, house_.ledger().epoch(), options, pace);
  }
  // Open; knows what is there when it does not ask for it.
  std::unique_ptr<FakeStream> Open(const WatchSession::Options& options,
                                   FakeStream::Pace pace = FakeStream::Pace::kAtOnce) {
    auto stream = Make(options, pace);
    if (options.start == WatchSession::Start::kNow) stream->Know(*house_.inventory().Current());
    const absl::Status status = stream->Open();
    if (!status.ok()) ADD_FAILURE() << status;
    return stream;
  }

  // A stream's end is told a moment before the hub forgets it.
  [[nodiscard]] bool AwaitStreamCount(int count) {
    const auto deadline = std::chrono::steady_clock::now() + kLongWait;
    while (hub_->stream_count() != count) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  [[nodiscard]] bool AwaitStalledCount(int count) {
    const auto deadline = std::chrono::steady_clock::now() + kLongWait;
    while (hub_->stalled_stream_count() != count) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  LedgerHarness& house() { return house_; }
  WatchHub& hub() { return *hub_; }
  std::shared_ptr<const Snapshot> Current() { return house_.inventory().Current(); }

 private:
  // Each source has had a pass: its first one would change its state, and that
  // sends Progress.
  void Start(const LedgerSetup& setup) {
    for (const SourceInfo& source : setup.sources) {
      if (house_.Source(source.id).state() == v1::Source::PENDING) house_.Pass({}, source.id);
    }
    StartHub();
  }

  LedgerHarness house_;
  std::unique_ptr<WatchHub> hub_;
};

}  // namespace tokeninventory::testing
