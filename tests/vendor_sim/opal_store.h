// Opal's tokens, and the one list over them.
//
// Thread-compatible: guarded by SharedWorld. Does no HTTP and no JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tests/vendor_sim/records.h"
#include "tests/vendor_sim/token_table.h"

namespace tokeninventory::vendor_sim {

// One checked list request.
struct OpalQuery {
  std::size_t page_size = 200;
  // Only tokens created before this: what a cursor means.
  std::optional<TimePoint> cursor;
  std::optional<std::vector<Uuid>> token_ids;
  std::optional<Uuid> user_id;
};

// Newest first.
struct OpalPage {
  std::vector<OpalToken> tokens;
  // The cursor of the next page; nothing on the last.
  std::optional<TimePoint> next;
};

class OpalStore {
 public:
  OpalStore() = default;
  OpalStore(const OpalStore&) = delete;
  OpalStore& operator=(const OpalStore&) = delete;

  void Reserve(std::size_t tokens) { tokens_.Reserve(tokens); }

  // False when the id is taken. created_at loses what milliseconds cannot show, and moves on to the
  // next free millisecond.
  bool Add(OpalToken token);
  bool Remove(const Uuid& id);

  // Valid until the next change; the caller must change neither id, created_at nor user_id.
  OpalToken* FindForUpdate(const Uuid& id);
  const CreationOrder<OpalToken>& All() const { return all_; }

  // The users who can own tokens.
  std::vector<Uuid>& users() { return users_; }
  const std::vector<Uuid>& users() const { return users_; }

  OpalPage List(const OpalQuery& query) const;

 private:
  TokenTable<OpalToken> tokens_;
  CreationOrder<OpalToken> all_{&tokens_};
  std::unordered_map<Uuid, CreationOrder<OpalToken>> by_user_;
  std::vector<Uuid> users_;
};

}  // namespace tokeninventory::vendor_sim
