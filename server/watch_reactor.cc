#include "server/watch_reactor.h"

#include <utility>

#include "base/status_macros.h"
#include "inventory/answers.h"
#include "server/grpc_status.h"

namespace tokeninventory {

absl::Status WatchReactor::Open(WatchHub& hub, Gate& gate, WatchSession::Options options) {
  source_ = options.view->source();
  TI_ASSIGN_OR_RETURN(session_, hub.Open(*this, std::move(options)));
  place_ = gate.Guard(*context_, v1::PrincipalConfig::READER, *this);
  return absl::OkStatus();
}

void WatchReactor::OnPolicy(const absl::StatusOr<Caller>& caller) {
  absl::Status status = caller.status();
  if (status.ok() && !source_.empty()) status = CheckVisible((*caller)->visible, source_);
  if (status.ok()) {
    session_->SetVisible((*caller)->visible);
  } else {
    session_->End(status);
  }
}

void WatchReactor::Write(const WatchMessage& message) {
  message_ = buffer_.Of(message);
  StartWrite(message_.get());
}

void WatchReactor::Finish(const absl::Status& status) {
  call_.End(status.code());
  grpc::ServerWriteReactor<grpc::ByteBuffer>::Finish(ToGrpcStatus(status));
}

void WatchReactor::Abort() { context_->TryCancel(); }

void WatchReactor::OnWriteDone(bool ok) {
  message_ = nullptr;  // it may be a megabyte, and the next one may be minutes off
  session_->OnWriteDone(ok);
}

void WatchReactor::OnCancel() { session_->OnCancel(); }

void WatchReactor::OnDone() { delete this; }

}  // namespace tokeninventory
