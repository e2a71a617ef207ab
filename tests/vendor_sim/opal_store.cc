#include "tests/vendor_sim/opal_store.h"

#include <chrono>
#include <utility>

namespace tokeninventory::vendor_sim {

bool OpalStore::Add(OpalToken token) {
  token.created_at = Truncate(token.created_at, TimeStyle::kMillis);
  for (std::size_t i = all_.LowerBound(token.created_at, Uuid());
       i < all_.size() && all_[i].created_at == token.created_at; ++i) {
    token.created_at += std::chrono::milliseconds(1);
  }
  const Uuid user = token.user_id;
  const std::optional<Slot> slot = tokens_.Insert(std::move(token));
  if (!slot) return false;
  all_.Insert(*slot);
  by_user_.try_emplace(user, &tokens_).first->second.Insert(*slot);
  return true;
}

bool OpalStore::Remove(const Uuid& id) {
  const std::optional<Slot> slot = tokens_.Find(id);
  if (!slot) return false;
  all_.Erase(*slot);
  by_user_.at(tokens_[*slot].user_id).Erase(*slot);
  tokens_.Erase(*slot);
  return true;
}

OpalToken* OpalStore::FindForUpdate(const Uuid& id) {
  const std::optional<Slot> slot = tokens_.Find(id);
  return slot ? &tokens_[*slot] : nullptr;
}

OpalPage OpalStore::List(const OpalQuery& query) const {
  CreationOrder<OpalToken> chosen(&tokens_);
  const CreationOrder<OpalToken>* order = &all_;
  if (query.token_ids) {
    for (const Uuid& id : *query.token_ids) {
      const std::optional<Slot> slot = tokens_.Find(id);
      if (slot && (!query.user_id || tokens_[*slot].user_id == *query.user_id))
        chosen.Insert(*slot);
    }
    order = &chosen;
  } else if (query.user_id) {
    const auto it = by_user_.find(*query.user_id);
    order = it == by_user_.end() ? &chosen : &it->second;
  }
  std::size_t end = query.cursor ? order->LowerBound(*query.cursor, Uuid()) : order->size();
  OpalPage page;
  while (end > 0 && page.tokens.size() < query.page_size) page.tokens.push_back((*order)[--end]);
  if (end > 0) page.next = page.tokens.back().created_at;
  return page;
}

}  // namespace tokeninventory::vendor_sim
