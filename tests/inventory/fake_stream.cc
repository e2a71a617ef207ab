#include "tests/inventory/fake_stream.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "inventory/watch_message.h"

namespace tokeninventory::testing {
namespace {

WatchSession::Options MakeOptions(WatchSession::Start start, v1::TokenView view,
                                  const std::string& source) {
  WatchSession::Options options;
  options.view = std::make_shared<TokenWatchView>(MakeScope(view, source));
  options.start = start;
  options.progress_interval = absl::Seconds(15);
  return options;
}

}  // namespace

WatchSession::Options FromInitialState(v1::TokenView view, const std::string& source) {
  return MakeOptions(WatchSession::Start::kInitialState, view, source);
}

WatchSession::Options FromNow(v1::TokenView view, const std::string& source) {
  return MakeOptions(WatchSession::Start::kNow, view, source);
}

WatchSession::Options AfterRevision(std::int64_t revision, v1::TokenView view,
                                    const std::string& source) {
  WatchSession::Options options = MakeOptions(WatchSession::Start::kAfterRevision, view, source);
  options.after_revision = revision;
  return options;
}

FakeStream::FakeStream(WatchHub& hub, const std::string& epoch, WatchSession::Options options,
                       Pace pace)
    : hub_(hub),
      options_(options),
      epoch_(epoch),
      checker_(epoch, dynamic_cast<const TokenWatchView&>(*options.view).scope()),
      checking_(options.start == WatchSession::Start::kInitialState),
      at_once_(pace == Pace::kAtOnce) {}

FakeStream::~FakeStream() {
  if (!thread_.joinable()) return;
  Cancel();
  thread_.join();
}

void FakeStream::Know(const Snapshot& snapshot) {
  MutexLock lock(mutex_);
  checker_.Know(snapshot);
  told_ = checker_.told_revision();
  synced_ = true;
  checking_ = true;
}

void FakeStream::Continue(const WatchChecker& checker) {
  MutexLock lock(mutex_);
  checker_ = checker;
  checker_.Reconnect();
  told_ = checker_.told_revision();
  synced_ = true;
  checking_ = true;
}

absl::Status FakeStream::Open() {
  auto session = hub_.Open(*this, options_);
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  thread_ = std::thread([this] { RunReactions(); });
  return absl::OkStatus();
}

void FakeStream::SetVisible(const SourceSet& visible) {
  {
    MutexLock lock(mutex_);
    visible_ = visible_.value_or(SourceSet()).With(visible);
  }
  session_->SetVisible(visible);
  MutexLock lock(mutex_);
  visible_ = visible;
  checker_.SetVisible(visible);
}

void FakeStream::Take(int count) {
  MutexLock lock(mutex_);
  to_take_ += count;
  wake_.NotifyAll();
}

void FakeStream::TakeAll() {
  MutexLock lock(mutex_);
  at_once_ = true;
  wake_.NotifyAll();
}

void FakeStream::Cancel() {
  MutexLock lock(mutex_);
  if (!cancelled_) cancel_ = true;
  cancelled_ = true;
  wake_.NotifyAll();
}

bool FakeStream::Await(const std::function<bool()>& condition, std::chrono::nanoseconds longest) {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  while (!condition()) {
    if (finished_.has_value() && !reacting_) return false;  // nothing comes any more
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds::zero()) return false;
    wake_.WaitFor(mutex_, left);
  }
  return true;
}

bool FakeStream::AwaitMessages(std::size_t count) {
  MutexLock lock(mutex_);
  return Await([&] { return messages_.size() >= count; });
}

bool FakeStream::AwaitSynced() {
  MutexLock lock(mutex_);
  return Await([&] { return synced_; });
}

bool FakeStream::AwaitSyncs(int count) {
  MutexLock lock(mutex_);
  return Await([&] { return syncs_ >= count; });
}

bool FakeStream::AwaitRevision(std::int64_t revision) {
  MutexLock lock(mutex_);
  return Await([&] { return told_ >= revision; });
}

bool FakeStream::IsToldSoon(std::int64_t revision) {
  MutexLock lock(mutex_);
  return Await([&] { return told_ >= revision; }, std::chrono::milliseconds(20));
}

bool FakeStream::AwaitProgresses(int count) {
  MutexLock lock(mutex_);
  return Await([&] { return progresses_ >= count; });
}

bool FakeStream::HasSightSoon(std::int64_t revision) {
  MutexLock lock(mutex_);
  return Await(
      [&] { return told_ >= revision && visible_ && visible_hash_ == VisibleHash(*visible_); },
      std::chrono::milliseconds(20));
}

bool FakeStream::AwaitWrite() {
  MutexLock lock(mutex_);
  return Await([&] { return under_way_ != nullptr; });
}

