// The calls about tokens that are measured, as bytes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bench/lib/filled_store.h"
#include "bench/lib/load_client.h"

namespace tokeninventory::bench {

inline constexpr char kGetToken[] = "/tokeninventory.v1.TokenInventory/GetToken";
inline constexpr char kListTokens[] = "/tokeninventory.v1.TokenInventory/ListTokens";
inline constexpr int kGetCallers = 64;
inline constexpr int kPageCallers = 8;

// Names of so many of the tokens, or of all, in random order; the same each time.
std::vector<std::string> ShuffledNames(const TokenFile& tokens, std::size_t most = 100'000);

// Each name in turn, by kGetCallers.
Calls GetCalls(const std::vector<std::string>& names);

// All full pages of a FULL list, by kPageCallers; the page tokens are found beforehand.
Calls PageCalls(LoadClient& client, int page_size, const std::string& order_by);

// One caller, the first page of one token, which counts the whole list: so every
// token is looked at.
Calls FilterCalls(const std::string& filter);

}  // namespace tokeninventory::bench
