// What a vendor and the inventory both tell of a token, as text, so that the two can be compared.
//
// Thread-safe: pure functions.
#pragma once

#include <map>
#include <string>

#include "absl/time/time.h"
#include "inventory/snapshot.h"
#include "tests/vendor_sim/records.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::testing {

// By the last part of the token's name: display name, kind, expiry, creation.
using TokenFacts = std::map<std::string, std::string>;

// What the simulated vendor's streams list. `all_streams`: those too that are off by default.
TokenFacts TrueFacts(const vendor_sim::Truth& truth, const std::string& vendor, bool all_streams);

std::string FactsOf(const v1::Token& token);

// A token of the inventory, tombstones included.
struct KnownToken {
  std::string uid;
  v1::Token::Presence presence = v1::Token::PRESENCE_UNSPECIFIED;
  std::string display_name;
  std::string facts;
  v1::Token::State state = v1::Token::STATE_UNSPECIFIED;
  absl::Time expires = absl::InfiniteFuture();
};

// All of `source`, by the last part of their names.
std::map<std::string, KnownToken> KnownTokens(const Snapshot& snapshot, const std::string& source);

// How the inventory differs from the truth, in lines; empty when every true token is LISTED with
// the true facts, and no other token is shown.
std::string Difference(const TokenFacts& truth, const std::map<std::string, KnownToken>& known);

}  // namespace tokeninventory::testing
