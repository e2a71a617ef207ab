#include "server/byte_messages.h"

#include <utility>

namespace tokeninventory {
namespace {

// Up to here a copy costs less than an owner.
constexpr std::size_t kCopied = 4096;

// `owner` keeps `bytes` alive until gRPC drops the slice.
template <typename Owner>
grpc::ByteBuffer MakeBuffer(const std::string& bytes, std::unique_ptr<Owner> owner) {
  // gRPC's signature is not const, but it does not write to a slice it sends.
  void* const data = const_cast<char*>(bytes.data());
  const grpc::Slice slice(
      data, bytes.size(), [](void* user_data) { delete static_cast<Owner*>(user_data); },
      owner.release());
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  if (bytes.size() <= kCopied) {
    const grpc::Slice slice(bytes);
    return grpc::ByteBuffer(&slice, 1);
  }
  auto owner = std::make_unique<std::string>(std::move(bytes));
  const std::string& kept = *owner;
  return MakeBuffer(kept, std::move(owner));
}

grpc::ByteBuffer ToByteBuffer(std::shared_ptr<const std::string> bytes) {
  const std::string& kept = *bytes;
  return MakeBuffer(kept, std::make_unique<std::shared_ptr<const std::string>>(std::move(bytes)));
}

std::shared_ptr<const grpc::ByteBuffer> SharedByteBuffer::Of(
    const std::shared_ptr<const std::string>& bytes) {
  MutexLock lock(mutex_);
  std::shared_ptr<const grpc::ByteBuffer> buffer = last_.lock();
  if (buffer != nullptr && bytes_ == bytes.get()) return buffer;
  buffer = std::make_shared<const grpc::ByteBuffer>(ToByteBuffer(bytes));
  last_ = buffer;
  bytes_ = bytes.get();
  return buffer;
}

}  // namespace tokeninventory
