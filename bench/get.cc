// What a token by name costs, and a hundred at once.
#include "bench/lib/etcd.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/load_client.h"
#include "bench/lib/postgres.h"
#include "bench/lib/service.h"
#include "bench/lib/token_calls.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::bench {
namespace {

constexpr char kBatchGet[] = "/tokeninventory.v1.TokenInventory/BatchGetTokens";
constexpr int kBatchCallers = 8;
constexpr std::size_t kBatch = 100;

Calls BatchGets(const std::vector<std::string>& names) {
  Calls calls{kBatchGet, {}, kBatchCallers};
  for (std::size_t i = 0; i + kBatch <= names.size(); i += kBatch) {
    v1::BatchGetTokensRequest request;
    request.set_view(v1::FULL);
    for (std::size_t j = i; j < i + kBatch; ++j) request.add_names(names[j]);
    calls.requests.push_back(request.SerializeAsString());
  }
  return calls;
}

Calls CopiedPages() {
  v1::ListTokensRequest request;
  request.set_page_size(kBatch);
  return {kListTokens, {request.SerializeAsString()}, kBatchCallers};
}

void Run(const Setup& setup) {
  const absl::Duration round = absl::Milliseconds(setup.quick ? 400 : 500);
  const FilledStore store(setup, setup.quick ? 20'000 : 100'000);
  PinThisProcess(ClientCore());
  const TokenFile tokens(store.tokens_file());
  const std::vector<std::string> names = ShuffledNames(tokens);

  Service service(store.folder());
  LoadClient ours(service.port());
  Process bare({{ProgramPath("bare-server"), store.tokens_file()}, ServerCore()});
  LoadClient limit(PortIn(bare.AwaitOutput(" serving"), "port "));
  Note("filling etcd and PostgreSQL");
  Etcd etcd;
  etcd.Load(tokens);
  LoadClient etcd_client(etcd.port());
  Calls ranges{kEtcdRange, {}, kGetCallers};
  Queries selects{"SELECT token FROM tokens WHERE name = $1", {}, kGetCallers};
  for (const std::string& name : names) {
    ranges.requests.push_back(EtcdRangeRequest(name));
    selects.parameters.push_back({name});
  }
  Postgres postgres;
  postgres.Load(tokens);
  PostgresClient postgres_client(postgres, selects);

  Note("Get");
  const Calls gets = GetCalls(names);
  const auto costs =
      RunRounds({
                    [&] { return CpuMicrosPerCall(service.process(), ours, gets, round); },
                    [&] { return CpuMicrosPerCall(bare, limit, gets, round); },
                    [&] { return CpuMicrosPerCall(etcd.process(), etcd_client, ranges, round); },
                    [&] { return CpuMicrosPerQuery(postgres, postgres_client, round); },
                },
                setup.rounds_near_bars());
  Print({"get-64", "us/call", costs[0], {"bare", costs[1]}, {}, AtMost(1.15)});
  Print({"get-64-etcd", "us/call", costs[0], {}, {"etcd", costs[2]}, AtMost(1 / 2.2, "1/2.2")});
  Print({"get-64-postgresql",
         "us/call",
         costs[0],
         {},
         {"postgresql", costs[3]},
         AtMost(1 / 2.4, "1/2.4")});

  Note("BatchGet");
  const Calls batches = BatchGets(names);
  const Calls pages = CopiedPages();
  const auto batch_costs =
      RunRounds({
                    [&] { return CpuMicrosPerCall(service.process(), ours, batches, round); },
                    [&] { return CpuMicrosPerCall(bare, limit, pages, round); },
                },
                setup.rounds);
  Print({"batch-get-100", "us/call", batch_costs[0], {"bare copy", batch_costs[1]}});
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) {
  tokeninventory::bench::Run(tokeninventory::bench::ReadArguments(argc, argv));
}
