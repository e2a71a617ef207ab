#include "inventory/watch_hub.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "inventory/errors.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "inventory/watch_message.h"

namespace tokeninventory {
namespace {

// Initial states that are sent at once; others wait their turn. Each pins the
// snapshot that it shows.
constexpr int kInitialTurns = 16;
constexpr std::size_t kScanQueue = 64;
constexpr std::size_t kLogReaderQueue = 32 * 1024;
// The dispatcher looks at timers no more often than this, and no less.
constexpr absl::Duration kShortestRound = absl::Milliseconds(100);
constexpr absl::Duration kLongestRound = absl::Seconds(1);
constexpr absl::Duration kLongestStalledAfter = absl::Seconds(5);
constexpr std::int64_t kReadBytes = 2 << 20;

std::size_t ScanThreads() { return std::max(2u, std::thread::hardware_concurrency()) - 1; }

// The ids of the sources that some revisions touch.
class TouchedSources {
 public:
  // Of the revisions from `first` on, as far as they are in memory.
  TouchedSources(const ChangeFeed& feed, std::int64_t first, std::int64_t head) {
    while (first <= head) {
      const auto revisions = feed.Read({first, 0}, kReadBytes);
      if (revisions.empty()) {
        all_ = true;  // they left the memory already
        return;
      }
      for (const auto& revision : revisions) {
        for (const FeedChange& change : revision->changes) Add(change.change);
      }
      first = revisions.back()->revision + 1;
    }
  }

  // `source`: empty for all.
  bool Has(const std::string& source) const {
    return all_ || source.empty() || sources_.contains(source);
  }

 private:
  // Of a token or a notice: both begin with their name, `sources/{source}/…`.
  void Add(const LogChange& change) {
    absl::string_view name = ReadTokenName(change.after.empty() ? change.before : change.after);
    if (!absl::ConsumePrefix(&name, SourceName(""))) {
      all_ = true;
      return;
    }
    const absl::string_view source = name.substr(0, name.find('/'));
    // Changes of one source come together.
    if (source == last_) return;
    last_ = std::string(source);
    sources_.insert(last_);
  }

  bool all_ = false;
  std::string last_;
  absl::flat_hash_set<std::string> sources_;
};

}  // namespace

std::vector<WatchHub::SourceState> WatchHub::StatesOf(const Snapshot& snapshot) {
  std::vector<SourceState> states;
  for (const SourceEntry& entry : snapshot.sources()) {
    states.emplace_back(entry.id, entry.status->state());
  }
  return states;
}

WatchHub::WatchHub(Options options)
    : options_(std::move(options)),
      stall_timeout_(options_.stall_timeout),
      random_(std::random_device()()),
      max_streams_(options_.max_streams),
      max_age_(options_.max_age),
      initial_turns_(kInitialTurns),
      told_head_(options_.feed->head()),
      told_states_(StatesOf(*options_.inventory->Current())),
      scan_pool_(ScanThreads(), kScanQueue),
      log_reader_(1, kLogReaderQueue),
      dispatcher_([this] { RunDispatcher(); }) {
  const auto wake = [this] {
    {
      MutexLock lock(mutex_);
      published_ = true;
    }
    wake_.NotifyOne();
  };
  // A source's status may change without a revision.
  options_.inventory->SetListener(wake);
  options_.feed->SetListener(wake, [this] { return OldestCursor(); });
  wake();  // for what was published before there was a listener
}

WatchHub::~WatchHub() {
  options_.feed->SetListener(nullptr);
  options_.inventory->SetListener(nullptr);
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
    std::optional<v1::WatchReset::Reason> gap;
    if (options.after_revision > HeadRevision()) gap = v1::WatchReset::REVISION_IN_FUTURE;
    if (options.after_revision < options_.feed->bounds().oldest) gap = v1::WatchReset::COMPACTED;
    if (gap && options.on_gap != v1::RESYNC) return GapError(*gap);
    if (gap) {
      options.start = WatchSession::Start::kInitialState;
      options.reset = gap;
    }
  }
  const absl::Time now = options_.clock->Now();
  SessionPointer session;
  {
    MutexLock lock(mutex_);
    if (draining_) {
      return RetryableError(absl::StatusCode::kUnavailable, "SERVER_STOPPING", "the service stops",
                            absl::Seconds(1));
    }
    if (stream_count_ >= max_streams_) {
      return RetryableError(absl::StatusCode::kResourceExhausted, "TOO_MANY_STREAMS",
                            absl::StrCat("at most ", max_streams_, " watches at once"),
                            absl::Seconds(5));
    }
    const double share = std::uniform_real_distribution<double>(0.8, 1.2)(random_);
    Cohort& cohort = CohortLocked(options.view);
    session = std::make_shared<WatchSession>(*this, opened_count_++, cohort.group, sink, options,
                                             now + max_age_ * share);
    EnterCohortLocked(session, cohort);
    ++stream_count_;
  }
  // It is in its cohort before it reads: what is published from now on wakes it.
  if (options.start != WatchSession::Start::kInitialState) {
    SetTimer(session, session->Poll(now));
    return session;
  }
  SetTimer(session, now + kLongestRound);
  if (TakeInitialTurn(session)) session->BeginInitialState();
  return session;
}

