#include "connectors/page_reader.h"

#include "absl/strings/str_cat.h"

namespace tokeninventory {

std::string IdentityOf(const PageRow& row) {
  if (!row.tokens.empty()) return absl::StrCat("t", row.tokens[0].id);
  return row.item.is_null() ? std::string() : absl::StrCat("i", row.item.Dump());
}

}  // namespace tokeninventory
