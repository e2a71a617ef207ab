#include "storage/scope_marks.h"

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "google/protobuf/io/coded_stream.h"

namespace tokeninventory {
namespace {

using ::google::protobuf::io::CodedInputStream;
using ::google::protobuf::io::CodedOutputStream;

constexpr std::size_t kMaxVarintBytes = 10;

void AppendVarint(std::uint64_t value, std::string& out) {
  std::array<std::uint8_t, kMaxVarintBytes> bytes;
  std::uint8_t* const end = CodedOutputStream::WriteVarint64ToArray(value, bytes.data());
  out.append(bytes.data(), end);
}

}  // namespace

void EncodeScopeMarks(const std::vector<ScopeMark>& marks, std::string& encoded) {
  encoded.clear();
  for (const ScopeMark& mark : marks) {
    AppendVarint(static_cast<std::uint64_t>(mark.scope), encoded);
    AppendVarint(static_cast<std::uint32_t>(mark.missed), encoded);
  }
}

absl::Status DecodeScopeMarks(absl::string_view encoded, std::vector<ScopeMark>& marks) {
  marks.clear();
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(encoded.data()),
                      static_cast<int>(encoded.size()));
  while (in.CurrentPosition() < static_cast<int>(encoded.size())) {
    std::uint64_t scope = 0;
    std::uint64_t missed = 0;
    if (!in.ReadVarint64(&scope) || !in.ReadVarint64(&missed) || missed > UINT32_MAX) {
      return absl::DataLossError("a token's scope marks cannot be decoded");
    }
    marks.push_back({static_cast<std::int64_t>(scope),
                     static_cast<std::int32_t>(static_cast<std::uint32_t>(missed))});
  }
  return absl::OkStatus();
}

}  // namespace tokeninventory
