#include "connectors/link_header.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace tokeninventory {
namespace {

// The parameters up to the comma that ends the link, separated by semicolons;
// `text` is left behind the comma. Both may stand in quotes without meaning.
std::vector<std::string> ReadParameters(absl::string_view& text) {
  std::vector<std::string> parameters(1);
  bool quoted = false;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (quoted && c == '\\' && !text.empty()) {
      parameters.back() += text.front();
      text.remove_prefix(1);
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ';' && !quoted) {
      parameters.emplace_back();
    } else if (c == ',' && !quoted) {
      break;
    } else {
      parameters.back() += c;
    }
  }
  return parameters;
}

// The value of `rel`, which may name several relations.
std::string ReadRelations(const std::vector<std::string>& parameters) {
  for (const absl::string_view parameter : parameters) {
    const std::size_t equals = parameter.find('=');
    if (equals == absl::string_view::npos) continue;
    const absl::string_view name = absl::StripAsciiWhitespace(parameter.substr(0, equals));
    if (absl::AsciiStrToLower(name) != "rel") continue;
    return absl::AsciiStrToLower(absl::StripAsciiWhitespace(parameter.substr(equals + 1)));
  }
  return std::string();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> ParseLinkHeader(absl::string_view value) {
  std::vector<std::pair<std::string, std::string>> links;
  for (;;) {
    const std::size_t open = value.find('<');
    if (open == absl::string_view::npos) return links;
    const std::size_t close = value.find('>', open);
    if (close == absl::string_view::npos) return links;
    const std::string target(value.substr(open + 1, close - open - 1));
    value.remove_prefix(close + 1);
    const std::string relations = ReadRelations(ReadParameters(value));
    for (const absl::string_view relation :
         absl::StrSplit(relations, ' ', absl::SkipWhitespace())) {
      const bool known = std::any_of(links.begin(), links.end(),
                                     [&](const auto& link) { return link.first == relation; });
      if (!known) links.emplace_back(relation, target);
    }
  }
}

}  // namespace tokeninventory
