#include "tests/vendor_sim/buildkite_graphql.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "tests/vendor_sim/encoding.h"

namespace tokeninventory::vendor_sim {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostOnAPage = 500;

std::string Error(const std::string& message) {
  return Json{{"errors", Json::array({{{"message", message}}})}}.dump();
}

// A cursor names the token behind which to go on, by what orders the list: it stays good when
// tokens are removed, that one included.
std::string EncodeCursor(const ApiAccessToken& token) {
  return Base64Encode(std::to_string(token.created_at.time_since_epoch().count()) + "/" +
                      token.id.ToString());
}

// The position of the first token behind the cursor; nothing when it is none.
std::optional<std::size_t> FindCursor(const std::string& cursor,
                                      const std::vector<ApiAccessToken>& tokens) {
  const std::optional<std::string> text = Base64Decode(cursor);
  if (!text) return std::nullopt;
  std::int64_t micros = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, micros);
  if (error != std::errc() || stop == end || *stop != '/') return std::nullopt;
  const std::optional<Uuid> id = Uuid::Parse(std::string(stop + 1, end));
  if (!id) return std::nullopt;
  const TimePoint time{std::chrono::microseconds(micros)};
  const auto behind = std::find_if(tokens.begin(), tokens.end(), [&](const ApiAccessToken& token) {
    return std::tie(token.created_at, token.id) > std::tie(time, *id);
  });
  return static_cast<std::size_t>(behind - tokens.begin());
}

Json TimeJson(const VendorTime& time) {
  return time.has_value() ? Json(FormatTime(time.value, TimeStyle::kSeconds)) : Json(nullptr);
}

Json NodeJson(const ApiAccessToken& token) {
  Json owner = nullptr;
  if (token.owner != nullptr) {
    owner = {{"uuid", token.owner->id.ToString()},
             {"name", token.owner->name},
             {"email", token.owner->email}};
  }
  return {{"uuid", token.id.ToString()},
          {"description", token.description},
          {"scopes", token.scopes},
          {"createdAt", FormatTime(token.created_at, TimeStyle::kMillis)},
          {"expiresAt", TimeJson(token.expires_at)},
          {"lastAccessedAt", TimeJson(token.last_accessed_at)},
          {"ipAddress", token.ip_address ? Json(*token.ip_address) : Json(nullptr)},
          {"owner", owner}};
}

}  // namespace

std::string AnswerGraphql(const std::string& body, const Organization& organization,
                          const std::vector<ApiAccessToken>& tokens, int max_page_size) {
  const Json request = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object() || !request.contains("query") || !request["query"].is_string()) {
    return Error("No query");
  }
  const std::string query = request["query"];
  static const std::string kList = "apiAccessTokens(first: ";
  const std::size_t list = query.find(kList);
  if (list == std::string::npos) return Error("This simulator lists API access tokens only");
  const Json variables = request.value("variables", Json::object());
  if (variables.value("org", Json()) != organization.slug) {
    return Json{{"data", {{"organization", nullptr}}}}.dump();
  }
  std::size_t begin = 0;
  if (const Json after = variables.value("after", Json()); after.is_string()) {
    const std::optional<std::size_t> position = FindCursor(after, tokens);
    if (!position) return Error("Invalid cursor");
    begin = *position;
  }
  auto size = static_cast<std::size_t>(std::atoi(query.c_str() + list + kList.size()));
  size = std::min(size, kMostOnAPage);
  if (max_page_size > 0) size = std::min(size, static_cast<std::size_t>(max_page_size));
  const std::size_t end = std::min(begin + size, tokens.size());
  Json edges = Json::array();
  for (std::size_t i = begin; i < end; ++i) edges.push_back({{"node", NodeJson(tokens[i])}});
  const Json connection = {
      {"pageInfo",
       {{"hasNextPage", end < tokens.size()},
        {"endCursor", end > begin ? Json(EncodeCursor(tokens[end - 1])) : Json(nullptr)}}},
      {"edges", edges}};
  return Json{{"data", {{"organization", {{"apiAccessTokens", connection}}}}}}.dump();
}

}  // namespace tokeninventory::vendor_sim
