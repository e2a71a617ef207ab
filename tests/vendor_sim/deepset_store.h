// deepset's workspaces and tokens, and the lists over them.
//
// Thread-compatible: guarded by SharedWorld. Does no HTTP and no JSON.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/vendor_sim/odata_filter.h"
#include "tests/vendor_sim/records.h"
#include "tests/vendor_sim/token_table.h"

namespace tokeninventory::vendor_sim {

enum class DeepsetField { kCreatedAt, kName, kRole, kExpiresAt };

// One checked list request. `page_number` excludes before, after and filter.
struct DeepsetQuery {
  std::int64_t limit = 10;
  std::optional<std::int64_t> page_number;
  std::optional<Uuid> before;
  std::optional<Uuid> after;
  std::vector<ODataTerm> filter;
  DeepsetField field = DeepsetField::kCreatedAt;
  bool descending = true;
};

struct DeepsetPage {
  std::vector<DeepsetToken> tokens;
  bool has_more = false;
  std::size_t total = 0;
};

class DeepsetStore {
 public:
  DeepsetStore() = default;
  DeepsetStore(const DeepsetStore&) = delete;
  DeepsetStore& operator=(const DeepsetStore&) = delete;

  // The fields of a token that a filter can name.
  static bool IsFilterField(std::string_view field);

  // False when the name is taken.
  bool AddWorkspace(Workspace workspace);

  // Removes the workspace's own tokens too; a shared token loses the workspace, and when just one
  // is left to it, it becomes that one's own. False when there is no such workspace.
  bool RemoveWorkspace(const std::string& name);

  const Workspace* FindWorkspace(const std::string& name) const;
  std::vector<Workspace> Workspaces() const;
  std::size_t WorkspaceCount() const { return workspaces_.size(); }

  void Reserve(std::size_t tokens) { tokens_.Reserve(tokens); }

  // False when the id is taken or a workspace is unknown.
  bool Add(DeepsetToken token);
  bool Remove(const Uuid& id);

  // Valid until the next change; the caller must change neither id, created_at nor workspaces.
  DeepsetToken* FindForUpdate(const Uuid& id);
  const DeepsetToken* Find(const Uuid& id) const;

  // All tokens, shared ones too.
  const CreationOrder<DeepsetToken>& All() const { return all_.created; }
  std::size_t ExclusiveCount() const { return exclusive_count_; }

  // A page of the tokens exclusive to `workspace`, or of all tokens when it is null. Nothing when
  // the workspace, or the token of a cursor, is not there.
  std::optional<DeepsetPage> List(const std::string* workspace, const DeepsetQuery& query) const;

 private:
  struct Scope {
    explicit Scope(const TokenTable<DeepsetToken>* tokens) : created(tokens) {}

    CreationOrder<DeepsetToken> created;
    // The other orders, made when asked for; valid while sorted_at equals version_.
    mutable std::array<std::vector<Slot>, 4> sorted;
    mutable std::array<std::uint64_t, 4> sorted_at{};
  };

  struct WorkspaceEntry {
    Workspace workspace;
    Scope scope;
  };

  WorkspaceEntry* FindEntry(const std::string& name);
  const WorkspaceEntry* FindEntry(const std::string& name) const;
  void Erase(Slot slot);

  // Ascending.
  const std::vector<Slot>& Sorted(const Scope& scope, DeepsetField field) const;
  void SortBy(DeepsetField field, std::vector<Slot>* slots) const;
  DeepsetPage ListByPage(const Scope& scope, const DeepsetQuery& query) const;
  std::optional<DeepsetPage> ListByCursor(const Scope& scope, const DeepsetQuery& query) const;
  void Take(const std::vector<Slot>& ascending, std::size_t skip, const DeepsetQuery& query,
            DeepsetPage* page) const;

  TokenTable<DeepsetToken> tokens_;
  Scope all_{&tokens_};
  std::vector<WorkspaceEntry> workspaces_;
  std::size_t exclusive_count_ = 0;
  // Rises with every change; 1 at first, so that no cache is valid before it is made.
  std::uint64_t version_ = 1;
};

}  // namespace tokeninventory::vendor_sim
