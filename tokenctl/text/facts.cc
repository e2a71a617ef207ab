#include "tokenctl/text/facts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tokenctl/text/printable.h"

namespace tokeninventory::tokenctl {
namespace {

// Lines of at most `width` columns; a word that is longer has a line of its own.
std::vector<std::string> Wrap(const std::string& text, int width) {
  std::vector<std::string> lines = {""};
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    std::string& line = lines.back();
    if (line.empty() || DisplayWidth(line) + 1 + DisplayWidth(word) <= width) {
      absl::StrAppend(&line, line.empty() ? "" : " ", word);
    } else {
      lines.emplace_back(word);
    }
  }
  return lines;
}

}  // namespace

void Facts::Add(const std::string& label, const std::string& text, Style style) {
  if (!text.empty()) facts_.push_back({label, text, style});
}

std::string Facts::Render(const Terminal& terminal) const {
  int width = 0;
  for (const Fact& fact : facts_) width = std::max(width, DisplayWidth(fact.label));
  const int room = terminal.width > 0 ? std::max(20, terminal.width - width - 2) : 1 << 20;
  std::string out;
  for (const Fact& fact : facts_) {
    std::string label = terminal.Paint(fact.label, Style::kDim);
    int before = width - DisplayWidth(fact.label) + 2;
    for (const std::string& line : Wrap(fact.text, room)) {
      absl::StrAppend(&out, label, std::string(static_cast<std::size_t>(before), ' '),
                      terminal.Paint(line, fact.style), "\n");
      label.clear();
      before = width + 2;
    }
  }
  return out;
}

}  // namespace tokeninventory::tokenctl
