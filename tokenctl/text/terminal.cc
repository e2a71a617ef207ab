#include "tokenctl/text/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory::tokenctl {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int PositiveOr(const std::string& text, int fallback) {
  int value = 0;
  return absl::SimpleAtoi(text, &value) && value > 0 ? value : fallback;
}

bool LocaleHasUtf8() {
  const locale_t locale = newlocale(LC_CTYPE_MASK, "", nullptr);
  if (locale == nullptr) return false;
  const bool utf8 = absl::string_view(nl_langinfo_l(CODESET, locale)) == "UTF-8";
  freelocale(locale);
  return utf8;
}

}  // namespace

const Glyphs& Terminal::glyphs() const {
  static constexpr Glyphs kUtf8 = {"…", "█", "▌", "░", "·", "⋮"};
  static constexpr Glyphs kAscii = {"..", "#", "", "-", "-", ":"};
  return utf8 ? kUtf8 : kAscii;
}

std::string Terminal::Paint(absl::string_view text, Style style) const {
  if (!colour || style == Style::kPlain || text.empty()) return std::string(text);
  const char* code = "";
  switch (style) {
    case Style::kPlain:
      break;
    case Style::kDim:
      code = "2";
      break;
    case Style::kBold:
      code = "1";
      break;
    case Style::kGood:
      code = "32";
      break;
    case Style::kWarning:
      code = "33";
      break;
    case Style::kBad:
      code = "1;31";
      break;
    case Style::kAccent:
      code = "36";
      break;
  }
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

Terminal DetectTerminal(int fd, ColourChoice colour) {
  Terminal terminal;
  terminal.is_terminal = isatty(fd) == 1;
  terminal.utf8 = !terminal.is_terminal || LocaleHasUtf8();
  if (terminal.is_terminal) {
    winsize size = {};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) size = {};
    terminal.width = size.ws_col > 0 ? size.ws_col : PositiveOr(Environment("COLUMNS"), 80);
    terminal.height = size.ws_row > 0 ? size.ws_row : PositiveOr(Environment("LINES"), 24);
  }
  switch (colour) {
    case ColourChoice::kAuto:
      terminal.colour =
          terminal.is_terminal && Environment("NO_COLOR").empty() && Environment("TERM") != "dumb";
      break;
    case ColourChoice::kAlways:
      terminal.colour = true;
      break;
    case ColourChoice::kNever:
      break;
  }
  return terminal;
}

}  // namespace tokeninventory::tokenctl
