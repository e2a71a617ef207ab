#include "tests/vendor_sim/opal_api.h"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/vendor_sim/credentials.h"
#include "tests/vendor_sim/encoding.h"
#include "tests/vendor_sim/opal_json.h"

namespace tokeninventory::vendor_sim {
namespace {

constexpr std::size_t kMaxPageSize = 1000;

// Follows the time in a cursor. In base64 its bytes give '/', '+' and "==", which the documented
// example happens to lack.
constexpr std::string_view kCursorTail = "&o?&o>0";

Response Error(int status, const std::string& message) {
  return {.status = status, .body = OpalErrorJson(status, message)};
}

// Each id once; nothing when one is malformed.
std::optional<std::vector<Uuid>> ParseIds(std::string_view list) {
  std::set<Uuid> ids;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::optional<Uuid> id = Uuid::Parse(list.substr(0, comma));
    if (!id) return std::nullopt;
    ids.insert(*id);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return std::vector<Uuid>(ids.begin(), ids.end());
}

// Fills `query`; returns what is wrong, or an empty string.
std::string ParseQuery(const Request& request, OpalQuery* query) {
  if (const auto text = request.Query("page_size")) {
    const char* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, query->page_size);
    if (error != std::errc() || stop != end || query->page_size == 0 ||
        query->page_size > kMaxPageSize) {
      return "page_size must be an integer between 1 and 1000";
    }
  }
  if (const auto text = request.Query("cursor")) {
    query->cursor = DecodeOpalCursor(*text);
    if (!query->cursor) return "invalid cursor";
  }
  if (const auto text = request.Query("token_ids")) {
    query->token_ids = ParseIds(*text);
    if (!query->token_ids) return "token_ids must be a comma-separated list of UUIDs";
  }
  if (const auto text = request.Query("user_id")) {
    query->user_id = Uuid::Parse(*text);
    if (!query->user_id) return "user_id must be a UUID";
  }
  return "";
}

}  // namespace

std::string EncodeOpalCursor(TimePoint time) {
  // The documented example decodes to p=2021-01-06+03%3A24%3A53.434326%2B00%3A00.
  const std::string text = FormatTime(time, TimeStyle::kMicros);
  const std::string date = text.substr(0, 10);
  const std::string clock = text.substr(11, 15);
  std::string cursor = "p=" + date + "+" + PercentEncode(clock + "+00:00");
  cursor += kCursorTail;
  return Base64Encode(cursor);
}

std::optional<TimePoint> DecodeOpalCursor(const std::string& cursor) {
  const std::optional<std::string> bytes = Base64Decode(cursor);
  if (!bytes || !bytes->starts_with("p=")) return std::nullopt;
  std::string_view encoded = std::string_view(*bytes).substr(2);
  encoded = encoded.substr(0, encoded.find('&'));
  const std::string text = PercentDecode(encoded, /*plus_is_space=*/true);
  int year = 0, hour = 0, minute = 0, second = 0, micros = 0, consumed = 0;
  unsigned month = 0, day = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2u %2d:%2d:%2d.%6d+00:00%n", &year, &month, &day, &hour,
                  &minute, &second, &micros, &consumed) != 7 ||
      static_cast<std::size_t>(consumed) != text.size() || month < 1 || month > 12 || day < 1 ||
      day > 31) {
    return std::nullopt;
  }
  return MakeUtc(year, month, day, hour, minute, second) + std::chrono::microseconds(micros);
}

OpalApi::OpalApi(const SharedWorld* world, bool rate_limits, std::function<TimePoint()> clock)
    : world_(world),
      rate_limits_(rate_limits),
      clock_(std::move(clock)),
      organization_limit_(100, std::chrono::seconds(1)) {}

Response OpalApi::Handle(const Request& request) {
  const std::optional<std::string> token = BearerToken(request);
  if (token != kOpalToken && token != kOpalNonAdminToken) return Error(401, "Unauthorized");
  if (rate_limits_ && organization_limit_.Count(clock_()).exceeded()) {
    return Error(429, "Too many requests");
  }
  if (request.path.size() != 2 || request.path[1] != "tokens") return Error(404, "Not found");
  if (request.method != "GET" && request.method != "HEAD") return Error(405, "Method not allowed");
  if (token == kOpalNonAdminToken) return Error(403, "Admin access is required");
  return Tokens(request);
}

Response OpalApi::Tokens(const Request& request) const {
  OpalQuery query;
  const std::string problem = ParseQuery(request, &query);
  if (!problem.empty()) return Error(400, problem);
  std::size_t total = 0;
  const OpalPage page = world_->Read([&](const World& world) {
    total = world.opal.All().size();
    return world.opal.List(query);
  });
  std::optional<std::string> next;
  if (page.next) next = EncodeOpalCursor(*page.next);
  // The vendor's schema allows both ends; which one comes here only has to be reproducible.
  const bool leave_out_end = total % 2 == 1;
  return {.status = 200,
          .body = OpalPageJson(page.tokens, next, leave_out_end, request.Query("cursor"))};
}

}  // namespace tokeninventory::vendor_sim
