// Batches as the Ledger makes them, so that VerifyStore may judge what became of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "inventory/token_store.h"

namespace tokeninventory::testing {

// A source with one scope. Thread-compatible.
class SampleStore {
 public:
  // A source, its scope, and no token: no revision.
  static CommitBatch Empty() {
    CommitBatch batch;
    v1::Source status;
    status.set_name(SourceName("acme"));
    batch.put_sources.push_back({"acme", status.SerializeAsString()});
    batch.put_scopes.push_back({1, "acme", "tokens", "", "", 0});
    return batch;
  }

  // The commit of `revision`: `count` tokens from `row` on are made or changed, each
  // of about `bytes` bytes.
  CommitBatch Put(std::int64_t revision, std::int64_t row, int count, std::size_t bytes) const {
    CommitBatch batch;
    batch.commit_time = absl::UnixEpoch() + absl::Seconds(revision);
    for (const std::int64_t end = row + count; row < end; ++row) {
      v1::Token token;
      token.set_name(TokenName("acme", absl::StrCat(row)));
      token.set_uid(absl::StrCat("uid-", row));
      token.set_source(SourceName("acme"));
      token.set_presence(v1::Token::LISTED);
      token.set_revision(revision);
      token.set_provider_uri(std::string(bytes, 'x'));
      const std::string after = SerializeToken(token);
      const auto before = tokens_.find(row);
      batch.changes.push_back({row, v1::TokenChange::VENDOR_REPORTED,
                               before == tokens_.end() ? "" : before->second, after});
      batch.put_tokens.push_back({row, after, {{1, 0}}});
    }
    return batch;
  }

  // What was committed.
  void Remember(const CommitBatch& batch) {
    for (const StoredToken& token : batch.put_tokens) tokens_[token.row] = token.token;
  }

  // By row, serialised.
  const std::map<std::int64_t, std::string>& tokens() const { return tokens_; }

 private:
  std::map<std::int64_t, std::string> tokens_;
};

}  // namespace tokeninventory::testing
