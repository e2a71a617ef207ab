// Changes to a running simulator by lines of text, for scripts that tell a story:
//   add NAME SECONDS      an Opal token that expires in so many seconds; answers its id
//   renew ID SECONDS      it expires in so many seconds from now instead
//   remove ID
#pragma once

#include <string>

#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory::vendor_sim {

// Does what `line` says, and returns what to answer: the token's id, or a line that
// begins with `error:`.
std::string RunCommand(VendorSim& sim, const std::string& line);

}  // namespace tokeninventory::vendor_sim
