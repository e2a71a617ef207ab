// Ports for programs that cannot choose one themselves.
#pragma once

namespace tokeninventory::bench {

// A port of 127.0.0.1 that nobody listens on now.
int FreePort();

}  // namespace tokeninventory::bench
