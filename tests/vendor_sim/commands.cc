#include "tests/vendor_sim/commands.h"

#include <chrono>
#include <limits>
#include <optional>
#include <sstream>

#include "tests/vendor_sim/fault_catalogue.h"

namespace tokeninventory::vendor_sim {
namespace {

constexpr char kHelp[] =
    "error: add NAME SECONDS, renew ID SECONDS, remove ID, churn COUNT, fault NAME [COUNT "
    "[TARGET]], clear or faults";

std::string AddFault(VendorSim& sim, std::istringstream& words) {
  std::string name;
  words >> name;
  std::optional<NamedFault> named = FindFault(name);
  if (!named) return "error: no such fault; `faults` lists them";
  named->fault.count = std::numeric_limits<int>::max();
  std::string count;
  if (words >> count) {
    std::istringstream digits(count);
    if (!(digits >> named->fault.count) || !digits.eof() || named->fault.count < 1) return kHelp;
  }
  words >> named->fault.target_contains;
  sim.AddFault(std::move(named->fault));
  return name + ": " + named->what;
}

std::string ListFaults() {
  std::string names;
  for (const NamedFault& fault : FaultCatalogue()) {
    if (!names.empty()) names += ' ';
    names += fault.name;
  }
  return names;
}

}  // namespace

std::string RunCommand(VendorSim& sim, const std::string& line) {
  std::istringstream words(line);
  std::string verb, what;
  words >> verb;
  if (verb == "fault") return AddFault(sim, words);
  if (verb == "faults") return ListFaults();
  if (verb == "clear") {
    sim.ClearFaults();
    return "no faults";
  }
  if (verb == "churn") {
    int count = 0;
    if (!(words >> count) || count < 1) return kHelp;
    const std::size_t made = sim.ApplyChurn(count).size();
    return std::to_string(made) + " of " + std::to_string(count) + " changes";
  }
  words >> what;
  double seconds = 0;
  const bool has_seconds = static_cast<bool>(words >> seconds);
  const TimePoint expires =
      RealNow() + std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
  if (verb == "add" && !what.empty() && has_seconds) {
    const std::optional<Uuid> id = sim.AddToken(TokenKind::kOpal);
    if (!id || !sim.RenameToken(*id, what) || !sim.RenewToken(*id, expires)) {
      return "error: no token was added";
    }
    return id->ToString();
  }
  const std::optional<Uuid> id = Uuid::Parse(what);
  if (!id) return kHelp;
  if (verb == "renew" && has_seconds) {
    return sim.RenewToken(*id, expires) ? what : "error: no such token";
  }
  if (verb == "remove") return sim.RemoveToken(*id) ? what : "error: no such token";
  return kHelp;
}

}  // namespace tokeninventory::vendor_sim
