// How a token's scope marks are stored: two varints a mark.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inventory/token_store.h"

namespace tokeninventory {

// Replaces what `encoded` held.
void EncodeScopeMarks(const std::vector<ScopeMark>& marks, std::string& encoded);

// Replaces what `marks` held. DATA_LOSS when `encoded` is not what EncodeScopeMarks makes.
absl::Status DecodeScopeMarks(absl::string_view encoded, std::vector<ScopeMark>& marks);

}  // namespace tokeninventory
