// The TokenInventory service on real gRPC over a Ledger that a test feeds by
// hand, under a clock that stands still: for answers that depend on which
// revision holds what.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "server/access/gate.h"
#include "server/token_inventory_service.h"
#include "tests/inventory/ledger_harness.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

namespace tokeninventory::testing {

// Used by one thread, except for the stub.
class LedgerService {
 public:
  // With these sources, all empty.
  explicit LedgerService(const std::vector<std::string>& sources);
  ~LedgerService();

  LedgerHarness& house() { return house_; }
  v1::TokenInventory::Stub& tokens() { return *tokens_; }

  // A pass that shows all that `source` has now.
  void Show(const std::string& source, std::vector<ObservedToken> tokens) {
    house_.Pass({Lists(std::move(tokens))}, source);
  }

  grpc::Status List(const v1::ListTokensRequest& request, v1::ListTokensResponse* response);
  // The same for a call that ends only when the clock moves on.
  grpc::Status ListWhileTimePasses(const v1::ListTokensRequest& request,
                                   v1::ListTokensResponse* response);

  // As before the store is loaded.
  void Unload() { backend_pointer_ = nullptr; }

 private:
  LedgerHarness house_;
  std::unique_ptr<WatchHub> hub_;
  Backend backend_;
  BackendPointer backend_pointer_{nullptr};
  Gate gate_{std::make_shared<const AccessPolicy>(), Clock::Real()};
  RpcMeter meter_;
  TokenInventoryService service_{{backend_pointer_, gate_, meter_}};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::TokenInventory::Stub> tokens_;
};

}  // namespace tokeninventory::testing
