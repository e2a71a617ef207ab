#include "tokenctl/text/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tokenctl/text/printable.h"

namespace tokeninventory::tokenctl {
namespace {

constexpr int kGap = 2;

std::string Spaces(int count) {
  return std::string(static_cast<std::size_t>(std::max(count, 0)), ' ');
}

const std::string& TextOf(const Cell& cell, bool compact) {
  return compact && !cell.compact.empty() ? cell.compact : cell.text;
}

}  // namespace

Table::Table(std::vector<Column> columns, const Terminal& terminal)
    : columns_(std::move(columns)), terminal_(terminal) {}

int Table::TotalWidth() const {
  int total = -kGap;
  for (const Slot& slot : slots_) {
    if (slot.shown) total += slot.width + kGap;
  }
  return total;
}

void Table::LayOut(const std::vector<Row>& rows) {
  slots_.resize(columns_.size());
  const auto measure = [&](std::size_t column) {
    Slot& slot = slots_[column];
    slot.width = DisplayWidth(columns_[column].title);
    for (const Row& row : rows) {
      slot.width = std::max(slot.width, DisplayWidth(TextOf(row[column], slot.compact)));
    }
  };
  for (std::size_t i = 0; i < columns_.size(); ++i) measure(i);
  if (terminal_.width == 0) return;
  for (std::size_t i = columns_.size(); i-- > 0 && TotalWidth() > terminal_.width;) {
    slots_[i].compact = true;
    measure(i);
  }
  for (std::size_t i = columns_.size(); i-- > 0 && TotalWidth() > terminal_.width;) {
    if (columns_[i].optional) slots_[i].shown = false;
  }
  // What the columns that went left over may do for those that stayed.
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!slots_[i].shown || !slots_[i].compact) continue;
    const Slot before = slots_[i];
    slots_[i].compact = false;
    measure(i);
    if (TotalWidth() > terminal_.width) slots_[i] = before;
  }
  Narrow();
}

void Table::Narrow() {
  while (TotalWidth() > terminal_.width) {
    Slot* widest = nullptr;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const int least = columns_[i].cut_to;
      if (!slots_[i].shown || least == 0 || slots_[i].width <= least) continue;
      if (widest == nullptr || slots_[i].width > widest->width) widest = &slots_[i];
    }
    if (widest == nullptr) return;  // the terminal breaks the lines
    --widest->width;
  }
}

std::string Table::Line(const Row& row) const {
  std::string line;
  int missing = 0;  // spaces before the next cell
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (!slot.shown) continue;
    const std::string& whole = TextOf(row[i], slot.compact);
    const bool cut = terminal_.width > 0 && columns_[i].cut_to > 0;
    const std::string text = cut ? Truncate(whole, slot.width, terminal_.glyphs().ellipsis) : whole;
    const int rest = slot.width - DisplayWidth(text);
    // Spaces are only written before text, so that no line ends in any.
    if (!text.empty()) {
      absl::StrAppend(&line, Spaces(missing + (columns_[i].right ? rest : 0)),
                      terminal_.Paint(text, row[i].style));
      missing = 0;
    } else if (columns_[i].right) {
      missing += rest;
    }
    missing += kGap + (columns_[i].right ? 0 : rest);
  }
  return absl::StrCat(line, "\n");
}

std::string Table::Render(const std::vector<Row>& rows) {
  std::string out;
  if (slots_.empty()) {
    LayOut(rows);
    Row head;
    for (const Column& column : columns_) head.emplace_back(column.title, Style::kDim);
    out = Line(head);
  }
  for (const Row& row : rows) out += Line(row);
  return out;
}

}  // namespace tokeninventory::tokenctl
