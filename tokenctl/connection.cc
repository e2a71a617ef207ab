#include "tokenctl/connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace tokeninventory::tokenctl {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;

std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(const ConnectionSettings& settings) {
  if (!settings.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = settings.ca_certificates;
  options.pem_cert_chain = settings.certificate;
  options.pem_private_key = std::string(settings.key.Reveal());
  return grpc::SslCredentials(options);
}

std::shared_ptr<grpc::Channel> MakeChannel(const ConnectionSettings& settings) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // Streams say themselves how long to wait before they try again.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  // A proxy that the environment names would see what is sent without TLS.
  if (!settings.tls) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!settings.tls_server_name.empty()) {
    arguments.SetSslTargetNameOverride(settings.tls_server_name);
  }
  return grpc::CreateCustomChannel(settings.server, MakeCredentials(settings), arguments);
}

}  // namespace

Connection::Connection(ConnectionSettings settings, absl::Duration timeout)
    : settings_(std::move(settings)),
      timeout_(timeout),
      channel_(MakeChannel(settings_)),
      tokens_(v1::TokenInventory::NewStub(channel_)),
      sources_(v1::Sources::NewStub(channel_)),
      health_(grpc::health::v1::Health::NewStub(channel_)) {}

std::unique_ptr<grpc::ClientContext> Connection::NewCall() const {
  auto context = NewStream();
  context->set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  return context;
}

std::unique_ptr<grpc::ClientContext> Connection::NewStream() const {
  auto context = std::make_unique<grpc::ClientContext>();
  if (!settings_.token.empty()) {
    context->AddMetadata("authorization", absl::StrCat("Bearer ", settings_.token.Reveal()));
  }
  return context;
}

}  // namespace tokeninventory::tokenctl