absl::Duration WatchHub::stalled_after() const {
  return std::min(kLongestStalledAfter, stall_timeout() / 4);
}

void WatchHub::SetLimits(const Limits& limits) {
  stall_timeout_ = limits.stall_timeout;
  MutexLock lock(mutex_);
  max_streams_ = limits.max_streams;
  max_age_ = limits.max_age;
}

WatchHub::Cohort& WatchHub::CohortLocked(std::shared_ptr<const WatchView> view) {
  Cohort& cohort = cohorts_[view->key()];
  if (cohort.group == nullptr) {
    cohort.group =
        std::make_shared<WatchGroup>(std::move(view), options_.epoch, *options_.feed, recent_);
  }
  return cohort;
}

void WatchHub::EnterCohortLocked(const SessionPointer& session, Cohort& cohort) {
  cohort.sessions.emplace(session->number(), session);
  cohort.list = nullptr;
}

void WatchHub::LeaveCohortLocked(const SessionPointer& session, const WatchGroup& group) {
  const auto cohort = cohorts_.find(group.view().key());
  cohort->second.sessions.erase(session->number());
  cohort->second.list = nullptr;
  if (cohort->second.sessions.empty()) cohorts_.erase(cohort);
}

std::shared_ptr<WatchGroup> WatchHub::Regroup(const SessionPointer& session, const WatchGroup& from,
                                              std::shared_ptr<const WatchView> view) {
  MutexLock lock(mutex_);
  LeaveCohortLocked(session, from);
  Cohort& cohort = CohortLocked(std::move(view));
  EnterCohortLocked(session, cohort);
  return cohort.group;
}

void WatchHub::Drain() {
  {
    MutexLock lock(mutex_);
    draining_ = true;
  }
  const absl::Status status =
      RetryableError(absl::StatusCode::kUnavailable, "SERVER_STOPPING",
                     "the service stops; resume with the last resume_token", absl::Seconds(1));
  for (const SessionPointer& session : Sessions()) session->Drain(status);
}

int WatchHub::stream_count() const {
  MutexLock lock(mutex_);
  return stream_count_;
}

int WatchHub::stalled_stream_count() const {
  MutexLock lock(mutex_);
  return static_cast<int>(stalled_.size());
}

std::int64_t WatchHub::OldestCursor() const {
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  for (const SessionPointer& session : Sessions()) {
    oldest = std::min(oldest, session->OldestCursor());
  }
  return oldest;
}

bool WatchHub::RunOnLogReader(std::function<void(TokenStore&)> work) {
  return log_reader_.TryRun([this, work = std::move(work)] { work(*options_.store); });
}

std::int64_t WatchHub::HeadRevision() const {
  return std::max(options_.feed->head(), options_.inventory->Current()->revision());
}

absl::Status WatchHub::GapError(v1::WatchReset::Reason reason) const {
  const bool in_future = reason == v1::WatchReset::REVISION_IN_FUTURE;
  return MakeError(
      absl::StatusCode::kOutOfRange, in_future ? "REVISION_IN_FUTURE" : "REVISION_COMPACTED",
      in_future ? "the cursor is of a revision that this store has not reached"
                : "the change log no longer holds what follows the cursor; start from the "
                  "initial state, or watch with `on_gap: RESYNC`",
      {{"oldest_revision", absl::StrCat(options_.feed->bounds().oldest)},
       {"current_revision", absl::StrCat(HeadRevision())}});
}

