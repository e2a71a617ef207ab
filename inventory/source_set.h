// Which sources a caller may see.
#pragma once

#include <algorithm>
#include <iterator>
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
  bool none() const { return !all_ && ids_.empty(); }
  bool Has(absl::string_view id) const {
    return all_ || std::binary_search(ids_.begin(), ids_.end(), id);
  }

  // Whether all of `other` are in it, also those that come later.
  bool Includes(const SourceSet& other) const {
    return all_ || (!other.all_ &&
                    std::includes(ids_.begin(), ids_.end(), other.ids_.begin(), other.ids_.end()));
  }
  // What is in both, and what is in any of the two.
  SourceSet Common(const SourceSet& other) const {
    if (all_) return other;
    if (other.all_) return *this;
    std::vector<std::string> ids;
    std::set_intersection(ids_.begin(), ids_.end(), other.ids_.begin(), other.ids_.end(),
                          std::back_inserter(ids));
    return SourceSet(std::move(ids));
  }
  SourceSet With(const SourceSet& other) const {
    if (all_ || other.all_) return SourceSet();
    std::vector<std::string> ids = ids_;
    ids.insert(ids.end(), other.ids_.begin(), other.ids_.end());
    return SourceSet(std::move(ids));
  }

  // Equal for equal sets only.
  std::string Key() const { return all_ ? "*" : absl::StrCat("=", absl::StrJoin(ids_, ",")); }

 private:
  bool all_ = true;
  std::vector<std::string> ids_;  // rising
};

// The sources that are in one set and not in another.
struct SourceDifference {
  SourceSet in;
  SourceSet not_in = SourceSet(std::vector<std::string>());

  bool Has(absl::string_view id) const { return in.Has(id) && !not_in.Has(id); }
  bool all() const { return in.all() && not_in.none(); }
};

}  // namespace tokeninventory
