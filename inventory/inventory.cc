#include "inventory/inventory.h"

#include <utility>
#include <vector>

namespace tokeninventory {

std::shared_ptr<const Snapshot> Inventory::Current() const {
  MutexLock lock(mutex_);
  return current_;
}

std::int64_t Inventory::publications() const {
  MutexLock lock(mutex_);
  return publications_;
}

void Inventory::Publish(std::shared_ptr<const Snapshot> snapshot) {
  std::vector<std::function<void(bool)>> reached;
  {
    MutexLock lock(mutex_);
    const auto end = waits_.upper_bound(snapshot->revision());
    for (auto it = waits_.begin(); it != end; ++it) reached.push_back(std::move(it->second.then));
    waits_.erase(waits_.begin(), end);
    current_.swap(snapshot);
    ++publications_;
  }
  for (const auto& then : reached) then(true);
  MutexLock lock(listener_mutex_);
  if (listener_) listener_();
  // The old snapshot, now in `snapshot`, is freed here, outside the lock.
}

void Inventory::SetListener(std::function<void()> listener) {
  MutexLock lock(listener_mutex_);
  listener_ = std::move(listener);
}

void Inventory::WhenRevision(std::int64_t revision, absl::Time deadline,
                             std::function<void(bool)> then) {
  {
    MutexLock lock(mutex_);
    if (current_->revision() < revision) {
      waits_.emplace(revision, Wait{deadline, std::move(then)});
      return;
    }
  }
  then(true);
}

void Inventory::ExpireWaits(absl::Time now) {
  std::vector<std::function<void(bool)>> given_up;
  {
    MutexLock lock(mutex_);
    for (auto it = waits_.begin(); it != waits_.end();) {
      if (it->second.deadline > now) {
        ++it;
        continue;
      }
      given_up.push_back(std::move(it->second.then));
      it = waits_.erase(it);
    }
  }
  for (const auto& then : given_up) then(false);
}

}  // namespace tokeninventory
