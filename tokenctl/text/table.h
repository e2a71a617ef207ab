// Tables that fit the terminal they are printed on.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tokenctl/text/terminal.h"

namespace tokeninventory::tokenctl {

// One cell. The texts are Printable.
struct Cell {
  Cell() = default;
  // NOLINTNEXTLINE: a text is a cell
  Cell(std::string full, Style how = Style::kPlain) : text(std::move(full)), style(how) {}
  Cell(std::string full, Style how, std::string brief)
      : text(std::move(full)), compact(std::move(brief)), style(how) {}

  std::string text;
  // Takes the place of `text` where the table is too wide. Empty: `text`.
  std::string compact;
  Style style = Style::kPlain;
};

using Row = std::vector<Cell>;

struct Column {
  std::string title;
  bool right = false;  // aligned; for numbers
  // May be cut, down to this many columns. 0: never.
  int cut_to = 0;
  // Left out where the table is too wide; the last such column first.
  bool optional = false;
};

// A table whose layout is that of its first rows: a long list is printed by pages, without
// knowing all of it.
//
// What does not fit a terminal's width is made to, in this order: cells in their compact form,
// optional columns left out, columns cut, widest first.
//
// Thread-compatible.
class Table {
 public:
  Table(std::vector<Column> columns, const Terminal& terminal);

  // The lines of `rows`, the head before the first ones. A row has a cell for each column.
  std::string Render(const std::vector<Row>& rows);

 private:
  struct Slot {
    int width = 0;
    bool compact = false;
    bool shown = true;
  };

  void LayOut(const std::vector<Row>& rows);
  int TotalWidth() const;
  void Narrow();
  std::string Line(const Row& row) const;

  const std::vector<Column> columns_;
  const Terminal terminal_;
  std::vector<Slot> slots_;  // empty until the first rows
};

}  // namespace tokeninventory::tokenctl
