#include "server/access/open_streams.h"

namespace tokeninventory {

OpenStreams::Place::~Place() {
  {
    MutexLock lock(entry_->mutex);
    entry_->stream = nullptr;
  }
  MutexLock lock(streams_.mutex_);
  streams_.entries_.erase(entry_);
}

std::unique_ptr<OpenStreams::Place> OpenStreams::Enter(const grpc::CallbackServerContext& context,
                                                       Identify identify, GuardedStream& stream) {
  auto entry = std::make_shared<Place::Entry>();
  {
    MutexLock lock(entry->mutex);
    entry->stream = &stream;
    entry->context = &context;
    entry->identify = std::move(identify);
  }
  {
    MutexLock lock(mutex_);
    entries_.insert(entry);
  }
  Ask(*entry);
  return std::unique_ptr<Place>(new Place(*this, std::move(entry)));
}

void OpenStreams::AskAll() {
  std::vector<std::shared_ptr<Place::Entry>> entries;
  {
    MutexLock lock(mutex_);
    entries.assign(entries_.begin(), entries_.end());
  }
  for (const auto& entry : entries) Ask(*entry);
}

// The policy is looked up under the entry's lock: of two who ask, the last has the newest.
void OpenStreams::Ask(Place::Entry& entry) {
  MutexLock lock(entry.mutex);
  if (entry.stream != nullptr) entry.stream->OnPolicy(entry.identify(*entry.context));
}

}  // namespace tokeninventory
