#include "connectors/poller.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tokeninventory {
namespace {

constexpr absl::Duration kFirstRetry = absl::Seconds(30);
constexpr absl::Duration kLongestRetry = absl::Minutes(5);
// A credential that was refused is not accepted a second later, and many vendors
// lock those who insist.
constexpr absl::Duration kFirstAuthRetry = absl::Minutes(1);
constexpr absl::Duration kLongestAuthRetry = absl::Hours(1);
// How often a credential that was refused is looked at, whether it is another one.
constexpr absl::Duration kCredentialLook = absl::Seconds(10);

bool IsFailure(v1::Source::State state) {
  switch (state) {
    case v1::Source::AUTH_FAILED:
    case v1::Source::RATE_LIMITED:
    case v1::Source::UNREACHABLE:
    case v1::Source::FAILED:
    case v1::Source::STORE_UNAVAILABLE:
      return true;
    default:
      return false;
  }
}

void LogPass(const std::string& source, const absl::StatusOr<v1::SyncResult>& result) {
  if (!result.ok()) {
    LogWarning("pass given up",
               {{"source", source}, {"error", std::string(result.status().message())}});
    return;
  }
  const v1::SyncStats& stats = result->stats();
  Log(result->state() == v1::Source::OK ? LogSeverity::kInfo : LogSeverity::kWarning, "pass ended",
      {{"source", source},
       {"state", v1::Source::State_Name(result->state())},
       {"error", result->error()},
       {"requests", absl::StrCat(stats.requests())},
       {"pages", absl::StrCat(stats.pages())},
       {"records", absl::StrCat(stats.records())},
       {"added", absl::StrCat(stats.tokens_added())},
       {"updated", absl::StrCat(stats.tokens_updated())},
       {"unchanged", absl::StrCat(stats.tokens_unchanged())},
       {"missing", absl::StrCat(stats.tokens_missing())},
       {"deleted", absl::StrCat(stats.tokens_deleted())}});
}

using Observers = std::vector<std::shared_ptr<SyncObserver>>;

void Remove(Observers& observers, const SyncObserver* observer) {
  observers.erase(std::remove_if(observers.begin(), observers.end(),
                                 [observer](const auto& one) { return one.get() == observer; }),
                  observers.end());
}

}  // namespace

// A source and where it is in its life. Guarded by Shared::mutex but for `source`,
// which belongs to the worker that runs its pass, and `stop`.
struct Poller::Entry {
  enum class State { kIdle, kQueued, kRunning };

  std::unique_ptr<PolledSource> source;
  std::stop_source stop;
  // It is on its way out: its passes end, and its observers wait for what comes.
  bool taken = false;
  State state = State::kIdle;
  absl::Time due = absl::InfiniteFuture();
  // When `due` was decided: the clock standing before it was set back.
  absl::Time decided = absl::InfinitePast();
  // When to look whether the refused credential was replaced; that a worker does,
  // because files may be slow.
  absl::Time look_due = absl::InfiniteFuture();
  // Queued or running is only that look.
  bool only_look = false;
  int failures = 0;
  // The last pass was given up because of the store; and is tried again earlier.
  bool given_up = false;
  bool hastened = false;
  // Of the pass that runs or is queued.
  Observers observers;
  // Somebody asked for a pass after the running one.
  bool run_again = false;
  Observers next_observers;
  // For Counts.
  std::map<v1::Source::State, std::int64_t> passes;
  std::int64_t secrets_dropped = 0;
  DurationHistogram durations{absl::Seconds(1),  absl::Seconds(5), absl::Seconds(15),
                              absl::Seconds(60), absl::Minutes(5), absl::Minutes(15),
                              absl::Hours(1),    absl::Hours(6)};
  std::shared_ptr<const RequestMeter> requests;

  explicit Entry(std::unique_ptr<PolledSource> of)
      : source(std::move(of)), requests(source->request_meter()) {}

  void Count(const absl::StatusOr<v1::SyncResult>& result, absl::Duration duration) {
    ++passes[result.ok() ? result->state() : v1::Source::STORE_UNAVAILABLE];
    if (result.ok()) secrets_dropped += result->stats().secrets_dropped();
    durations.Observe(duration);
  }
};

struct Poller::Shared {
  Mutex mutex;
  CondVar wake;  // scheduler and workers
  bool running ABSL_GUARDED_BY(mutex) = false;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  // The entries themselves stay where they are.
  std::vector<std::unique_ptr<Entry>> entries ABSL_GUARDED_BY(mutex);
  // Who observed a source that was taken out, by its id.
  std::map<std::string, Observers> parked ABSL_GUARDED_BY(mutex);
  std::deque<Entry*> queue ABSL_GUARDED_BY(mutex);
  std::mt19937_64 random ABSL_GUARDED_BY(mutex){std::random_device()()};

