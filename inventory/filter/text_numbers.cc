#include "inventory/filter/text_numbers.h"

namespace tokeninventory {

TextNumbers::TextNumbers() { texts_[kEmpty] = new std::string; }

TextNumbers::~TextNumbers() {
  for (const auto& text : texts_) delete text.load();
}

TextNumbers::Number TextNumbers::Of(absl::string_view text) {
  if (text.empty()) return kEmpty;
  if (text.size() > kMostBytes) return kNone;
  const std::size_t place =
      (text.size() * 31 + static_cast<unsigned char>(text.back())) % recent_.size();
  const Number recent = recent_[place].load(std::memory_order_acquire);
  if (recent != kEmpty && (*this)[recent] == text) return recent;

  MutexLock lock(mutex_);
  auto known = numbers_.find(text);
  if (known == numbers_.end()) {
    const std::size_t next = numbers_.size() + 1;
    if (next == kMost) return kNone;
    const auto* const kept = new std::string(text);
    texts_[next].store(kept, std::memory_order_release);
    known = numbers_.emplace(*kept, static_cast<Number>(next)).first;
  }
  recent_[place].store(known->second, std::memory_order_release);
  return known->second;
}

}  // namespace tokeninventory
