// Every source that the caller may see.
#pragma once

#include <vector>

#include "tokenctl/session.h"

namespace tokeninventory::tokenctl {

// By name, appended to `sources`.
grpc::Status ListSources(Session& session, std::vector<v1::Source>& sources);

}  // namespace tokeninventory::tokenctl