  Entry* Find(absl::string_view id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    for (const std::unique_ptr<Entry>& entry : entries) {
      if (!entry->taken && entry->source->id() == id) return entry.get();
    }
    return nullptr;
  }
  void Enqueue(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    entry.state = Entry::State::kQueued;
    entry.only_look = false;
    entry.due = absl::InfiniteFuture();
    queue.push_back(&entry);
  }
  void EnqueueLook(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    entry.state = Entry::State::kQueued;
    entry.only_look = true;
    queue.push_back(&entry);
  }
};

absl::Duration Poller::DelayAfter(v1::Source::State state, int failures, absl::Duration interval) {
  if (failures <= 0) return interval;
  const bool auth = state == v1::Source::AUTH_FAILED;
  absl::Duration delay =
      auth ? std::max(interval, kFirstAuthRetry) : std::min(interval, kFirstRetry);
  const absl::Duration longest = std::max(interval, auth ? kLongestAuthRetry : kLongestRetry);
  for (int i = 1; i < failures && delay < longest; ++i) delay *= 2;
  return std::min(delay, longest);
}

Poller::Poller(Clock* clock, PassRecorder* recorder,
               std::vector<std::unique_ptr<PolledSource>> sources, Options options)
    : clock_(clock), recorder_(recorder), options_(options), shared_(std::make_shared<Shared>()) {
  MutexLock lock(shared_->mutex);
  for (std::unique_ptr<PolledSource>& source : sources) {
    shared_->entries.push_back(std::make_unique<Entry>(std::move(source)));
  }
}

Poller::~Poller() { Stop(); }

void Poller::Start() {
  {
    MutexLock lock(shared_->mutex);
    if (shared_->running || shared_->stopped) return;
    shared_->running = true;
    if (options_.poll_at_start) {
      for (const std::unique_ptr<Entry>& entry : shared_->entries) entry->due = clock_->Now();
    }
  }
  threads_.emplace_back([this] { RunScheduler(); });
  StartWorkers();
}

void Poller::StartWorkers() {
  std::size_t wanted = 0;
  {
    MutexLock lock(shared_->mutex);
    if (!shared_->running) return;
    wanted = std::min(static_cast<std::size_t>(options_.workers), shared_->entries.size());
  }
  for (; workers_ < wanted; ++workers_) threads_.emplace_back([this] { RunWorker(); });
}

std::vector<std::unique_ptr<PolledSource>> Poller::Take(const std::set<std::string>& ids) {
  std::vector<std::stop_source> stops;
  {
    MutexLock lock(shared_->mutex);
    for (const std::unique_ptr<Entry>& entry : shared_->entries) {
      if (ids.count(entry->source->id()) == 0) continue;
      entry->taken = true;
      stops.push_back(entry->stop);
      if (entry->state != Entry::State::kQueued) continue;
      entry->state = Entry::State::kIdle;
      std::deque<Entry*>& queue = shared_->queue;
      queue.erase(std::remove(queue.begin(), queue.end(), entry.get()), queue.end());
    }
  }
  // Without the lock: what a stop interrupts may have one of its own.
  for (std::stop_source& stop : stops) stop.request_stop();
  std::vector<std::unique_ptr<PolledSource>> sources;
  MutexLock lock(shared_->mutex);
  auto& entries = shared_->entries;
  for (auto it = entries.begin(); it != entries.end();) {
    Entry& entry = **it;
    if (!entry.taken) {
      ++it;
      continue;
    }
    while (entry.state != Entry::State::kIdle) shared_->wake.Wait(shared_->mutex);
    Observers& parked = shared_->parked[entry.source->id()];
    for (Observers* list : {&entry.observers, &entry.next_observers}) {
      parked.insert(parked.end(), list->begin(), list->end());
    }
    sources.push_back(std::move(entry.source));
    it = entries.erase(it);
  }
  return sources;
}

void Poller::Put(std::vector<std::unique_ptr<PolledSource>> sources) {
  Observers orphans;
  {
    MutexLock lock(shared_->mutex);
    for (std::unique_ptr<PolledSource>& source : sources) {
      auto entry = std::make_unique<Entry>(std::move(source));
      if (shared_->running) entry->due = clock_->Now();
      const auto parked = shared_->parked.find(entry->source->id());
      if (parked != shared_->parked.end()) entry->observers = std::move(parked->second);
      if (parked != shared_->parked.end()) shared_->parked.erase(parked);
      shared_->entries.push_back(std::move(entry));
    }
    for (auto& [id, observers] : shared_->parked) {
      orphans.insert(orphans.end(), observers.begin(), observers.end());
    }
    shared_->parked.clear();
  }
  shared_->wake.NotifyAll();
  StartWorkers();
  for (const std::shared_ptr<SyncObserver>& observer : orphans) {
    observer->OnEnd(absl::UnavailableError("the source left the configuration"));
  }
}

