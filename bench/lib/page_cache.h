// What a machine that has just come up does not have: files that are in memory already.
#pragma once

#include <string>

namespace tokeninventory::bench {

// Puts a file that nobody has open for writing out of the page cache, as durable as it is.
// Ends this program where the file stays, as one on tmpfs does. What a VM's host or the disk
// itself keeps of it is out of reach.
void DropFromPageCache(const std::string& path);

}  // namespace tokeninventory::bench
