// How many documents a YAML text holds, as far as it matters.
#pragma once

#include <yaml-cpp/mark.h>

#include <optional>
#include <string>

namespace tokeninventory {

// Where the second document of `text` begins; nothing when there is one, or none.
// yaml-cpp 0.7 finds documents without end in some broken texts, so YAML::LoadAll is
// of no use: this reads no further than the second. Throws YAML::Exception.
std::optional<YAML::Mark> FindSecondDocument(const std::string& text);

}  // namespace tokeninventory
