// A store that the service can start on, with sample tokens in it, and the same
// tokens for limits and peers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "bench/lib/report.h"
#include "bench/lib/sample_tokens.h"

namespace tokeninventory::bench {

// Makes it by the Ledger, or takes the one that is there: once `data`/TOKENS exists it is whole.
class FilledStore {
 public:
  FilledStore(const Setup& setup, int tokens);

  // What the service needs: inventory.db and config.yaml.
  const std::string& folder() const { return folder_; }
  std::string tokens_file() const { return folder_ + "/tokens.bin"; }

 private:
  std::string folder_;
};

// So many tokens of kSampleSources[0], from all over it, as its vendor shows them now: those
// that FilledStore(setup, tokens) holds, but for their times.
std::vector<ObservedToken> ShownAgain(int tokens, int count);

// The tokens of a store as it holds them, in storage order.
class TokenFile {
 public:
  explicit TokenFile(const std::string& path);

  // Serialised v1::Token.
  const std::vector<absl::string_view>& tokens() const { return tokens_; }
  // The same behind the tag and the length that they have in a page.
  absl::string_view Frames(std::size_t first, std::size_t count) const;
  absl::string_view Frame(std::size_t i) const { return Frames(i, 1); }
  std::int64_t bytes() const { return bytes_; }  // of the tokens themselves

 private:
  std::string text_;
  std::vector<absl::string_view> tokens_;
  std::vector<std::size_t> ends_;  // of frames
  std::int64_t bytes_ = 0;
};

// What a token is found by.
struct TokenKey {
  std::string name;
  std::int64_t expire = 0;  // the largest number: never
  std::string uid;
};
TokenKey KeyOf(absl::string_view token);

}  // namespace tokeninventory::bench
