// jq's run-time errors quote the values they are about: a vendor's records, which
// must not reach logs and statuses.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// What may be shown of `message`, as jq raised it:
//   - what the prelude raised (marked \u0001; it names types only): whole;
//   - what a program raised by `error` (marked \u0002): whole if `is_program_text`
//     says that it stands so in a program, else nothing of it;
//   - what jq raised: cut to its words, if it is one of jq's known messages.
// Never empty.
std::string CleanJqError(absl::string_view message,
                         absl::FunctionRef<bool(absl::string_view)> is_program_text);

}  // namespace tokeninventory
