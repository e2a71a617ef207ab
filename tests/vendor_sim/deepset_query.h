// Checks the query of deepset's list endpoints as the vendor does, and says all that is wrong in
// the vendor's words (FastAPI's validation errors).
//
// Thread-safe: pure functions.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/vendor_sim/deepset_store.h"
#include "tests/vendor_sim/http_message.h"

namespace tokeninventory::vendor_sim {

// One element of the 422 body's `detail`.
struct ValidationError {
  std::vector<std::string> loc;
  std::string msg;
  std::string type;
  std::string input;
  // One entry of `ctx`, if any. A number where `number` is set.
  struct Context {
    std::string key;
    std::string text;
    std::optional<int> number;
  };
  std::optional<Context> ctx;
};

// Unless `errors` stays empty the result means nothing.
DeepsetQuery ParseDeepsetQuery(const Request& request, std::vector<ValidationError>* errors);

// Nothing, and an error, when `text` is no id.
std::optional<Uuid> ParseIdParameter(const std::string& text, std::vector<std::string> loc,
                                     std::vector<ValidationError>* errors);

}  // namespace tokeninventory::vendor_sim
