#include "tokenctl/text/live_screen.h"

#include <signal.h>
#include <unistd.h>

namespace tokeninventory::tokenctl {
namespace {

constexpr char kHideCursor[] = "\x1b[?25l";
constexpr char kShowCursor[] = "\x1b[?25h";
constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

volatile sig_atomic_t g_fd = -1;

void RestoreAndDie(int signal) {
  [[maybe_unused]] const ssize_t written = write(g_fd, kShowCursor, sizeof kShowCursor - 1);
  // By the signal itself, so that a shell sees what ended the program.
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  sigaction(signal, &by_default, nullptr);
  raise(signal);
}

void Handle(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

}  // namespace

LiveScreen::LiveScreen(int fd, std::ostream& out) : out_(out) {
  g_fd = fd;
  Handle(RestoreAndDie);
  out_ << kHideCursor;
}

LiveScreen::~LiveScreen() {
  out_ << kShowCursor << std::flush;
  Handle(SIG_DFL);
}

void LiveScreen::Draw(const std::vector<std::string>& lines, int width) {
  if (width != width_ && drawn_ > 0) {
    // Nobody knows how the terminal broke the old lines.
    out_ << "\x1b[H\x1b[2J";
  } else if (drawn_ > 0) {
    out_ << "\x1b[" << drawn_ << "A";
  }
  width_ = width;
  for (const std::string& line : lines) out_ << line << "\x1b[K\n";
  out_ << "\x1b[J" << std::flush;
  drawn_ = lines.size();
}

}  // namespace tokeninventory::tokenctl
