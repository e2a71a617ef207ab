// Lines at the bottom of a terminal that are drawn over themselves.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace tokeninventory::tokenctl {

// Hides the cursor while it lives, and shows it again when Ctrl-C or another signal ends the
// program. What was drawn last stays. One at a time; used by one thread.
class LiveScreen {
 public:
  LiveScreen(int fd, std::ostream& out);
  ~LiveScreen();
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;

  // Draws `lines`, none wider than the terminal and fewer than it has, in place of those before.
  void Draw(const std::vector<std::string>& lines, int width);

 private:
  std::ostream& out_;
  std::size_t drawn_ = 0;
  int width_ = 0;
};

}  // namespace tokeninventory::tokenctl
