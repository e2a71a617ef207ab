#include "tests/vendor_sim/deepset_query.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tokeninventory::vendor_sim {
namespace {

constexpr int kMaxLimit = 100;

using Errors = std::vector<ValidationError>;

std::vector<std::string> QueryLoc(const char* name) { return {"query", name}; }

// An integer parameter within its bounds; the largest of int64 stands for "no upper bound".
std::optional<std::int64_t> ReadInteger(const Request& request, const char* name, int least,
                                        std::optional<int> most, Errors* errors) {
  const std::optional<std::string> text = request.Query(name);
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end) {
    errors->push_back({QueryLoc(name),
                       "Input should be a valid integer, unable to parse string as an integer",
                       "int_parsing", *text, std::nullopt});
  } else if (value < least) {
    errors->push_back({QueryLoc(name),
                       "Input should be greater than or equal to " + std::to_string(least),
                       "greater_than_equal", *text, ValidationError::Context{"ge", "", least}});
  } else if (most && value > *most) {
    errors->push_back({QueryLoc(name),
                       "Input should be less than or equal to " + std::to_string(*most),
                       "less_than_equal", *text, ValidationError::Context{"le", "", *most}});
  } else {
    return value;
  }
  return std::nullopt;
}

template <std::size_t kSize>
std::optional<std::size_t> ReadEnum(const Request& request, const char* name,
                                    const std::array<std::string_view, kSize>& values,
                                    const char* expected, Errors* errors) {
  const std::optional<std::string> text = request.Query(name);
  if (!text) return std::nullopt;
  for (std::size_t i = 0; i < kSize; ++i) {
    if (*text == values[i]) return i;
  }
  errors->push_back({QueryLoc(name), std::string("Input should be ") + expected, "enum", *text,
                     ValidationError::Context{"expected", expected, std::nullopt}});
  return std::nullopt;
}

void ValueError(const char* name, const std::string& input, const std::string& reason,
                Errors* errors) {
  errors->push_back({QueryLoc(name), "Value error, " + reason, "value_error", input,
                     ValidationError::Context{"error", reason, std::nullopt}});
}

void ReadFilter(const Request& request, DeepsetQuery* query, Errors* errors) {
  const std::optional<std::string> text = request.Query("filter");
  if (!text) return;
  std::string problem;
  std::optional<std::vector<ODataTerm>> terms = ParseODataFilter(*text, &problem);
  if (!terms) return ValueError("filter", *text, problem, errors);
  for (const ODataTerm& term : *terms) {
    if (!DeepsetStore::IsFilterField(term.field)) {
      return ValueError("filter", *text, "unknown field '" + term.field + "'", errors);
    }
  }
  query->filter = std::move(*terms);
}

}  // namespace

std::optional<Uuid> ParseIdParameter(const std::string& text, std::vector<std::string> loc,
                                     Errors* errors) {
  const std::optional<Uuid> id = Uuid::Parse(text);
  if (id) return id;
  std::string reason = "invalid character in the id";
  if (text.size() != 36) {
    reason = "invalid length: expected length 32 for simple format, found " +
             std::to_string(text.size());
  }
  errors->push_back({std::move(loc), "Input should be a valid UUID, " + reason, "uuid_parsing",
                     text, ValidationError::Context{"error", reason, std::nullopt}});
  return std::nullopt;
}

DeepsetQuery ParseDeepsetQuery(const Request& request, Errors* errors) {
  static constexpr std::array<std::string_view, 4> kFields = {"created_at", "name", "role",
                                                              "expires_at"};
  static constexpr std::array<std::string_view, 2> kOrders = {"ASC", "DESC"};
  DeepsetQuery query;
  query.limit = ReadInteger(request, "limit", 1, kMaxLimit, errors).value_or(query.limit);
  for (const auto& [name, id] : {std::pair("before", &query.before), {"after", &query.after}}) {
    if (const std::optional<std::string> text = request.Query(name)) {
      *id = ParseIdParameter(*text, QueryLoc(name), errors);
    }
  }
  query.page_number = ReadInteger(request, "page_number", 1, std::nullopt, errors);
  ReadFilter(request, &query, errors);
  query.field = static_cast<DeepsetField>(
      ReadEnum(request, "field", kFields, "'name', 'role', 'created_at' or 'expires_at'", errors)
          .value_or(0));
  query.descending =
      ReadEnum(request, "order", kOrders, "'ASC' or 'DESC'", errors).value_or(1) == 1;
  if (request.Query("page_number")) {
    // These belong to the cursor mode, which leaving out page_number selects.
    for (const char* name : {"before", "after", "filter"}) {
      if (const std::optional<std::string> text = request.Query(name)) {
        ValueError(name, *text, std::string(name) + " cannot be used together with page_number",
                   errors);
      }
    }
  }
  return query;
}

}  // namespace tokeninventory::vendor_sim
