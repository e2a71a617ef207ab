// What a fuzzer demands besides not crashing.
#pragma once

#include <cstdio>
#include <cstdlib>

// Ends the program, as a finding, unless `condition` holds.
#define TI_FUZZ_CHECK(condition)                               \
  do {                                                         \
    if (!(condition)) {                                        \
      std::fprintf(stderr, "does not hold: %s\n", #condition); \
      std::abort();                                            \
    }                                                          \
  } while (false)
