// token-inventoryd, to be measured.
#pragma once

#include <memory>
#include <string>

#include "bench/lib/process.h"

namespace tokeninventory::bench {

// The programs that were built beside this one.
std::string ProgramPath(const std::string& name);

// A source in a config.yaml, behind its line `sources:`. Its vendor is at `base_url`, with
// the simulator's credentials.
std::string SourceConfig(const std::string& id, const std::string& vendor,
                         const std::string& base_url);

// The service on a free port, pinned to the server's core. Ends with this object.
class Service {
 public:
  // On the config.yaml and the store in `folder`. Returns once it serves.
  explicit Service(const std::string& folder);

  Process& process() { return process_; }
  int port() const { return port_; }

 private:
  Process process_;
  int port_ = 0;
};

// The number behind `key` in what a program wrote.
int PortIn(const std::string& output, const std::string& key);

}  // namespace tokeninventory::bench
