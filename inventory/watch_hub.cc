#include "inventory/watch_hub.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "inventory/errors.h"

namespace tokeninventory {
namespace {

// Initial states that are sent at once; others wait their turn. Each pins the
// snapshot that it shows.
constexpr int kInitialTurns = 16;
constexpr std::size_t kScanQueue = 64;
constexpr std::size_t kLogReaderQueue = 32 * 1024;
// The dispatcher looks at timers no more often than this.
constexpr absl::Duration kShortestRound = absl::Milliseconds(100);
constexpr std::int64_t kReadBytes = 2 << 20;

std::size_t ScanThreads() { return std::max(2u, std::thread::hardware_concurrency()) - 1; }

}  // namespace

WatchHub::WatchHub(Options options)
    : options_(std::move(options)),
      initial_turns_(kInitialTurns),
      scan_pool_(ScanThreads(), kScanQueue),
      log_reader_(1, kLogReaderQueue),
      dispatcher_([this] { RunDispatcher(); }) {
  options_.feed->SetListener([this] {
    {
      MutexLock lock(mutex_);
      published_ = true;
    }
    wake_.NotifyOne();
  });
}

WatchHub::~WatchHub() {
  options_.feed->SetListener(nullptr);
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyOne();
  dispatcher_.join();
}

absl::StatusOr<std::shared_ptr<WatchSession>> WatchHub::Open(WatchSink& sink,
                                                             WatchSession::Options options) {
  if (options.start == WatchSession::Start::kAfterRevision) {
    const ChangeFeed::Bounds bounds = options_.feed->bounds();
    // The inventory is a moment ahead of the feed: a list may have given its
    // revision already.
    const std::int64_t head = std::max(bounds.head, options_.inventory->Current()->revision());
    if (options.after_revision > head) {
      return MakeError(absl::StatusCode::kOutOfRange, "REVISION_IN_FUTURE",
                       "resume_token: of a revision that this store has not reached",
                       {{"current_revision", absl::StrCat(head)}});
    }
    if (options.after_revision < bounds.oldest) {
      return MakeError(
          absl::StatusCode::kOutOfRange, "REVISION_COMPACTED",
          "resume_token: the change log no longer holds what follows; start from the initial state",
          {{"oldest_revision", absl::StrCat(bounds.oldest)},
           {"current_revision", absl::StrCat(head)}});
    }
  }
  const bool initial = options.start == WatchSession::Start::kInitialState;
  auto session = std::make_shared<WatchSession>(*this, sink, std::move(options));
  {
    MutexLock lock(mutex_);
    if (draining_) {
      return RetryableError(absl::StatusCode::kUnavailable, "SERVER_STOPPING", "the service stops",
                            absl::Seconds(1));
    }
    if (sessions_.size() >= static_cast<std::size_t>(options_.max_streams)) {
      return RetryableError(absl::StatusCode::kResourceExhausted, "TOO_MANY_STREAMS",
                            absl::StrCat("at most ", options_.max_streams, " watches at once"),
                            absl::Seconds(5));
    }
    sessions_.insert(session);
  }
  if (!initial) {
    session->Poll(options_.clock->Now());
  } else if (TakeInitialTurn(session)) {
    session->BeginInitialState();
  }
  return session;
}

void WatchHub::Drain() {
  {
    MutexLock lock(mutex_);
    draining_ = true;
  }
  const absl::Status status =
      RetryableError(absl::StatusCode::kUnavailable, "SERVER_STOPPING",
                     "the service stops; resume with the last resume_token", absl::Seconds(1));
  for (const auto& session : Sessions()) session->Drain(status);
}

int WatchHub::stream_count() const {
  MutexLock lock(mutex_);
  return static_cast<int>(sessions_.size());
}

bool WatchHub::RunOnLogReader(std::function<void(TokenStore&)> work) {
  return log_reader_.TryRun([this, work = std::move(work)] { work(*options_.store); });
}

EncodedChanges WatchHub::ReadMemory(LogPosition from, const WatchScope& scope) {
  const std::int64_t head = options_.feed->bounds().head;
  MutexLock lock(cache_mutex_);
  for (const CacheEntry& entry : cache_) {
    if (entry.from == from && entry.head == head && entry.scope == scope) return entry.changes;
  }
  // Made under the lock: all who wait for it want the same message.
  CacheEntry made{from, head, scope,
                  EncodeChanges(options_.feed->Read(from, kReadBytes), from, scope, options_.epoch,
                                /*ends_revision=*/true)};
  cache_[next_cache_slot_] = made;
  next_cache_slot_ = (next_cache_slot_ + 1) % cache_.size();
  return made.changes;
}

WatchMessage WatchHub::MakeProgressMessage(std::int64_t revision, absl::Time now) {
  v1::Progress progress =
      MakeProgress(*options_.inventory->Current(), options_.feed->bounds(), now);
  progress.set_revision(revision);
  return EncodeProgress(progress, options_.epoch);
}

bool WatchHub::TakeInitialTurn(const std::shared_ptr<WatchSession>& session) {
  MutexLock lock(mutex_);
  if (initial_turns_ > 0) {
    --initial_turns_;
    return true;
  }
  waiting_.push_back(session);
  return false;
}

void WatchHub::ReturnInitialTurn() {
  MutexLock lock(mutex_);
  ++initial_turns_;
  // The dispatcher gives it to the next: the caller holds its session's lock.
  published_ = true;
  wake_.NotifyOne();
}

void WatchHub::OnFinished(const std::shared_ptr<WatchSession>& session) {
  MutexLock lock(mutex_);
  sessions_.erase(session);
}

std::vector<std::shared_ptr<WatchSession>> WatchHub::Sessions() {
  MutexLock lock(mutex_);
  return {sessions_.begin(), sessions_.end()};
}

void WatchHub::RunDispatcher() {
  absl::Time next_timers = absl::InfinitePast();
  for (;;) {
    std::vector<std::shared_ptr<WatchSession>> turns;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && !published_ && options_.clock->Now() < next_timers) {
        options_.clock->WaitUntil(mutex_, wake_, next_timers);
      }
      if (stopping_) return;
      published_ = false;
      while (initial_turns_ > 0 && !waiting_.empty()) {
        --initial_turns_;
        turns.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
    }
    for (const auto& session : turns) session->BeginInitialState();
    const absl::Time now = options_.clock->Now();
    next_timers = now + absl::Seconds(1);
    for (const auto& session : Sessions()) next_timers = std::min(next_timers, session->Poll(now));
    next_timers = std::max(next_timers, now + kShortestRound);
    options_.inventory->ExpireWaits(now);
  }
}

}  // namespace tokeninventory
