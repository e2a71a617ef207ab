// What is known of one thing, a line for each fact.
#pragma once

#include <string>
#include <vector>

#include "tokenctl/text/terminal.h"

namespace tokeninventory::tokenctl {

// Thread-compatible.
class Facts {
 public:
  // `text` is Printable. Without text the fact is left out.
  void Add(const std::string& label, const std::string& text, Style style = Style::kPlain);
  // The lines, labels dim and in a column. Text that is too long for the terminal goes on below
  // itself, between words.
  std::string Render(const Terminal& terminal) const;

 private:
  struct Fact {
    std::string label, text;
    Style style;
  };
  std::vector<Fact> facts_;
};

}  // namespace tokeninventory::tokenctl
