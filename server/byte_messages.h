// gRPC's byte buffers from and to what the inventory speaks.
#pragma once

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <string>

namespace tokeninventory {

// One slice that owns `bytes`. Never many small ones: gRPC is slow with them.
grpc::ByteBuffer ToByteBuffer(std::string bytes);

// One slice that shares `bytes` with whoever else sends them.
grpc::ByteBuffer ToByteBuffer(std::shared_ptr<const std::string> bytes);

// False when the bytes are no `Message`.
template <typename Message>
bool ParseByteBuffer(const grpc::ByteBuffer& bytes, Message& message) {
  grpc::ByteBuffer copy(bytes);  // counts a reference; parsing consumes it
  return grpc::SerializationTraits<Message>::Deserialize(&copy, &message).ok();
}

}  // namespace tokeninventory
