// What a commit of the Ledger will write, and what memory will then show. Only the
// Ledger includes this.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "inventory/expiration/judge.h"
#include "inventory/expiration/notice.h"
#include "inventory/ledger.h"
#include "inventory/token_bytes.h"

namespace tokeninventory {

// How long what time brings waits for a store that failed.
inline constexpr absl::Duration kDueRetry = absl::Seconds(5);

// What a commit will write and what memory will then show.
struct Ledger::Staged {
  CommitBatch batch;
  std::vector<std::pair<std::int64_t, v1::Token>> tokens;   // as in put_tokens, parsed
  std::vector<std::pair<std::string, v1::Source>> sources;  // by id

  // What StageNotices is to look at beside the tokens that change.
  std::vector<std::int64_t> looks;                                      // rows
  absl::flat_hash_map<std::int64_t, TokenSight::VendorWord> words;      // by row
  std::vector<std::pair<std::int64_t, v1::Expiration>> source_notices;  // by row
  bool digested = false;   // notices that it opens are told by a DIGEST
  bool just_seen = false;  // its tokens are as the vendor showed them just now
  // As in put_notices, parsed.
  std::vector<std::pair<std::int64_t, std::shared_ptr<const Notice>>> notices;

  bool empty() const {
    return batch.empty() && sources.empty() && looks.empty() && source_notices.empty();
  }

  // Makes room for as many tokens: to move one costs nearly as much as to make one.
  void Reserve(std::size_t count) {
    batch.changes.reserve(count);
    batch.put_tokens.reserve(count);
    tokens.reserve(count);
  }

  // Stages a token that changes from `before` (empty: new) to `token`.
  void PutToken(std::int64_t row, v1::Token&& token, std::vector<ScopeMark> marks,
                std::string before, v1::TokenChange::Cause cause, std::int64_t revision) {
    token.set_revision(revision);
    std::string bytes = SerializeToken(token);
    batch.changes.push_back(LogChange{row, cause, std::move(before), bytes});
    batch.put_tokens.push_back(StoredToken{row, std::move(bytes), std::move(marks)});
    tokens.emplace_back(row, std::move(token));
  }

  void PutMarks(std::int64_t row, std::vector<ScopeMark> marks) {
    batch.put_marks.push_back(StoredToken{row, std::string(), std::move(marks)});
  }

  void PutSource(const std::string& id, v1::Source status) {
    sources.emplace_back(id, std::move(status));
  }
};

}  // namespace tokeninventory