WatchMessage WatchHub::MakeProgressMessage(const WatchView& view, std::int64_t revision,
                                           absl::Time now) {
  const auto make = [&] {
    return EncodeProgress(
        MakeProgress(*options_.inventory->Current(), view.visible(), *options_.feed, revision, now),
        options_.epoch, view.visible_hash());
  };
  // One message serves all who may see everything, which most may.
  if (!view.visible().all()) return make();
  // Before the snapshot is read, so that what is kept is never older than it says.
  const std::int64_t publication = options_.inventory->publications();
  const ChangeFeed::Bounds bounds = options_.feed->bounds();
  MutexLock lock(progress_mutex_);
  if (progress_ == nullptr || progress_publication_ != publication || progress_time_ != now ||
      progress_revision_ != revision || progress_head_ != bounds.head ||
      progress_oldest_ != bounds.oldest) {
    progress_ = make();
    progress_publication_ = publication;
    progress_time_ = now;
    progress_revision_ = revision;
    progress_head_ = bounds.head;
    progress_oldest_ = bounds.oldest;
  }
  return progress_;
}

bool WatchHub::TakeInitialTurn(const SessionPointer& session) {
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

void WatchHub::WakeSoon(SessionPointer session) {
  MutexLock lock(mutex_);
  wake_soon_.push_back(std::move(session));
  wake_.NotifyOne();
}

void WatchHub::WakeAtChange(SessionPointer session) {
  MutexLock lock(mutex_);
  wake_at_change_.push_back(std::move(session));
}

void WatchHub::OnStall(SessionPointer session) {
  MutexLock lock(mutex_);
  stalled_.push_back(std::move(session));
}

void WatchHub::OnStallOver(const SessionPointer& session) {
  MutexLock lock(mutex_);
  stalled_.erase(std::remove(stalled_.begin(), stalled_.end(), session), stalled_.end());
}

void WatchHub::OnFinished(const SessionPointer& session, const WatchGroup& group) {
  MutexLock lock(mutex_);
  LeaveCohortLocked(session, group);
  --stream_count_;
}

std::vector<WatchHub::SessionPointer> WatchHub::Sessions() const {
  MutexLock lock(mutex_);
  std::vector<SessionPointer> sessions;
  sessions.reserve(static_cast<std::size_t>(stream_count_));
  for (const auto& [key, cohort] : cohorts_) {
    for (const auto& [number, session] : cohort.sessions) sessions.push_back(session);
  }
  return sessions;
}

WatchHub::SessionList WatchHub::SessionsOf(const WatchGroup& group) {
  MutexLock lock(mutex_);
  const auto found = cohorts_.find(group.view().key());
  if (found == cohorts_.end() || found->second.group.get() != &group) return nullptr;
  Cohort& cohort = found->second;
  if (cohort.list == nullptr) {
    std::vector<SessionPointer> sessions;
    sessions.reserve(cohort.sessions.size());
    for (const auto& [number, session] : cohort.sessions) sessions.push_back(session);
    cohort.list = std::make_shared<const std::vector<SessionPointer>>(std::move(sessions));
  }
  return cohort.list;
}

void WatchHub::WakeAll(const std::vector<SessionPointer>& sessions, absl::Time now) {
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    // Of thousands, none is in the processor's caches.
    if (i + 2 < sessions.size()) sessions[i + 2]->Prefetch();
    if (i + 1 < sessions.size()) sessions[i + 1]->PrefetchSink();
    sessions[i]->Wake(now);
  }
}

void WatchHub::SetTimer(SessionPointer session, absl::Time at) {
  if (at == absl::InfiniteFuture()) return;  // it has ended
  MutexLock lock(mutex_);
  timers_.push_back({at, std::move(session)});
  std::push_heap(timers_.begin(), timers_.end());
  if (timers_.front().at == at) wake_.NotifyOne();
}

