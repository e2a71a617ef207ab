#include "tests/vendor_sim/opal_json.h"

#include <nlohmann/json.hpp>

namespace tokeninventory::vendor_sim {
namespace {

using Json = nlohmann::ordered_json;

void PutTime(const char* key, const VendorTime& time, TimeStyle style, Json* json) {
  if (time.form == VendorTime::Form::kAbsent) return;
  (*json)[key] = time.has_value() ? Json(FormatTime(time.value, style)) : Json(nullptr);
}

Json ToJson(const OpalToken& token) {
  Json json = {{"token_id", token.id.ToString()},
               {"created_at", FormatTime(token.created_at, TimeStyle::kMillis)}};
  if (token.preview) json["token_preview"] = *token.preview;
  json["token_label"] = token.label;
  json["creator_user_id"] = token.creator_user_id.ToString();
  json["user_id"] = token.user_id.ToString();
  PutTime("last_used_at", token.last_used_at, token.time_style, &json);
  json["access_level"] = token.full_access ? "FULL_ACCESS" : "READ_ONLY";
  PutTime("expires_at", token.expires_at, token.time_style, &json);
  return json;
}

}  // namespace

std::string OpalPageJson(const std::vector<OpalToken>& tokens,
                         const std::optional<std::string>& next, bool leave_out_end,
                         const std::optional<std::string>& previous) {
  Json json = Json::object();
  if (next) {
    json["next"] = *next;
  } else if (!leave_out_end) {
    json["next"] = nullptr;
  }
  json["previous"] = previous ? Json(*previous) : Json(nullptr);
  Json& results = json["results"] = Json::array();
  for (const OpalToken& token : tokens) results.push_back(ToJson(token));
  return json.dump();
}

std::string OpalErrorJson(int status, const std::string& message) {
  // May quote the client's own bytes, which need not be UTF-8.
  return Json{{"code", status}, {"message", message}}.dump(-1, ' ', false,
                                                           Json::error_handler_t::replace);
}

}  // namespace tokeninventory::vendor_sim
