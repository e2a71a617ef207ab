// A client's stream without gRPC: takes a WatchSession's messages at the pace
// that a test sets.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "inventory/watch_hub.h"
#include "tests/inventory/watch_checker.h"
#include "tests/testing/gate.h"

namespace tokeninventory::testing {

// Behaves as a gRPC reactor does: one thread of its own makes the reactions, the
// first one after Open has returned. Where the client's state is known (it begins
// with the initial state, or Know or Continue was called), every message goes
// through a WatchChecker.
//
// Thread-safe.
class FakeStream final : public WatchSink {
 public:
  enum class Pace {
    kAtOnce,  // each write is done as soon as it began
    kByHand,  // when the test says so: Take()
  };

  // `epoch` is the store's.
  FakeStream(WatchHub& hub, const std::string& epoch, WatchSession::Options options, Pace pace);
  // Cancels, then waits for the end.
  ~FakeStream() override;

  // What the client knew before; before Open.
  void Know(const Snapshot& snapshot);
  // The client reconnects.
  void Continue(const WatchChecker& checker);
  absl::Status Open();

  // Another policy: the session's SetVisible. Fails the test when a message that begins after
  // it names a source that is hidden, until it is visible again.
  void SetVisible(const SourceSet& visible);

  void End(const absl::Status& status) { session_->End(status); }

  // kByHand: finishes the write under way, and the next ones, `count` in all.
  void Take(int count = 1);
  // From now on as kAtOnce.
  void TakeAll();
  void Cancel();

  // Waits until the stream is as wanted; false after kLongWait.
  [[nodiscard]] bool AwaitMessages(std::size_t count);      // received whole
  [[nodiscard]] bool AwaitSynced();                         // what it was told last was synced
  [[nodiscard]] bool AwaitSyncs(int count);                 // initial states whole
  [[nodiscard]] bool AwaitRevision(std::int64_t revision);  // told
  [[nodiscard]] bool IsToldSoon(std::int64_t revision);     // within some milliseconds
  [[nodiscard]] bool AwaitProgresses(int count);
  [[nodiscard]] bool AwaitWrite();  // one is under way
  [[nodiscard]] bool AwaitWriteOrEnd();
  [[nodiscard]] bool AwaitWritesBegun(int count);
  [[nodiscard]] bool AwaitEnd();
  [[nodiscard]] bool AwaitMessageOrEnd();
  // Within some milliseconds the client is told of the last policy, and of all that it may
  // know of `revision`.
  [[nodiscard]] bool HasSightSoon(std::int64_t revision);

  std::vector<v1::WatchTokensResponse> messages() const;
  WatchChecker checker() const;
  bool writing() const;
  bool aborted() const;
  // The status of Finish; OK before it.
  absl::Status status() const;
  int writes_begun() const;

  // WatchSink.
  void Write(const WatchMessage& message) override;
  void Finish(const absl::Status& status) override;
  void Abort() override;

 private:
  bool Await(const std::function<bool()>& condition, std::chrono::nanoseconds longest = kLongWait)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReceiveLocked(const std::string& bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunReactions();

  WatchHub& hub_;
  const WatchSession::Options options_;
  const std::string epoch_;
  std::shared_ptr<WatchSession> session_;  // set before the thread starts
  std::thread thread_;

  mutable Mutex mutex_;
  CondVar wake_;
  WatchChecker checker_ ABSL_GUARDED_BY(mutex_);
  bool checking_ ABSL_GUARDED_BY(mutex_);
  std::int64_t told_ ABSL_GUARDED_BY(mutex_) = 0;
  bool synced_ ABSL_GUARDED_BY(mutex_) = false;
  int syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  int progresses_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<SourceSet> visible_ ABSL_GUARDED_BY(mutex_);  // since SetVisible
  std::uint64_t visible_hash_ ABSL_GUARDED_BY(mutex_) = 0;    // of the last resume token
  WatchMessage under_way_ ABSL_GUARDED_BY(mutex_);
  bool reacting_ ABSL_GUARDED_BY(mutex_) = false;  // a write's end is being told
  bool at_once_ ABSL_GUARDED_BY(mutex_);
  int to_take_ ABSL_GUARDED_BY(mutex_) = 0;
  int writes_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  bool cancel_ ABSL_GUARDED_BY(mutex_) = false;  // to be reacted to
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> finished_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::WatchTokensResponse> messages_ ABSL_GUARDED_BY(mutex_);
};

// A session's options.
WatchSession::Options FromInitialState(v1::TokenView view = v1::FULL,
                                       const std::string& source = "");
WatchSession::Options FromNow(v1::TokenView view = v1::FULL, const std::string& source = "");
WatchSession::Options AfterRevision(std::int64_t revision, v1::TokenView view = v1::FULL,
                                    const std::string& source = "");

}  // namespace tokeninventory::testing