bool FakeStream::AwaitEnd() {
  MutexLock lock(mutex_);
  return Await([&] { return finished_.has_value() && !reacting_; });
}

bool FakeStream::AwaitWriteOrEnd() {
  MutexLock lock(mutex_);
  return Await([&] { return writes_begun_ > 0 || finished_.has_value(); });
}

bool FakeStream::AwaitWritesBegun(int count) {
  MutexLock lock(mutex_);
  return Await([&] { return writes_begun_ >= count; });
}

bool FakeStream::AwaitMessageOrEnd() {
  MutexLock lock(mutex_);
  return Await([&] { return (finished_.has_value() && !reacting_) || !messages_.empty(); });
}

std::vector<v1::WatchTokensResponse> FakeStream::messages() const {
  MutexLock lock(mutex_);
  return messages_;
}

WatchChecker FakeStream::checker() const {
  MutexLock lock(mutex_);
  return checker_;
}

bool FakeStream::writing() const {
  MutexLock lock(mutex_);
  return under_way_ != nullptr;
}

bool FakeStream::aborted() const {
  MutexLock lock(mutex_);
  return aborted_;
}

absl::Status FakeStream::status() const {
  MutexLock lock(mutex_);
  return finished_.value_or(absl::OkStatus());
}

int FakeStream::writes_begun() const {
  MutexLock lock(mutex_);
  return writes_begun_;
}

void FakeStream::Write(const WatchMessage& message) {
  MutexLock lock(mutex_);
  EXPECT_EQ(under_way_, nullptr) << "one message at a time";
  EXPECT_FALSE(finished_.has_value()) << "a write after the end";
  EXPECT_LE(message->size(), kWatchMessageBytes + (std::size_t{140} << 10));
  if (visible_) {
    // Names of sources are what nothing hidden can be told without.
    for (const char* source : {"acme", "beta", "gamma"}) {
      if (visible_->Has(source)) continue;
      EXPECT_FALSE(absl::StrContains(*message, absl::StrCat("sources/", source)))
          << source << " is hidden";
    }
  }
  under_way_ = message;
  ++writes_begun_;
  wake_.NotifyAll();
}

void FakeStream::Finish(const absl::Status& status) {
  MutexLock lock(mutex_);
  EXPECT_EQ(under_way_, nullptr) << "the end while a message is under way";
  EXPECT_FALSE(finished_.has_value()) << "two ends";
  EXPECT_FALSE(status.ok()) << "a watch ends only with an error";
  finished_ = status;
  wake_.NotifyAll();
}

void FakeStream::Abort() {
  MutexLock lock(mutex_);
  EXPECT_FALSE(aborted_) << "aborted twice";
  aborted_ = true;
  // As gRPC's TryCancel: the client's end is told as well.
  if (!cancelled_) cancel_ = true;
  cancelled_ = true;
  wake_.NotifyAll();
}

void FakeStream::ReceiveLocked(const std::string& bytes) {
  v1::WatchTokensResponse message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  if (message.has_reset()) {
    checking_ = true;  // whatever the client knew
    synced_ = false;
  }
  if (checking_) checker_.Take(message);
  for (const v1::TokenEventBatch& batch : message.batches()) {
    if (!batch.initial() && batch.has_commit_time())
      told_ = batch.revision() - (batch.continued() ? 1 : 0);
  }
  if (message.has_synced()) {
    synced_ = true;
    ++syncs_;
    told_ = message.synced().revision();
  }
  if (message.has_progress()) {
    told_ = message.progress().revision();
    ++progresses_;
  }
  if (!message.resume_token().empty()) {
    EXPECT_TRUE(DecodeResumeToken(message.resume_token(), epoch_, &visible_hash_).ok());
  }
  messages_.push_back(std::move(message));
}

void FakeStream::RunReactions() {
  for (;;) {
    bool cancel = false;
    WatchMessage taken;
    {
      MutexLock lock(mutex_);
      for (;;) {
        const bool may_take = cancelled_ || at_once_ || to_take_ > 0;
        if (cancel_ || (under_way_ != nullptr && may_take)) break;
        if (finished_.has_value() && cancelled_) return;
        wake_.Wait(mutex_);
      }
      cancel = std::exchange(cancel_, false);
      if (!cancel) {
        taken = std::exchange(under_way_, nullptr);
        if (cancelled_) taken = nullptr;  // it failed
        if (!at_once_ && to_take_ > 0) --to_take_;
        reacting_ = true;
      }
    }
    if (cancel) {
      session_->OnCancel();
      continue;
    }
    session_->OnWriteDone(taken != nullptr);
    // Shown to the test only now: it may move the clock as soon as it sees it.
    MutexLock lock(mutex_);
    reacting_ = false;
    if (taken != nullptr) ReceiveLocked(*taken);
    wake_.NotifyAll();
  }
}

}  // namespace tokeninventory::testing
