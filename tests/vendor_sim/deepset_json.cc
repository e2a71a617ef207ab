#include "tests/vendor_sim/deepset_json.h"

#include <nlohmann/json.hpp>

namespace tokeninventory::vendor_sim {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const Workspace& workspace) {
  return {{"name", workspace.name},
          {"workspace_id", workspace.id.ToString()},
          {"languages", Json::object()},
          {"default_idle_timeout_in_seconds", 43200}};
}

Json ToJson(const DeepsetToken& token) {
  Json json = {{"api_token_id", token.id.ToString()},
               {"name", token.name},
               {"masked_token", token.masked_token},
               {"personal", token.personal},
               {"expires", token.expires_at.has_value()},
               {"expires_at", nullptr},
               {"user", {{"given_name", token.given_name}, {"family_name", token.family_name}}},
               {"role", token.role},
               {"organization_role", token.organization_role},
               {"workspaces", Json::array()}};
  if (token.expires_at) json["expires_at"] = FormatTime(*token.expires_at, token.time_style);
  for (const std::string& name : token.workspaces) json["workspaces"].push_back({{"name", name}});
  if (token.shows_all_workspaces) json["all_workspaces"] = token.all_workspaces;
  return json;
}

Json ToJson(const ModelRegistryToken& token) {
  return {{"model_registry_token_id", token.id.ToString()},
          {"provider", token.provider},
          {"provider_domain", token.provider_domain},
          {"invalid", token.invalid}};
}

template <typename Record>
Json ToArray(const std::vector<Record>& records) {
  Json array = Json::array();
  for (const Record& record : records) array.push_back(ToJson(record));
  return array;
}

}  // namespace

std::string DeepsetWorkspacesJson(const std::vector<Workspace>& workspaces) {
  return ToArray(workspaces).dump();
}

std::string DeepsetWorkspaceJson(const Workspace& workspace) { return ToJson(workspace).dump(); }

std::string DeepsetTokenJson(const DeepsetToken& token) { return ToJson(token).dump(); }

std::string DeepsetPageJson(const DeepsetPage& page) {
  const Json json = {
      {"data", ToArray(page.tokens)}, {"has_more", page.has_more}, {"total", page.total}};
  return json.dump();
}

std::string ModelRegistryTokensJson(const std::vector<ModelRegistryToken>& tokens) {
  return ToArray(tokens).dump();
}

std::string DeepsetErrorJson(const std::string& detail) { return Json{{"detail", detail}}.dump(); }

std::string DeepsetErrorJson(const std::vector<ValidationError>& errors) {
  Json detail = Json::array();
  for (const ValidationError& error : errors) {
    Json json = {
        {"loc", error.loc}, {"msg", error.msg}, {"type", error.type}, {"input", error.input}};
    if (error.ctx) {
      json["ctx"][error.ctx->key] =
          error.ctx->number ? Json(*error.ctx->number) : Json(error.ctx->text);
    }
    detail.push_back(std::move(json));
  }
  // The client's own bytes come back as `input`; they need not be UTF-8.
  return Json{{"detail", std::move(detail)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tokeninventory::vendor_sim
