#include "connectors/token_hint.h"

#include <vector>

namespace tokeninventory {
namespace {

constexpr std::size_t kLeastRun = 3;
constexpr std::size_t kKeptRun = 4;

bool MasksAlone(absl::string_view character) { return character == "…"; }

bool MasksInRuns(absl::string_view character) {
  for (const absl::string_view mask : {"*", ".", "x", "X", "•", "●", "-", "_", "#", "?"}) {
    if (character == mask) return true;
  }
  return false;
}

// UTF-8 characters; the text is valid (jq made it so).
std::vector<absl::string_view> Characters(absl::string_view text) {
  std::vector<absl::string_view> characters;
  std::size_t begin = 0;
  for (std::size_t i = 1; i <= text.size(); ++i) {
    if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) {
      characters.push_back(text.substr(begin, i - begin));
      begin = i;
    }
  }
  return characters;
}

}  // namespace

std::optional<std::string> CleanHint(absl::string_view hint) {
  // Most are so short that they cannot show too much.
  if (hint.size() <= kMaxShownCharacters) return std::string(hint);
  const std::vector<absl::string_view> characters = Characters(hint);
  std::string clean;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < characters.size();) {
    std::size_t end = i + 1;
    while (end < characters.size() && characters[end] == characters[i]) ++end;
    const std::size_t run = end - i;
    const bool masked =
        MasksAlone(characters[i]) || (run >= kLeastRun && MasksInRuns(characters[i]));
    if (!masked) shown += run;
    for (std::size_t k = 0; k < (masked && run > kKeptRun ? kKeptRun : run); ++k) {
      clean.append(characters[i].data(), characters[i].size());
    }
    i = end;
  }
  if (shown > kMaxShownCharacters) return std::nullopt;
  if (hint.size() <= kMaxHintBytes) return std::string(hint);
  if (clean.size() > kMaxHintBytes) return std::nullopt;
  return clean;
}

}  // namespace tokeninventory
