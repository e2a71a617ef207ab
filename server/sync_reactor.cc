#include "server/sync_reactor.h"

#include <utility>

#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/errors.h"
#include "server/byte_messages.h"
#include "server/grpc_status.h"

namespace tokeninventory {

void SyncStream::OnProgress(const v1::SyncProgress& progress) {
  MutexLock lock(mutex_);
  progress_ = progress;
  PumpLocked();
}

void SyncStream::OnEnd(const absl::StatusOr<v1::SyncResult>& result) {
  MutexLock lock(mutex_);
  if (result.ok()) {
    result_ = *result;
    ending_ = absl::OkStatus();
  } else {
    ending_ = RetryableError(absl::StatusCode::kUnavailable, "SYNC_INTERRUPTED",
                             result.status().message(), absl::Seconds(5));
  }
  PumpLocked();
}

void SyncStream::End(const absl::Status& status) {
  MutexLock lock(mutex_);
  result_.reset();
  ending_ = status;
  PumpLocked();
}

void SyncStream::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) {
    result_.reset();
    ending_ = absl::CancelledError("the client is gone");
  }
  PumpLocked();
}

void SyncStream::OnCancel() {
  MutexLock lock(mutex_);
  result_.reset();
  ending_ = absl::CancelledError("the client is gone");
  PumpLocked();
}

void SyncStream::PumpLocked() {
  if (reactor_ == nullptr || writing_) return;
  v1::SyncSourceResponse response;
  if (result_) {
    *response.mutable_result() = *std::exchange(result_, std::nullopt);
    WriteLocked(response);
  } else if (ending_) {
    FinishLocked(*ending_);
  } else if (progress_) {
    *response.mutable_progress() = *std::exchange(progress_, std::nullopt);
    WriteLocked(response);
  }
}

void SyncStream::WriteLocked(const v1::SyncSourceResponse& response) {
  writing_ = true;
  message_ = ToByteBuffer(response.SerializeAsString());
  reactor_->StartWrite(&message_);
}

void SyncStream::FinishLocked(const absl::Status& status) {
  call_.End(status.code());
  reactor_->Finish(ToGrpcStatus(status));
  reactor_ = nullptr;
}

absl::Status SyncReactor::Open(Poller& poller, bool fresh) {
  TI_ASSIGN_OR_RETURN(subscription_, poller.SyncNow(source_, fresh, stream_));
  return absl::OkStatus();
}

void SyncReactor::Guard(Gate& gate, const grpc::CallbackServerContext& context) {
  place_ = gate.Guard(context, v1::PrincipalConfig::OPERATOR, *this);
}

void SyncReactor::OnPolicy(const absl::StatusOr<Caller>& caller) {
  absl::Status status = caller.status();
  if (status.ok()) status = CheckVisible((*caller)->visible, source_);
  if (!status.ok()) stream_->End(status);
}

}  // namespace tokeninventory