void WatchHub::TellChanges(absl::Time now) {
  const std::int64_t head = options_.feed->head();
  if (head <= told_head_) return;
  const TouchedSources touched(*options_.feed, told_head_ + 1, head);
  told_head_ = head;
  // A group that is made from now on has looked up to the head, or beyond it.
  std::vector<std::shared_ptr<WatchGroup>> groups;
  std::vector<SessionPointer> waiting;
  {
    MutexLock lock(mutex_);
    waiting.swap(wake_at_change_);
    groups.reserve(cohorts_.size());
    for (const auto& [key, cohort] : cohorts_) groups.push_back(cohort.group);
  }
  for (const auto& group : groups) {
    const std::optional<EncodedChanges> news =
        group->Look(head, touched.Has(group->view().source()));
    if (!news) continue;
    if (const SessionList sessions = SessionsOf(*group)) WakeAll(*sessions, now);
  }
  for (const SessionPointer& session : waiting) session->Wake(now);
}

void WatchHub::TellStates(absl::Time now) {
  const std::shared_ptr<const Snapshot> snapshot = options_.inventory->Current();
  // First the changes that came with it.
  if (told_head_ < snapshot->revision()) return;
  std::vector<SourceState> states = StatesOf(*snapshot);
  if (states == told_states_) return;
  told_states_ = std::move(states);
  for (const SessionPointer& session : Sessions()) {
    session->TellProgress(snapshot->revision(), now);
  }
}

absl::Time WatchHub::NextRoundLocked(absl::Time now) const {
  if (now < last_round_) return now;  // the clock was set back
  absl::Time next = last_round_ + kLongestRound;
  if (!timers_.empty()) next = std::min(next, timers_.front().at);
  if (!wake_soon_.empty()) next = last_round_;
  return std::max(next, last_round_ + kShortestRound);
}

void WatchHub::RunRound(absl::Time now) {
  std::vector<SessionPointer> due;
  std::vector<SessionPointer> woken;
  {
    MutexLock lock(mutex_);
    const bool set_back = now < last_round_;
    last_round_ = now;
    while (!timers_.empty() && (set_back || timers_.front().at <= now)) {
      std::pop_heap(timers_.begin(), timers_.end());
      due.push_back(std::move(timers_.back().session));
      timers_.pop_back();
    }
    woken.swap(wake_soon_);
  }
  for (const SessionPointer& session : woken) session->Wake(now);
  for (SessionPointer& session : due) {
    const absl::Time at = session->Poll(now);
    SetTimer(std::move(session), at);
  }
  CutStalled();
  options_.inventory->ExpireWaits(now);
}

// Whoever is stalled for the longest makes room for those who came after it.
void WatchHub::CutStalled() {
  const auto most = static_cast<std::size_t>(options_.max_stalled_messages);
  std::vector<SessionPointer> stalled;
  {
    MutexLock lock(mutex_);
    if (stalled_.size() <= most) return;
    stalled.assign(stalled_.begin(), stalled_.end());
  }
  absl::flat_hash_set<const void*> kept;
  for (auto session = stalled.rbegin(); session != stalled.rend(); ++session) {
    const void* const message = (*session)->StalledOn();
    if (message == nullptr || kept.contains(message)) continue;
    if (kept.size() < most) {
      kept.insert(message);
    } else {
      (*session)->CutStalled();
    }
  }
}

void WatchHub::RunDispatcher() {
  for (;;) {
    std::vector<SessionPointer> turns;
    bool published = false;
    bool round_is_due = false;
    absl::Time now;
    {
      MutexLock lock(mutex_);
      for (;;) {
        now = options_.clock->Now();
        const absl::Time next_round = NextRoundLocked(now);
        round_is_due = now >= next_round;
        if (stopping_ || published_ || round_is_due) break;
        options_.clock->WaitUntil(mutex_, wake_, next_round);
      }
      if (stopping_) return;
      published = std::exchange(published_, false);
      while (initial_turns_ > 0 && !waiting_.empty()) {
        --initial_turns_;
        turns.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
    }
    for (const SessionPointer& session : turns) session->BeginInitialState();
    if (published) {
      TellChanges(now);
      TellStates(now);
    }
    if (round_is_due) RunRound(now);
  }
}

}  // namespace tokeninventory
