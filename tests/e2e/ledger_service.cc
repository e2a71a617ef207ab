#include "tests/e2e/ledger_service.h"

#include <chrono>
#include <future>

namespace tokeninventory::testing {
namespace {

LedgerSetup SetupOf(const std::vector<std::string>& sources) {
  LedgerSetup setup;
  setup.sources.clear();
  for (const std::string& source : sources) setup.sources.push_back(MakeSourceInfo(source));
  return setup;
}

}  // namespace

LedgerService::LedgerService(const std::vector<std::string>& sources) : house_(SetupOf(sources)) {
  WatchHub::Options hub;
  hub.inventory = &house_.inventory();
  hub.feed = &house_.feed();
  hub.store = &house_.store();
  hub.clock = &house_.clock();
  hub.epoch = house_.ledger().epoch();
  hub_ = std::make_unique<WatchHub>(std::move(hub));
  backend_.clock = &house_.clock();
  backend_.inventory = &house_.inventory();
  backend_.hub = hub_.get();
  backend_.epoch = house_.ledger().epoch();
  backend_pointer_ = &backend_;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service_);
  server_ = builder.BuildAndStart();
  tokens_ = v1::TokenInventory::NewStub(server_->InProcessChannel(grpc::ChannelArguments()));
}

LedgerService::~LedgerService() {
  hub_->Drain();
  server_->Shutdown();
  server_->Wait();
}

grpc::Status LedgerService::List(const v1::ListTokensRequest& request,
                                 v1::ListTokensResponse* response) {
  grpc::ClientContext context;
  return tokens_->ListTokens(&context, request, response);
}

grpc::Status LedgerService::ListWhileTimePasses(const v1::ListTokensRequest& request,
                                                v1::ListTokensResponse* response) {
  std::future<grpc::Status> answer =
      std::async(std::launch::async, [&] { return List(request, response); });
  while (answer.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
    house_.clock().Advance(absl::Seconds(1));
  }
  return answer.get();
}

}  // namespace tokeninventory::testing
