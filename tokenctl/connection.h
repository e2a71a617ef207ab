// The connection to the service.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tokenctl/settings.h"
#include "tokeninventory/v1/sources.grpc.pb.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

namespace tokeninventory::tokenctl {

// Thread-safe. Connects when the first call is made.
class Connection {
 public:
  // `timeout` bounds each call that is no stream.
  Connection(ConnectionSettings settings, absl::Duration timeout);

  const std::string& server() const { return settings_.server; }
  bool tls() const { return settings_.tls; }

  v1::TokenInventory::Stub& tokens() { return *tokens_; }
  v1::Sources::Stub& sources() { return *sources_; }
  grpc::health::v1::Health::Stub& health() { return *health_; }

  // What a call carries: the caller's token and the deadline. Each is for one call.
  std::unique_ptr<grpc::ClientContext> NewCall() const;
  // Of a stream, which has no deadline.
  std::unique_ptr<grpc::ClientContext> NewStream() const;

 private:
  const ConnectionSettings settings_;
  const absl::Duration timeout_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TokenInventory::Stub> tokens_;
  std::unique_ptr<v1::Sources::Stub> sources_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

}  // namespace tokeninventory::tokenctl
