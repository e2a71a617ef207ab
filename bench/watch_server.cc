// The real TokenInventory service over a Ledger that is fed by hand: what a change
// costs from the Ledger's queue to all watchers, without vendors.
//
// usage: watch-server FOLDER
// Standard input: `publish EVENTS COMMITS` changes so many tokens, in so many commits.
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/lib/fed_ledger.h"
#include "bench/lib/sample_tokens.h"
#include "server/access/gate.h"
#include "server/metrics/rpc_meter.h"
#include "server/token_inventory_service.h"

namespace tokeninventory::bench {
namespace {

constexpr int kTokens = 1000;

// Tokens of one source that change in turn.
class Changes {
 public:
  explicit Changes(FedLedger& fed) : fed_(fed) {
    std::mt19937_64 random(1);
    for (int i = 0; i < kTokens; ++i) {
      tokens_.push_back(SampleToken(random, kSampleSources[0], absl::Now()));
    }
    fed_.Show(kSampleSources[0], tokens_);
  }

  // One commit.
  void Change(int count) {
    std::vector<ObservedToken> page;
    for (int i = 0; i < count; ++i) {
      ObservedToken& token = tokens_[next_++ % tokens_.size()];
      token.token.set_role(absl::StrCat("role ", next_));
      page.push_back(token);
    }
    fed_.Change(kSampleSources[0], std::move(page));
  }

 private:
  FedLedger& fed_;
  std::vector<ObservedToken> tokens_;
  std::size_t next_ = 0;
};

int Run(const std::string& folder) {
  FedLedger fed(folder + "/inventory.db", Clock::Real());
  Changes changes(fed);

  WatchHub::Options hub_options;
  hub_options.inventory = &fed.inventory();
  hub_options.feed = &fed.feed();
  hub_options.store = &fed.store();
  hub_options.clock = Clock::Real();
  hub_options.epoch = fed.ledger().epoch();
  WatchHub hub(std::move(hub_options));
  Backend backend;
  backend.clock = Clock::Real();
  backend.inventory = &fed.inventory();
  backend.ledger = &fed.ledger();
  backend.hub = &hub;
  backend.epoch = fed.ledger().epoch();
  const BackendPointer pointer{&backend};
  Gate gate(std::make_shared<const AccessPolicy>(), Clock::Real());
  RpcMeter meter;
  TokenInventoryService service({pointer, gate, meter});
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::cout << "port " << port << " serving" << std::endl;

  std::string command;
  for (int events = 0, commits = 0; std::cin >> command >> events >> commits;) {
    for (int i = 0; i < commits; ++i) changes.Change(events / commits);
  }
  // Its streams are still open: nothing is to be learned from their ends.
  std::_Exit(0);
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) { return argc == 2 ? tokeninventory::bench::Run(argv[1]) : 2; }
