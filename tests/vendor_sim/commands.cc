#include "tests/vendor_sim/commands.h"

#include <chrono>
#include <optional>
#include <sstream>

namespace tokeninventory::vendor_sim {

std::string RunCommand(VendorSim& sim, const std::string& line) {
  std::istringstream words(line);
  std::string verb, what;
  words >> verb >> what;
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
  if (!id) return "error: add NAME SECONDS, renew ID SECONDS or remove ID";
  if (verb == "renew" && has_seconds) {
    return sim.RenewToken(*id, expires) ? what : "error: no such token";
  }
  if (verb == "remove") return sim.RemoveToken(*id) ? what : "error: no such token";
  return "error: add NAME SECONDS, renew ID SECONDS or remove ID";
}

}  // namespace tokeninventory::vendor_sim
