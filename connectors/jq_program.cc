#include "connectors/jq_program.h"

extern "C" {
#include <jq.h>
}

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "connectors/embedded.h"
#include "connectors/jq_error.h"
#include "connectors/jq_watchdog.h"
#include "connectors/json_value_access.h"

namespace tokeninventory {
namespace {

using Access = JsonValueAccess;

// Shadows the process' environment, where our credentials are, and names what a
// program sees. A variable given to the compile would be a constant of it.
constexpr absl::string_view kHeader =
    "\n{} as $ENV | . as [$_op, $_in, $param, $parent] | $_in |\n";

std::string Body(const JqSource& source) {
  // On lines of its own: a program may end in a comment.
  return absl::StrCat(source.each_row ? ".[] | [(\n" : "[(\n", source.text, "\n)]");
}

// if … then … else … by halves: a program costs log2(n) comparisons.
void AppendDispatch(const std::vector<JqSource>& sources, std::size_t begin, std::size_t end,
                    std::string& text) {
  if (end - begin == 1) {
    absl::StrAppend(&text, Body(sources[begin]));
    return;
  }
  const std::size_t middle = begin + (end - begin) / 2;
  absl::StrAppend(&text, "if $_op < ", middle, " then\n");
  AppendDispatch(sources, begin, middle, text);
  text += "\nelse\n";
  AppendDispatch(sources, middle, end, text);
  text += "\nend";
}

struct CompileMessages {
  std::vector<std::string> lines;
};

void CollectMessage(void* data, jv message) {
  const jv text = jq_format_error(message);
  static_cast<CompileMessages*>(data)->lines.emplace_back(jv_string_value(text));
  jv_free(text);
}

}  // namespace

// Owns a jq_state.
class JqPrograms::State {
 public:
  // Out of memory, jq does what C++ does, if the program has said what that is.
  State() : jq_(jq_init()) {
    jq_set_nomem_handler(
        jq_,
        [](void*) {
          if (const std::new_handler handler = std::get_new_handler()) handler();
        },
        nullptr);
  }
  ~State() { jq_teardown(&jq_); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  bool Compile(const std::string& text, CompileMessages& messages) {
    jq_set_error_cb(jq_, &CollectMessage, &messages);
    const bool compiled = jq_compile(jq_, text.c_str()) != 0;
    jq_set_error_cb(jq_, nullptr, nullptr);
    return compiled;
  }

  void Start(std::size_t program, const JsonValue& input, const JqContext& context) {
    const jv in = JV_ARRAY(jv_number(static_cast<double>(program)), Access::Copy(input),
                           Access::Copy(context.param), Access::Copy(context.parent));
    jq_start(jq_, in, 0);
  }

  enum class Outcome { kValue, kEnd, kError, kStopped };

  // `value` is set for kValue, `error` for kError.
  Outcome Next(absl::Duration limit, JsonValue& value, std::string& error) {
    const std::uint64_t watch =
        JqWatchdog::Get().Begin(absl::ToChronoNanoseconds(limit), &State::Halt, jq_);
    jv result = jq_next(jq_);
    const bool stopped = JqWatchdog::Get().End(watch);
    if (jv_is_valid(result)) {
      value = Access::Wrap(result);
      return Outcome::kValue;
    }
    if (!jv_invalid_has_msg(jv_copy(result))) {
      jv_free(result);
      return stopped ? Outcome::kStopped : Outcome::kEnd;
    }
    const JsonValue message = Access::Wrap(jv_invalid_get_msg(result));
    error = message.is_string() ? std::string(message.string_value()) : std::string();
    return Outcome::kError;
  }

 private:
  // Sets a plain int that the interpreter looks at between instructions: a benign
  // race inside libjq, which has no other way to be stopped.
  static void Halt(void* jq) { jq_halt(static_cast<jq_state*>(jq), jv_invalid(), jv_invalid()); }

  jq_state* jq_;
};

namespace {

// jq's complaint about a program compiled alone behind prelude and header.
JqProblem ReadComplaint(std::size_t program, const std::vector<std::string>& lines, int offset,
                        int program_lines) {
  JqProblem problem{program, 0, "does not compile"};
  if (lines.empty()) return problem;
  absl::string_view text = lines.front();
  if (!absl::ConsumePrefix(&text, "jq: error: ")) absl::ConsumePrefix(&text, "error: ");
  const std::size_t at = text.find(" at <top-level>, line ");
  if (at != absl::string_view::npos) {
    absl::string_view number = text.substr(at + 22);
    const std::size_t end = number.find_first_not_of("0123456789");
    if (end != absl::string_view::npos) number = number.substr(0, end);
    int line = 0;
    if (absl::SimpleAtoi(number, &line)) {
      // An open bracket is found missing behind the program's end.
      problem.line = std::clamp(line - offset, 1, program_lines);
    }
    text = text.substr(0, at);
  }
  problem.what = absl::StrReplaceAll(
      text, {{" (Unix shell quoting issues?)", ""}, {"INVALID_CHARACTER", "character"}});
  absl::StripAsciiWhitespace(&problem.what);
  return problem;
}

int CountLines(absl::string_view text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

std::unique_ptr<JqPrograms> JqPrograms::Compile(std::vector<JqSource> sources, Options options,
                                                std::vector<JqProblem>& problems) {
  const std::string start = absl::StrCat(Prelude(), kHeader);
  std::string joined = start;
  if (sources.empty()) {
    joined += "null";
  } else {
    AppendDispatch(sources, 0, sources.size(), joined);
  }
  auto state = std::make_unique<State>();
  CompileMessages messages;
  // A text that closes our bracket and opens its own would only be seen alone.
  if (state->Compile(joined, messages)) {
    return std::unique_ptr<JqPrograms>(
        new JqPrograms(std::move(sources), options, std::move(state)));
  }
  const std::size_t before = problems.size();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    State alone;
    CompileMessages complaints;
    if (alone.Compile(absl::StrCat(start, Body(sources[i])), complaints)) continue;
    problems.push_back(
        ReadComplaint(i, complaints.lines, CountLines(start) + 1,
                      CountLines(absl::StripTrailingAsciiWhitespace(sources[i].text)) + 1));
  }
  if (problems.size() == before) {
    problems.push_back({0, 0, "the programs compile alone but not together"});
  }
  return nullptr;
}

JqPrograms::JqPrograms(std::vector<JqSource> sources, Options options, std::unique_ptr<State> state)
    : sources_(std::move(sources)), options_(options), state_(std::move(state)) {}

JqPrograms::~JqPrograms() = default;

absl::Status JqPrograms::Explain(std::string message) const {
  return absl::InvalidArgumentError(CleanJqError(message, [this](absl::string_view text) {
    return std::any_of(sources_.begin(), sources_.end(), [text](const JqSource& source) {
      return absl::StrContains(source.text, text);
    });
  }));
}

absl::StatusOr<JsonValue> JqPrograms::Run(std::size_t program, const JsonValue& input,
                                          const JqContext& context) {
  state_->Start(program, input, context);
  JsonValue results;
  std::string error;
  switch (state_->Next(options_.time_limit, results, error)) {
    case State::Outcome::kValue:
      break;
    case State::Outcome::kError:
      return Explain(std::move(error));
    case State::Outcome::kStopped:
      return absl::DeadlineExceededError("the program does not end");
    case State::Outcome::kEnd:
      return absl::InvalidArgumentError("the program yields no value");
  }
  if (results.size() != 1) {
    return absl::InvalidArgumentError(results.size() == 0
                                          ? "the program yields no value"
                                          : "the program yields more than one value");
  }
  return results.At(0);
}

void JqPrograms::RunEach(std::size_t program, const JsonValue& rows, const JqContext& context,
                         absl::FunctionRef<bool(int row, absl::StatusOr<JsonValue> result)> visit) {
  const int count = rows.size();
  int row = 0;
  JsonValue pending = rows;
  while (row < count) {
    state_->Start(program, pending, context);
    bool restart = false;
    while (!restart && row < count) {
      JsonValue results;
      std::string error;
      switch (state_->Next(options_.time_limit, results, error)) {
        case State::Outcome::kValue:
          if (results.size() != 1) {
            if (!visit(row, absl::InvalidArgumentError(
                                results.size() == 0 ? "the program yields no value"
                                                    : "the program yields more than one value"))) {
              return;
            }
          } else if (!visit(row, results.At(0))) {
            return;
          }
          break;
        case State::Outcome::kError:
          if (!visit(row, Explain(std::move(error)))) return;
          // An error ends the iteration: go on behind the row.
          restart = true;
          break;
        case State::Outcome::kEnd:
          visit(row, absl::InvalidArgumentError("the program yields no value"));
          return;
        case State::Outcome::kStopped:
          visit(row, absl::DeadlineExceededError("the program does not end"));
          return;
      }
      ++row;
    }
    if (restart && row < count) {
      pending = Access::Wrap(jv_array_slice(Access::Copy(rows), row, count));
    }
  }
}

}  // namespace tokeninventory
