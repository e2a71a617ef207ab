#include "server/watch_reactor.h"

#include <utility>

#include "base/status_macros.h"
#include "server/byte_messages.h"
#include "server/grpc_status.h"

namespace tokeninventory {

absl::Status WatchReactor::Open(WatchHub& hub, WatchSession::Options options) {
  TI_ASSIGN_OR_RETURN(session_, hub.Open(*this, std::move(options)));
  return absl::OkStatus();
}

void WatchReactor::Write(const WatchMessage& message) {
  message_ = ToByteBuffer(message);
  StartWrite(&message_);
}

void WatchReactor::Finish(const absl::Status& status) {
  grpc::ServerWriteReactor<grpc::ByteBuffer>::Finish(ToGrpcStatus(status));
}

void WatchReactor::Abort() { context_->TryCancel(); }

void WatchReactor::OnWriteDone(bool ok) { session_->OnWriteDone(ok); }

void WatchReactor::OnCancel() { session_->OnCancel(); }

void WatchReactor::OnDone() { delete this; }

}  // namespace tokeninventory
