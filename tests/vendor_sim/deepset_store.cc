#include "tests/vendor_sim/deepset_store.h"

#include <algorithm>
#include <utility>

namespace tokeninventory::vendor_sim {
namespace {

using Value = std::variant<std::nullptr_t, bool, std::string>;

constexpr std::array<std::string_view, 8> kFilterFields = {
    "api_token_id", "name",    "role",       "organization_role",
    "personal",     "expires", "expires_at", "masked_token"};

Value FieldValue(const DeepsetToken& token, std::string_view field) {
  if (field == "api_token_id") return token.id.ToString();
  if (field == "name") return token.name;
  if (field == "role") return token.role;
  if (field == "organization_role") return token.organization_role;
  if (field == "personal") return token.personal;
  if (field == "expires") return token.expires_at.has_value();
  if (field == "masked_token") return token.masked_token;
  if (!token.expires_at) return nullptr;
  return FormatTime(*token.expires_at, token.time_style);
}

bool Matches(const DeepsetToken& token, const std::vector<ODataTerm>& filter) {
  return std::all_of(filter.begin(), filter.end(), [&token](const ODataTerm& term) {
    return FieldValue(token, term.field) == term.value;
  });
}

// Missing times come last in ascending order, as PostgreSQL puts them.
bool ExpiresBefore(const DeepsetToken& a, const DeepsetToken& b) {
  if (!a.expires_at || !b.expires_at) return a.expires_at.has_value() && !b.expires_at;
  return *a.expires_at < *b.expires_at;
}

}  // namespace

bool DeepsetStore::IsFilterField(std::string_view field) {
  return std::find(kFilterFields.begin(), kFilterFields.end(), field) != kFilterFields.end();
}

bool DeepsetStore::AddWorkspace(Workspace workspace) {
  if (FindEntry(workspace.name) != nullptr) return false;
  workspaces_.push_back({std::move(workspace), Scope(&tokens_)});
  return true;
}

bool DeepsetStore::RemoveWorkspace(const std::string& name) {
  const WorkspaceEntry* entry = FindEntry(name);
  if (entry == nullptr) return false;
  const std::vector<Slot> own = entry->scope.created.slots();
  for (Slot slot : own) Erase(slot);
  const std::vector<Slot> rest = all_.created.slots();
  for (Slot slot : rest) {
    std::vector<std::string> workspaces = tokens_[slot].workspaces;
    if (std::erase(workspaces, name) == 0) continue;
    DeepsetToken token = tokens_[slot];
    Erase(slot);
    token.workspaces = std::move(workspaces);
    if (!token.workspaces.empty() || token.all_workspaces) Add(std::move(token));
  }
  std::erase_if(workspaces_, [&name](const WorkspaceEntry& e) { return e.workspace.name == name; });
  ++version_;
  return true;
}

const Workspace* DeepsetStore::FindWorkspace(const std::string& name) const {
  const WorkspaceEntry* entry = FindEntry(name);
  return entry == nullptr ? nullptr : &entry->workspace;
}

std::vector<Workspace> DeepsetStore::Workspaces() const {
  std::vector<Workspace> workspaces;
  for (const WorkspaceEntry& entry : workspaces_) workspaces.push_back(entry.workspace);
  return workspaces;
}

bool DeepsetStore::Add(DeepsetToken token) {
  for (const std::string& name : token.workspaces) {
    if (FindEntry(name) == nullptr) return false;
  }
  const bool exclusive = token.IsExclusive();
  const std::optional<Slot> slot = tokens_.Insert(std::move(token));
  if (!slot) return false;
  all_.created.Insert(*slot);
  if (exclusive) {
    FindEntry(tokens_[*slot].workspaces.front())->scope.created.Insert(*slot);
    ++exclusive_count_;
  }
  ++version_;
  return true;
}

bool DeepsetStore::Remove(const Uuid& id) {
  const std::optional<Slot> slot = tokens_.Find(id);
  if (!slot) return false;
  Erase(*slot);
  return true;
}

void DeepsetStore::Erase(Slot slot) {
  const DeepsetToken& token = tokens_[slot];
  if (token.IsExclusive()) {
    FindEntry(token.workspaces.front())->scope.created.Erase(slot);
    --exclusive_count_;
  }
  all_.created.Erase(slot);
  tokens_.Erase(slot);
  ++version_;
}

DeepsetToken* DeepsetStore::FindForUpdate(const Uuid& id) {
  const std::optional<Slot> slot = tokens_.Find(id);
  if (!slot) return nullptr;
  ++version_;
  return &tokens_[*slot];
}

const DeepsetToken* DeepsetStore::Find(const Uuid& id) const {
  const std::optional<Slot> slot = tokens_.Find(id);
  return slot ? &tokens_[*slot] : nullptr;
}

std::optional<DeepsetPage> DeepsetStore::List(const std::string* workspace,
                                              const DeepsetQuery& query) const {
  const Scope* scope = &all_;
  if (workspace != nullptr) {
    const WorkspaceEntry* entry = FindEntry(*workspace);
    if (entry == nullptr) return std::nullopt;
    scope = &entry->scope;
  }
  if (query.page_number) return ListByPage(*scope, query);
  return ListByCursor(*scope, query);
}

DeepsetStore::WorkspaceEntry* DeepsetStore::FindEntry(const std::string& name) {
  return const_cast<WorkspaceEntry*>(std::as_const(*this).FindEntry(name));
}

const DeepsetStore::WorkspaceEntry* DeepsetStore::FindEntry(const std::string& name) const {
  for (const WorkspaceEntry& entry : workspaces_) {
    if (entry.workspace.name == name) return &entry;
  }
  return nullptr;
}

const std::vector<Slot>& DeepsetStore::Sorted(const Scope& scope, DeepsetField field) const {
  if (field == DeepsetField::kCreatedAt) return scope.created.slots();
  const auto i = static_cast<std::size_t>(field);
  if (scope.sorted_at[i] != version_) {
    scope.sorted[i] = scope.created.slots();
    SortBy(field, &scope.sorted[i]);
    scope.sorted_at[i] = version_;
  }
  return scope.sorted[i];
}

void DeepsetStore::SortBy(DeepsetField field, std::vector<Slot>* slots) const {
  // Stable: equal keys stay in order of creation.
  std::stable_sort(slots->begin(), slots->end(), [this, field](Slot a, Slot b) {
    const DeepsetToken& left = tokens_[a];
    const DeepsetToken& right = tokens_[b];
    switch (field) {
      case DeepsetField::kName:
        return left.name < right.name;
      case DeepsetField::kRole:
        return left.role < right.role;
      case DeepsetField::kExpiresAt:
        return ExpiresBefore(left, right);
      case DeepsetField::kCreatedAt:
        break;
    }
    return false;
  });
}

DeepsetPage DeepsetStore::ListByPage(const Scope& scope, const DeepsetQuery& query) const {
  DeepsetPage page;
  page.total = scope.created.size();
  // Dividing first: page_number may be as large as 2^63.
  const auto limit = static_cast<std::size_t>(query.limit);
  const auto pages_before = static_cast<std::size_t>(*query.page_number - 1);
  const std::size_t skip =
      pages_before > page.total / limit ? page.total : std::min(pages_before * limit, page.total);
  Take(Sorted(scope, query.field), skip, query, &page);
  return page;
}

// The cursor is about creation whatever the sort: `before` means created earlier, which leads on
// through the default newest-first list. So deepset's own client uses it (PROVIDERS.md A1).
std::optional<DeepsetPage> DeepsetStore::ListByCursor(const Scope& scope,
                                                      const DeepsetQuery& query) const {
  std::size_t begin = 0;
  std::size_t end = scope.created.size();
  if (query.before) {
    const DeepsetToken* cursor = Find(*query.before);
    if (cursor == nullptr) return std::nullopt;
    end = scope.created.LowerBound(cursor->created_at, cursor->id);
  }
  if (query.after) {
    const DeepsetToken* cursor = Find(*query.after);
    if (cursor == nullptr) return std::nullopt;
    begin = scope.created.LowerBound(cursor->created_at, cursor->id);
    if (begin < scope.created.size() && scope.created[begin].id == cursor->id) ++begin;
  }
  DeepsetPage page;
  page.total = scope.created.size();
  const auto limit = static_cast<std::size_t>(query.limit);
  if (begin >= end) return page;
  const std::vector<Slot>& slots = scope.created.slots();
  if (query.filter.empty() && query.field == DeepsetField::kCreatedAt) {
    page.has_more = end - begin > limit;
    if (page.has_more)
      (query.descending ? begin : end) = query.descending ? end - limit : begin + limit;
    for (std::size_t i = begin; i < end; ++i) page.tokens.push_back(tokens_[slots[i]]);
    if (query.descending) std::reverse(page.tokens.begin(), page.tokens.end());
    return page;
  }
  std::vector<Slot> matching;
  page.total = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!Matches(tokens_[slots[i]], query.filter)) continue;
    ++page.total;
    if (i >= begin && i < end) matching.push_back(slots[i]);
  }
  SortBy(query.field, &matching);
  Take(matching, 0, query, &page);
  return page;
}

void DeepsetStore::Take(const std::vector<Slot>& ascending, std::size_t skip,
                        const DeepsetQuery& query, DeepsetPage* page) const {
  const std::size_t count =
      std::min(ascending.size() - skip, static_cast<std::size_t>(query.limit));
  for (std::size_t i = skip; i < skip + count; ++i) {
    const std::size_t position = query.descending ? ascending.size() - 1 - i : i;
    page->tokens.push_back(tokens_[ascending[position]]);
  }
  page->has_more = skip + count < ascending.size();
}

}  // namespace tokeninventory::vendor_sim
