#include "tests/vendor_sim/vendor_sim.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <regex>
#include <utility>

#include "tests/vendor_sim/generator.h"

namespace tokeninventory::vendor_sim {
namespace {

constexpr std::uint64_t kParentIds = 300;

// The vendors' names for how long a page may be. What is left out has a default of its own, so it
// is put in.
void CapPageSize(int most, Request* request) {
  const bool pages = request->path.size() > 1;
  if (!pages) return;
  const std::string name = request->path[0] == "api"  ? "limit"
                           : request->path[0] == "v1" ? "page_size"
                                                      : "per_page";
  for (auto& [key, value] : request->query) {
    if (key != name) continue;
    const int size = std::atoi(value.c_str());
    if (size > most) value = std::to_string(most);
    return;
  }
  request->query.emplace_back(name, std::to_string(most));
}

Options WithDefaults(Options options) {
  if (!options.base_time) {
    options.base_time = std::chrono::floor<std::chrono::hours>(options.clock());
  }
  return options;
}

}  // namespace

VendorSim::VendorSim(Options options)
    : options_(WithDefaults(std::move(options))),
      parent_ids_(std::make_unique<Random>(options_.seed, kParentIds)),
      deepset_(&world_),
      opal_(&world_, options_.rate_limits, options_.clock),
      buildkite_(&world_, options_.rate_limits, options_.clock) {
  world_.Write([this](World* world) {
    Populate(world, options_.tokens, options_.seed, *options_.base_time);
    churn_ = std::make_unique<Churn>(options_.seed, CountTokens(*world));
  });
}

VendorSim::~VendorSim() { Stop(); }

absl::Status VendorSim::Start() {
  const absl::Status status =
      server_.Start(options_.host, options_.port, [this](const Request& r) { return Handle(r); });
  if (status.ok() && options_.churn > 0) churn_thread_ = std::thread([this] { RunChurn(); });
  return status;
}

void VendorSim::Stop() {
  {
    const std::lock_guard<std::mutex> lock(stop_mutex_);
    stopping_ = true;
  }
  stop_changed_.notify_all();
  if (churn_thread_.joinable()) churn_thread_.join();
  server_.Stop();
}

std::string VendorSim::Origin() const {
  return "http://" + options_.host + ":" + std::to_string(port());
}

Response VendorSim::Handle(const Request& request) {
  Response response = faults_.Intercept(
      request, [this](const Request& r) { return AskVendor(r); },
      [this](const Response& shown, int count) { RemoveShown(shown, count); });
  log_.Add({request.method, request.target, response.status});
  return response;
}

void VendorSim::ClearFaults() {
  faults_.Clear();
  server_.ReleaseStalled();
}

Response VendorSim::AskVendor(const Request& asked) {
  Request request = asked;
  if (options_.max_page_size > 0) CapPageSize(options_.max_page_size, &request);
  const std::vector<std::string>& path = request.path;
  if (path.size() == 1 && path[0] == "graphql") {
    return buildkite_.HandleGraphql(request, options_.max_page_size);
  }
  if (path.size() >= 3 && path[0] == "api" && path[1] == "v1") return deepset_.Handle(request);
  if (path.size() >= 2 && path[0] == "v1") return opal_.Handle(request);
  if (path.size() >= 2 && path[0] == "v2") return buildkite_.Handle(request);
  return {.status = 404, .body = R"({"message":"Not Found"})"};
}

void VendorSim::RemoveShown(const Response& response, int count) {
  // Whatever looks like an id and is one of a token.
  static const std::regex kUuid("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  const std::string& body = response.body;
  for (std::sregex_iterator it(body.begin(), body.end(), kUuid), end; it != end && count > 0;
       ++it) {
    const std::optional<Uuid> id = Uuid::Parse(it->str());
    if (id && RemoveToken(*id)) --count;
  }
}

Truth VendorSim::ReadTruth() const { return world_.Read(CopyTruth); }

WorldCounts VendorSim::Counts() const { return world_.Read(CountTokens); }

std::vector<Change> VendorSim::ApplyChurn(int changes) {
  std::vector<Change> made;
  world_.Write([&](World* world) {
    const TimePoint now = options_.clock();
    for (int i = 0; i < changes; ++i) {
      if (const std::optional<Change> change = churn_->Step(world, now)) made.push_back(*change);
    }
  });
  return made;
}

std::optional<Uuid> VendorSim::AddToken(TokenKind kind, const std::string& parent) {
  return world_.Write(
      [&](World* world) { return churn_->Add(world, kind, parent, options_.clock()); });
}

bool VendorSim::AddDeepsetToken(DeepsetToken token) {
  return world_.Write([&](World* world) { return world->deepset.Add(std::move(token)); });
}

bool VendorSim::AddModelRegistryToken(ModelRegistryToken token) {
  return world_.Write([&](World* world) {
    if (FindModelRegistryToken(world, token.id) != nullptr) return false;
    world->model_registry_tokens.push_back(std::move(token));
    return true;
  });
}

bool VendorSim::AddOpalToken(OpalToken token) {
  return world_.Write([&](World* world) { return world->opal.Add(std::move(token)); });
}

bool VendorSim::AddRegistryToken(RegistryToken token) {
  return world_.Write(
      [&](World* world) { return world->buildkite.AddRegistryToken(std::move(token)); });
}

bool VendorSim::AddAgentToken(AgentToken token) {
  return world_.Write(
      [&](World* world) { return world->buildkite.AddAgentToken(std::move(token)); });
}

bool VendorSim::AddApiAccessToken(ApiAccessToken token) {
  return world_.Write(
      [&](World* world) { return world->buildkite.AddApiAccessToken(std::move(token)); });
}

bool VendorSim::RemoveToken(const Uuid& id) {
  return world_.Write([&](World* world) { return vendor_sim::RemoveToken(world, id); });
}

bool VendorSim::RenewToken(const Uuid& id, std::optional<TimePoint> expires_at) {
  return world_.Write([&](World* world) { return vendor_sim::RenewToken(world, id, expires_at); });
}

bool VendorSim::UseToken(const Uuid& id, TimePoint used_at) {
  return world_.Write([&](World* world) { return vendor_sim::UseToken(world, id, used_at); });
}

bool VendorSim::RenameToken(const Uuid& id, const std::string& name) {
  return world_.Write([&](World* world) { return vendor_sim::RenameToken(world, id, name); });
}

bool VendorSim::AddWorkspace(const std::string& name) {
  return world_.Write([&](World* world) {
    return world->deepset.AddWorkspace({parent_ids_->RandomId(), name});
  });
}

bool VendorSim::RemoveWorkspace(const std::string& name) {
  return world_.Write([&](World* world) { return world->deepset.RemoveWorkspace(name); });
}

bool VendorSim::AddRegistry(const std::string& slug) {
  return world_.Write([&](World* world) {
    return world->buildkite.AddRegistry(
        {parent_ids_->TimeOrderedId(options_.clock()), slug, slug, "ruby"});
  });
}

bool VendorSim::RemoveRegistry(const std::string& slug) {
  return world_.Write([&](World* world) { return world->buildkite.RemoveRegistry(slug); });
}

Uuid VendorSim::AddCluster(const std::string& name) {
  return world_.Write([&](World* world) {
    Cluster cluster;
    cluster.id = parent_ids_->RandomId();
    cluster.default_queue_id = parent_ids_->RandomId();
    cluster.created_at = options_.clock();
    cluster.name = name;
    const Uuid id = cluster.id;
    world->buildkite.AddCluster(std::move(cluster));
    return id;
  });
}

bool VendorSim::RemoveCluster(const Uuid& id) {
  return world_.Write([&](World* world) { return world->buildkite.RemoveCluster(id); });
}

void VendorSim::RunChurn() {
  using Clock = std::chrono::steady_clock;
  // A short rest between batches, so that a high rate needs no wake-up per change.
  const std::chrono::duration<double> rest(std::clamp(1 / options_.churn, 0.02, 3600.0));
  const Clock::time_point start = Clock::now();
  double done = 0;
  std::unique_lock<std::mutex> lock(stop_mutex_);
  while (!stop_changed_.wait_for(lock, rest, [this] { return stopping_; })) {
    const double due = options_.churn * std::chrono::duration<double>(Clock::now() - start).count();
    // A bound: after the machine slept there is no use in catching up at once.
    const int changes = static_cast<int>(std::min(due - done, 1000.0));
    lock.unlock();
    ApplyChurn(changes);
    lock.lock();
    done = changes == 1000 ? due : done + changes;
  }
}

}  // namespace tokeninventory::vendor_sim
