#include "tests/vendor_sim/deepset_api.h"

#include <utility>
#include <vector>

#include "tests/vendor_sim/credentials.h"
#include "tests/vendor_sim/deepset_json.h"
#include "tests/vendor_sim/deepset_query.h"

namespace tokeninventory::vendor_sim {
namespace {

Response Ok(std::string body) { return {.status = 200, .body = std::move(body)}; }

Response Error(int status, const std::string& detail) {
  return {.status = status, .body = DeepsetErrorJson(detail)};
}

Response Unprocessable(const std::vector<ValidationError>& errors) {
  return {.status = 422, .body = DeepsetErrorJson(errors)};
}

}  // namespace

Response DeepsetApi::Handle(const Request& request) const {
  // The vendor's status page: a wrong key is 401 or 403, a missing one 403.
  const std::optional<std::string> key = BearerToken(request);
  if (!key) return Error(403, "Not authenticated");
  if (*key != kDeepsetKey) return Error(401, "invalid API key");
  if (request.method != "GET" && request.method != "HEAD") {
    return Error(405, "Method Not Allowed");
  }
  const std::vector<std::string>& path = request.path;  // api, v1, …
  if (path.size() == 3) {
    if (path[2] == "workspaces") return Workspaces();
    if (path[2] == "token") return Tokens(request, nullptr);
    if (path[2] == "model_registry_tokens") return ModelRegistryTokens();
  } else if (path.size() == 4) {
    if (path[2] == "workspaces") return OneWorkspace(path[3]);
    if (path[2] == "token") return Token(path[3]);
  } else if (path.size() == 5 && path[2] == "workspaces" && path[4] == "token") {
    return Tokens(request, &path[3]);
  }
  return Error(404, "Not Found");
}

Response DeepsetApi::Workspaces() const {
  return Ok(DeepsetWorkspacesJson(
      world_->Read([](const World& world) { return world.deepset.Workspaces(); })));
}

Response DeepsetApi::OneWorkspace(const std::string& name) const {
  const auto workspace = world_->Read([&name](const World& world) {
    const Workspace* found = world.deepset.FindWorkspace(name);
    return found == nullptr ? std::nullopt : std::optional<Workspace>(*found);
  });
  if (!workspace) return Error(404, "Workspace not found");
  return Ok(DeepsetWorkspaceJson(*workspace));
}

Response DeepsetApi::Token(const std::string& text) const {
  std::vector<ValidationError> errors;
  const std::optional<Uuid> id = ParseIdParameter(text, {"path", "api_token_id"}, &errors);
  if (!id) return Unprocessable(errors);
  const auto token = world_->Read([&id](const World& world) {
    const DeepsetToken* found = world.deepset.Find(*id);
    return found == nullptr ? std::nullopt : std::optional<DeepsetToken>(*found);
  });
  if (!token) return Error(404, "Token not found");
  return Ok(DeepsetTokenJson(*token));
}

Response DeepsetApi::Tokens(const Request& request, const std::string* workspace) const {
  std::vector<ValidationError> errors;
  const DeepsetQuery query = ParseDeepsetQuery(request, &errors);
  if (!errors.empty()) return Unprocessable(errors);
  bool known_workspace = true;
  const auto page = world_->Read([&](const World& world) {
    if (workspace != nullptr) known_workspace = world.deepset.FindWorkspace(*workspace) != nullptr;
    return world.deepset.List(workspace, query);
  });
  if (!known_workspace) return Error(404, "Workspace not found");
  if (!page) return Error(404, "Token not found");
  return Ok(DeepsetPageJson(*page));
}

Response DeepsetApi::ModelRegistryTokens() const {
  return Ok(ModelRegistryTokensJson(
      world_->Read([](const World& world) { return world.model_registry_tokens; })));
}

}  // namespace tokeninventory::vendor_sim
