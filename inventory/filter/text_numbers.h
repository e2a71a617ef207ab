// Numbers for strings of which there are few: an inventory has millions of tokens,
// and a handful of providers, kinds and roles.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace tokeninventory {

// Gives each string a number, which is its own as long as the process lives. So that
// what vendors invent stays bounded, only the first kMost strings get one, and none
// that is longer than kMostBytes.
//
// Thread-safe. Numbers become texts without a lock.
class TextNumbers {
 public:
  using Number = std::uint16_t;
  static constexpr std::size_t kMost = 16'384;
  static constexpr std::size_t kMostBytes = 256;
  static constexpr Number kEmpty = 0;  // of the empty string
  static constexpr Number kNone = 0xFFFF;

  TextNumbers();
  ~TextNumbers();
  TextNumbers(const TextNumbers&) = delete;
  TextNumbers& operator=(const TextNumbers&) = delete;

  // The number of `text`, which gets one now if it can; or kNone.
  Number Of(absl::string_view text);

  // The text of a number that Of returned, but kNone. Valid as long as this object.
  const std::string& operator[](Number number) const {
    return *texts_[number].load(std::memory_order_acquire);
  }

 private:
  std::array<std::atomic<const std::string*>, kMost> texts_{};
  // The number that was asked for last, by some of its text's bytes. Whoever reads one
  // here has to see its text too.
  std::array<std::atomic<Number>, 64> recent_{};
  Mutex mutex_;
  absl::flat_hash_map<absl::string_view, Number> numbers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
