// Which sources a caller may see.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// All sources, also those that come later, or those of some ids.
class SourceSet {
 public:
  // All.
  SourceSet() = default;
  explicit SourceSet(std::vector<std::string> ids) : all_(false), ids_(std::move(ids)) {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
  }

  bool all() const { return all_; }
  bool Has(absl::string_view id) const {
    return all_ || std::binary_search(ids_.begin(), ids_.end(), id);
  }

  // Equal for equal sets only.
  std::string Key() const { return all_ ? "*" : absl::StrCat("=", absl::StrJoin(ids_, ",")); }

 private:
  bool all_ = true;
  std::vector<std::string> ids_;  // rising
};

}  // namespace tokeninventory
