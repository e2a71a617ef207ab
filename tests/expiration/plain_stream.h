// A client's stream without gRPC and without a thread: the test takes one message
// after another.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "gtest/gtest.h"
#include "inventory/watch_hub.h"
#include "tests/testing/gate.h"
#include "tokeninventory/v1/expiration.pb.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::testing {

// `Response` is v1::WatchExpirationsResponse or v1::WatchTokensResponse. Used by one
// thread; the hub's may write to it at any time.
template <typename Response>
class PlainStream final : public WatchSink {
 public:
  PlainStream(WatchHub& hub, WatchSession::Options options)
      : hub_(hub), options_(std::move(options)) {}
  // The hub forgets it before it goes.
  ~PlainStream() override {
    if (session_ == nullptr) return;
    session_->OnCancel();
    while (Await([&] { return under_way_ != nullptr || finished_; })) {
      {
        MutexLock lock(mutex_);
        if (finished_) return;
        under_way_ = nullptr;
      }
      session_->OnWriteDone(false);
    }
  }

  absl::Status Open() {
    auto session = hub_.Open(*this, options_);
    if (!session.ok()) return session.status();
    session_ = *std::move(session);
    return absl::OkStatus();
  }

  // Takes the next message; false when none comes.
  [[nodiscard]] bool Take() {
    if (!Await([&] { return under_way_ != nullptr || finished_; })) return false;
    WatchMessage taken;
    {
      MutexLock lock(mutex_);
      taken = std::exchange(under_way_, nullptr);
    }
    if (taken == nullptr) return false;
    Response& message = messages_.emplace_back();
    EXPECT_TRUE(message.ParseFromString(*taken));
    Receive(message);
    session_->OnWriteDone(true);
    return true;
  }

  // Takes messages until the stream has told `revision`; false when it does not.
  [[nodiscard]] bool TakeUpTo(std::int64_t revision) {
    while (told_ < revision) {
      if (!Take()) return false;
    }
    return true;
  }

  const std::vector<Response>& messages() const { return messages_; }
  std::int64_t told() const { return told_; }
  bool synced() const { return synced_; }
  const std::string& resume_token() const { return resume_token_; }
  int progresses() const { return progresses_; }

  // WatchSink.
  void Write(const WatchMessage& message) override {
    MutexLock lock(mutex_);
    EXPECT_EQ(under_way_, nullptr) << "one message at a time";
    under_way_ = message;
    wake_.NotifyAll();
  }
  void Finish(const absl::Status&) override {
    MutexLock lock(mutex_);
    finished_ = true;
    wake_.NotifyAll();
  }
  void Abort() override {}

 private:
  template <typename Condition>
  bool Await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kLongWait;
    MutexLock lock(mutex_);
    while (!condition()) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds::zero()) return false;
      wake_.WaitFor(mutex_, left);
    }
    return true;
  }

  void Receive(const Response& message) {
    std::int64_t last = told_;
    for (const auto& batch : message.batches()) {
      if (batch.initial()) continue;
      EXPECT_GT(batch.revision(), last) << "rising revisions";
      EXPECT_TRUE(batch.has_commit_time());
      last = batch.revision() - (batch.continued() ? 1 : 0);
      told_ = last;
    }
    if (message.has_synced()) {
      EXPECT_FALSE(synced_);
      synced_ = true;
      told_ = message.synced().revision();
    }
    if (message.has_progress()) {
      EXPECT_GE(message.progress().revision(), told_);
      told_ = message.progress().revision();
      ++progresses_;
    }
    if (!message.resume_token().empty()) resume_token_ = message.resume_token();
  }

  WatchHub& hub_;
  const WatchSession::Options options_;
  std::shared_ptr<WatchSession> session_;
  std::vector<Response> messages_;
  std::int64_t told_ = 0;
  bool synced_ = false;
  int progresses_ = 0;
  std::string resume_token_;

  Mutex mutex_;
  CondVar wake_;
  WatchMessage under_way_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

using NoticeStream = PlainStream<v1::WatchExpirationsResponse>;

}  // namespace tokeninventory::testing
