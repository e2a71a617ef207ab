// What it costs to look at every token: filters and summaries over a million.
#include "absl/strings/str_cat.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/load_client.h"
#include "bench/lib/service.h"
#include "bench/lib/token_calls.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::bench {
namespace {

constexpr char kSummarize[] = "/tokeninventory.v1.TokenInventory/SummarizeTokens";

struct Case {
  const char* name;
  const char* filter;
  double most_nanos;
};
constexpr Case kCases[] = {
    // Of columns.
    {"filter-state-expiry", "state = ACTIVE AND expire_time < now+30d", 10},
    {"filter-provider-last-use", "provider = \"opal\" AND last_used_time < now-90d", 10},
    {"filter-owner", "owner.email = \"person.number.77@example.com\"", 10},
    // Of bytes.
    {"filter-scope", "scopes.id:\"00000000-0000-0000-0000-000000000000\"", 200},
    {"filter-attribute", "attributes.region = \"eu-west-1\"", 200},
    {"filter-anywhere", "rotterdam", 200},
};

Calls Summary() {
  v1::SummarizeTokensRequest request;
  request.set_parent("sources/-");
  request.add_group_by(v1::SummarizeTokensRequest::PROVIDER);
  request.add_group_by(v1::SummarizeTokensRequest::STATE);
  request.add_group_by(v1::SummarizeTokensRequest::EXPIRY_BUCKET);
  return {kSummarize, {request.SerializeAsString()}, 1};
}

void Run(const Setup& setup) {
  const int tokens = setup.quick ? 100'000 : 1'000'000;
  const absl::Duration round = absl::Milliseconds(setup.quick ? 100 : 200);
  const FilledStore store(setup, tokens);
  PinThisProcess(ClientCore());
  Service service(store.folder());
  LoadClient client(service.port());
  const auto nanos = [&](const Calls& calls) {
    return RunRounds(
        {[&] { return CpuMicrosPerCall(service.process(), client, calls, round) * 1e3 / tokens; }},
        setup.rounds_near_bars())[0];
  };
  for (const Case& each : kCases) {
    Note(each.name);
    Print(
        {each.name, "ns/token", nanos(FilterCalls(each.filter)), {}, {}, AtMost(each.most_nanos)});
  }
  Note("summarize");
  Print({"summarize", "ns/token", nanos(Summary())});
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) {
  tokeninventory::bench::Run(tokeninventory::bench::ReadArguments(argc, argv));
}
