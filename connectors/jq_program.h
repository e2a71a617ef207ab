// Runs the jq programs of a manifest: value in, value out. Only jq_program.cc,
// json_reader.cc and json_value.cc include jq.
//
// Programs are pure: no clock, no environment, no input, no modules (prelude.jq
// shuts them). Each yields exactly one value; none or two is an error. Errors
// never carry a value that came from the vendor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "connectors/json_value.h"

namespace tokeninventory {

// One program.
struct JqSource {
  std::string name;  // for problems: `streams.tokens.next`
  std::string text;
  // Runs over each element of an array (RunEach) instead of over one value.
  bool each_row = false;
};

// Why a program does not compile.
struct JqProblem {
  std::size_t program = 0;  // index
  int line = 0;             // in the program, from 1; 0 when not known
  std::string what;
};

// What a program sees besides its input.
struct JqContext {
  JsonValue param;   // $param
  JsonValue parent;  // $parent
};

// The programs of one manifest, compiled together: jq's own library is most of
// what a compile costs (about 25 ms). Used by one thread at a time.
class JqPrograms {
 public:
  struct Options {
    // Of real time, for one run or one row.
    // What a program may gather in it is bounded by this too.
    absl::Duration time_limit = absl::Seconds(3);
  };

  // Null when there are problems.
  static std::unique_ptr<JqPrograms> Compile(std::vector<JqSource> sources, Options options,
                                             std::vector<JqProblem>& problems);
  ~JqPrograms();
  JqPrograms(const JqPrograms&) = delete;
  JqPrograms& operator=(const JqPrograms&) = delete;

  // Runs one program over `input`. INVALID_ARGUMENT when it fails, yields not
  // exactly one value, or DEADLINE_EXCEEDED when it does not end in time.
  absl::StatusOr<JsonValue> Run(std::size_t program, const JsonValue& input,
                                const JqContext& context);

  // Runs an `each_row` program over each element of the array `rows` and gives
  // each result, with the row's index, to `visit`, in order. A row that fails
  // does not stop the others; DEADLINE_EXCEEDED ends it all. `visit` returns
  // false to stop.
  void RunEach(std::size_t program, const JsonValue& rows, const JqContext& context,
               absl::FunctionRef<bool(int row, absl::StatusOr<JsonValue> result)> visit);

 private:
  class State;

  JqPrograms(std::vector<JqSource> sources, Options options, std::unique_ptr<State> state);

  absl::Status Explain(std::string message) const;

  const std::vector<JqSource> sources_;
  const Options options_;
  const std::unique_ptr<State> state_;
};

}  // namespace tokeninventory
