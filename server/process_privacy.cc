#include "server/process_privacy.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>

namespace tokeninventory {

void KeepProcessPrivate() {
  umask(0077);
  // Both: a core_pattern that pipes to a program does not ask for the limit, and children
  // inherit the limit only.
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // libcurl would write the keys of its connections there.
  unsetenv("SSLKEYLOGFILE");
}

}  // namespace tokeninventory
