// Changes to a running simulator by lines of text, for scripts that tell a story:
//   add NAME SECONDS      an Opal token that expires in so many seconds; answers its id
//   renew ID SECONDS      it expires in so many seconds from now instead
//   remove ID
//   churn COUNT           so many random changes, as --churn makes them; answers how many it made
//   fault NAME [COUNT [TARGET]]   the next COUNT requests (all, when left out) whose target
//   contains
//                         TARGET go wrong so (fault_catalogue.h)
//   faults                answers the names, in one line
//   clear                 no more faults; what is stalled is let go
#pragma once

#include <string>

#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory::vendor_sim {

// Does what `line` says, and returns what to answer, in one line: the token's id for what is
// about one, or a line that begins with `error:`.
std::string RunCommand(VendorSim& sim, const std::string& line);

}  // namespace tokeninventory::vendor_sim
