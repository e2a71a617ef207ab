#include "connectors/page_worker/page_cache.h"

#include <utility>

namespace tokeninventory {

const std::string* PageCache::Find(const Digest& page, absl::string_view reading,
                                   std::int64_t pass) {
  BeginPass(pass);
  const auto found = replies_.find(page);
  if (found == replies_.end() || found->second.reading != reading) return nullptr;
  found->second.pass = pass;
  return &found->second.reply;
}

void PageCache::Keep(const Digest& page, std::string reading, std::string reply,
                     std::int64_t pass) {
  BeginPass(pass);
  if (const auto other = replies_.find(page); other != replies_.end()) {
    bytes_ -= SizeOf(other->second);
    replies_.erase(other);
  }
  Reply kept{std::move(reading), std::move(reply), pass};
  const std::size_t size = SizeOf(kept);
  if (bytes_ + size > max_bytes_) DropStale();
  if (bytes_ + size > max_bytes_) return;
  bytes_ += size;
  replies_.emplace(page, std::move(kept));
}

void PageCache::Clear() {
  replies_.clear();
  bytes_ = 0;
}

std::size_t PageCache::SizeOf(const Reply& reply) {
  return sizeof(Digest) + sizeof(Reply) + reply.reading.capacity() + reply.reply.capacity();
}

void PageCache::BeginPass(std::int64_t pass) {
  if (pass == pass_) return;
  pass_before_ = std::exchange(pass_, pass);
  dropped_stale_ = false;
}

void PageCache::DropStale() {
  if (std::exchange(dropped_stale_, true)) return;
  absl::erase_if(replies_, [this](const auto& entry) {
    const Reply& reply = entry.second;
    if (reply.pass == pass_ || reply.pass == pass_before_) return false;
    bytes_ -= SizeOf(reply);
    return true;
  });
}

}  // namespace tokeninventory
