// gRPC's byte buffers from and to what the inventory speaks.
#pragma once

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <string>

#include "base/mutex.h"

namespace tokeninventory {

// One slice that owns `bytes`. Never many small ones: gRPC is slow with them.
grpc::ByteBuffer ToByteBuffer(std::string bytes);

// One slice that shares `bytes` with whoever else sends them.
grpc::ByteBuffer ToByteBuffer(std::shared_ptr<const std::string> bytes);

// The buffer of a message that many streams send at the same time: made once for all of them,
// and gone with the last of them. Thread-safe.
class SharedByteBuffer {
 public:
  // Another one when `bytes` are not those of the last call.
  std::shared_ptr<const grpc::ByteBuffer> Of(const std::shared_ptr<const std::string>& bytes);

 private:
  Mutex mutex_;
  std::weak_ptr<const grpc::ByteBuffer> last_ ABSL_GUARDED_BY(mutex_);
  const std::string* bytes_ ABSL_GUARDED_BY(mutex_) = nullptr;  // they live as long as `last_`
};

// False when the bytes are no `Message`.
template <typename Message>
bool ParseByteBuffer(const grpc::ByteBuffer& bytes, Message& message) {
  // A request in one piece, as nearly all are, can be read where it is.
  grpc::Slice slice;
  if (bytes.TrySingleSlice(&slice).ok()) {
    return message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
  }
  grpc::ByteBuffer copy(bytes);  // counts a reference; parsing consumes it
  return grpc::SerializationTraits<Message>::Deserialize(&copy, &message).ok();
}

}  // namespace tokeninventory