absl::Status Poller::Replace(const std::set<std::string>& ids,
                             const std::function<absl::Status()>& change,
                             std::vector<std::unique_ptr<PolledSource>> sources) {
  std::vector<std::unique_ptr<PolledSource>> old = Take(ids);
  absl::Status status = change();
  Put(status.ok() ? std::move(sources) : std::move(old));
  return status;
}

void Poller::Stop() {
  Observers orphans;
  std::vector<std::stop_source> stops;
  {
    MutexLock lock(shared_->mutex);
    if (shared_->stopped) return;
    shared_->stopped = true;
    shared_->running = false;
    for (const std::unique_ptr<Entry>& entry : shared_->entries) stops.push_back(entry->stop);
  }
  for (std::stop_source& stop : stops) stop.request_stop();
  shared_->wake.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
  {
    MutexLock lock(shared_->mutex);
    for (const std::unique_ptr<Entry>& entry : shared_->entries) {
      for (Observers* list : {&entry->observers, &entry->next_observers}) {
        orphans.insert(orphans.end(), list->begin(), list->end());
        list->clear();
      }
    }
  }
  for (const std::shared_ptr<SyncObserver>& observer : orphans) {
    observer->OnEnd(absl::UnavailableError("the service stops"));
  }
}

Poller::Subscription& Poller::Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    Cancel();
    cancel_ = std::exchange(other.cancel_, nullptr);
  }
  return *this;
}

void Poller::Subscription::Cancel() {
  if (const std::function<void()> cancel = std::exchange(cancel_, nullptr)) cancel();
}

absl::StatusOr<Poller::Subscription> Poller::SyncNow(absl::string_view source, bool fresh,
                                                     std::shared_ptr<SyncObserver> observer) {
  Entry* entry = nullptr;
  {
    MutexLock lock(shared_->mutex);
    if (shared_->stopped) return absl::UnavailableError("no passes run any more");
    entry = shared_->Find(source);
    if (entry == nullptr) return absl::NotFoundError("no such source is configured");
    if (entry->state == Entry::State::kRunning && !entry->only_look && fresh) {
      entry->run_again = true;
      if (observer != nullptr) entry->next_observers.push_back(observer);
    } else {
      if (entry->state == Entry::State::kIdle) shared_->Enqueue(*entry);
      entry->only_look = false;
      if (observer != nullptr) entry->observers.push_back(observer);
    }
  }
  shared_->wake.NotifyAll();
  Subscription subscription;
  if (observer != nullptr) {
    // Wherever it is by then: its source may have been replaced.
    subscription.cancel_ = [shared = std::weak_ptr<Shared>(shared_), of = observer.get()] {
      const std::shared_ptr<Shared> alive = shared.lock();
      if (alive == nullptr) return;
      MutexLock lock(alive->mutex);
      for (const std::unique_ptr<Entry>& each : alive->entries) {
        Remove(each->observers, of);
        Remove(each->next_observers, of);
      }
      for (auto& [id, observers] : alive->parked) Remove(observers, of);
    };
  }
  return subscription;
}

void Poller::RetryGivenUp() {
  MutexLock lock(shared_->mutex);
  for (const std::unique_ptr<Entry>& entry : shared_->entries) {
    if (!entry->given_up || entry->hastened || entry->taken) continue;
    if (entry->state != Entry::State::kIdle) continue;
    entry->hastened = true;
    entry->due = clock_->Now();
    entry->decided = entry->due;
  }
  shared_->wake.NotifyAll();
}

std::vector<SourceCounts> Poller::Counts() const {
  std::vector<SourceCounts> all;
  MutexLock lock(shared_->mutex);
  for (const std::unique_ptr<Entry>& entry : shared_->entries) {
    if (entry->taken) continue;
    SourceCounts& counts = all.emplace_back();
    counts.source = entry->source->id();
    counts.passes = entry->passes;
    counts.durations = entry->durations.Read();
    counts.secrets_dropped = entry->secrets_dropped;
    if (entry->requests != nullptr) counts.requests = entry->requests->Read();
  }
  return all;
}

