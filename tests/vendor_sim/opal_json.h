// Opal's bodies.
//
// Thread-safe: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/vendor_sim/records.h"

namespace tokeninventory::vendor_sim {

// `next`: the cursor of the next page; without one the key is null or, where `leave_out_end`, not
// there. `previous`: the cursor of this page, null on the first.
std::string OpalPageJson(const std::vector<OpalToken>& tokens,
                         const std::optional<std::string>& next, bool leave_out_end,
                         const std::optional<std::string>& previous);

std::string OpalErrorJson(int status, const std::string& message);

}  // namespace tokeninventory::vendor_sim
