#include "tests/vendor_sim/http_message.h"

#include <cctype>

#include "tests/vendor_sim/encoding.h"

namespace tokeninventory::vendor_sim {
namespace {

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(separator, begin);
    if (end == std::string_view::npos) {
      parts.push_back(text.substr(begin));
      return parts;
    }
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

}  // namespace

std::optional<std::string> Request::Query(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Request ParseRequest(std::string method, std::string target) {
  Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  std::string_view rest = request.target;
  rest = rest.substr(0, rest.find('#'));
  const std::size_t question = rest.find('?');
  std::string_view path = rest.substr(0, question);
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  for (std::string_view segment : Split(path, '/')) {
    request.path.push_back(PercentDecode(segment, /*plus_is_space=*/false));
  }
  if (question == std::string_view::npos) return request;
  for (std::string_view pair : Split(rest.substr(question + 1), '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    request.query.emplace_back(PercentDecode(pair.substr(0, equals), /*plus_is_space=*/true),
                               PercentDecode(value, /*plus_is_space=*/true));
  }
  return request;
}

std::optional<std::string> BearerToken(const Request& request) {
  static constexpr std::string_view kScheme = "bearer ";
  const std::string& header = request.authorization;
  if (header.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(header[i])) != kScheme[i]) return std::nullopt;
  }
  return header.substr(kScheme.size());
}

}  // namespace tokeninventory::vendor_sim