void Poller::RunScheduler() {
  MutexLock lock(shared_->mutex);
  while (!shared_->stopped) {
    const absl::Time now = clock_->Now();
    absl::Time earliest = absl::InfiniteFuture();
    bool queued = false;
    for (const std::unique_ptr<Entry>& entry : shared_->entries) {
      if (entry->taken || entry->state != Entry::State::kIdle) continue;
      if (now < entry->decided) {
        entry->due -= entry->decided - now;
        entry->look_due -= entry->decided - now;
        entry->decided = now;
      }
      if (entry->due <= now) {
        shared_->Enqueue(*entry);
        queued = true;
      } else if (entry->look_due <= now) {
        shared_->EnqueueLook(*entry);
        queued = true;
      } else {
        earliest = std::min({earliest, entry->due, entry->look_due});
      }
    }
    if (queued) shared_->wake.NotifyAll();
    if (earliest == absl::InfiniteFuture()) {
      shared_->wake.Wait(shared_->mutex);
    } else {
      clock_->WaitUntil(shared_->mutex, shared_->wake, earliest);
    }
  }
}

void Poller::RunWorker() {
  for (;;) {
    Entry* entry = nullptr;
    {
      MutexLock lock(shared_->mutex);
      while (!shared_->stopped && shared_->queue.empty()) shared_->wake.Wait(shared_->mutex);
      if (shared_->stopped) return;
      entry = shared_->queue.front();
      shared_->queue.pop_front();
      entry->state = Entry::State::kRunning;
    }
    if (IsNeeded(*entry)) RunOne(*entry);
  }
}

bool Poller::IsNeeded(Entry& entry) {
  {
    MutexLock lock(shared_->mutex);
    if (!entry.only_look) return true;
  }
  const bool changed = entry.source->CredentialChanged();
  {
    MutexLock lock(shared_->mutex);
    // Meanwhile somebody may have asked for a pass.
    if (changed || !entry.only_look) {
      entry.only_look = false;
      return true;
    }
    entry.state = Entry::State::kIdle;
    entry.look_due = clock_->Now() + kCredentialLook;
  }
  shared_->wake.NotifyAll();
  return false;
}

void Poller::RunOne(Entry& entry) {
  const std::string source = entry.source->id();
  const std::stop_token stop = entry.stop.get_token();
  const absl::Duration interval = entry.source->interval();
  const auto plan = [&](v1::Source::State state, absl::Time not_before) {
    MutexLock lock(shared_->mutex);
    entry.failures = IsFailure(state) ? entry.failures + 1 : 0;
    std::uniform_real_distribution<double> spread(-options_.jitter, options_.jitter);
    const absl::Duration delay =
        DelayAfter(state, entry.failures, interval) * (1 + spread(shared_->random));
    entry.decided = clock_->Now();
    entry.due = std::max(entry.decided + delay, not_before);
    entry.look_due =
        state == v1::Source::AUTH_FAILED ? entry.decided + kCredentialLook : absl::InfiniteFuture();
    return entry.due;
  };

  PassContext context;
  context.recorder = recorder_;
  context.stop = stop;
  context.on_progress = [&](const v1::SyncProgress& progress) {
    Observers observers;
    {
      MutexLock lock(shared_->mutex);
      observers = entry.observers;
    }
    for (const std::shared_ptr<SyncObserver>& observer : observers) {
      observer->OnProgress(progress);
    }
  };
  bool planned = false;
  context.next_sync_time = [&](v1::Source::State state, absl::Time not_before) {
    planned = true;
    return plan(state, not_before);
  };

  bool given_up = false;
  const absl::Time begin = clock_->Now();
  absl::StatusOr<v1::SyncResult> result = entry.source->RunPass(context);
  const absl::Duration duration = clock_->Now() - begin;
  const bool was_stopped = !result.ok() && stop.stop_requested();
  if (was_stopped) {
    result = absl::UnavailableError("the service stops");  // or goes on with another source
  } else {
    LogPass(source, result);
    if (!result.ok()) {
      if (result.status().code() != absl::StatusCode::kUnavailable) {
        result = absl::UnavailableError(result.status().message());
      }
      recorder_->Postpone(source, plan(v1::Source::STORE_UNAVAILABLE, absl::InfinitePast()));
      given_up = true;
    } else if (!planned) {
      plan(result->state(), absl::InfinitePast());
    }
  }

  Observers observers;
  {
    MutexLock lock(shared_->mutex);
    if (!was_stopped) entry.Count(result, duration);
    // Those of a pass that was stopped wait for the next source.
    if (!entry.taken || !stop.stop_requested() || result.ok()) {
      observers = std::exchange(entry.observers, {});
    }
    entry.state = Entry::State::kIdle;
    entry.given_up = given_up;
    if (!given_up) entry.hastened = false;
    if (entry.run_again && !entry.taken) {
      entry.run_again = false;
      entry.observers = std::exchange(entry.next_observers, {});
      shared_->Enqueue(entry);
    }
  }
  shared_->wake.NotifyAll();
  for (const std::shared_ptr<SyncObserver>& observer : observers) observer->OnEnd(result);
}

}  // namespace tokeninventory
