// What a stream of text ends at, and how text is made for it.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tokeninventory::tokenctl {

// What text means; a terminal shows it as a colour.
enum class Style { kPlain, kDim, kBold, kGood, kWarning, kBad, kAccent };

// When output is coloured.
enum class ColourChoice { kAuto, kAlways, kNever };

// Characters beyond letters, as far as the terminal's locale has them.
struct Glyphs {
  const char* ellipsis;
  const char* bar;    // a full cell of a bar
  const char* half;   // half of one
  const char* track;  // what a progress bar has not reached
  const char* dot;    // between facts
  const char* gap;    // days that were left out
};

// Thread-compatible: constant once made.
struct Terminal {
  // Somebody looks at it. Otherwise text is not cut to any width.
  bool is_terminal = false;
  bool colour = false;
  bool utf8 = true;
  // Columns and lines; 0 when it is no terminal.
  int width = 0;
  int height = 0;

  const Glyphs& glyphs() const;
  // `text` in the style's colour, if there are colours.
  std::string Paint(absl::string_view text, Style style) const;
};

// What `fd` is. `NO_COLOR` (https://no-color.org) and `TERM=dumb` mean no colour; `COLUMNS`
// and `LINES` are asked where the terminal does not tell its size.
Terminal DetectTerminal(int fd, ColourChoice colour);

}  // namespace tokeninventory::tokenctl
