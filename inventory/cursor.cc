#include "inventory/cursor.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "inventory/errors.h"

namespace tokeninventory {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kMaxTokenText = 4096;
constexpr std::size_t kChecksumBytes = 4;

std::string Checksum(absl::string_view payload) {
  const std::uint64_t hash = StableHash(payload);
  std::string sum;
  for (std::size_t i = 0; i < kChecksumBytes; ++i) sum += static_cast<char>(hash >> (8 * i));
  return sum;
}

std::string Seal(const std::string& payload) {
  return absl::WebSafeBase64Escape(absl::StrCat(payload, Checksum(payload)));
}

template <typename Cursor>
bool Unseal(absl::string_view text, Cursor& cursor) {
  std::string bytes;
  if (text.size() > kMaxTokenText || !absl::WebSafeBase64Unescape(text, &bytes) ||
      bytes.size() < kChecksumBytes) {
    return false;
  }
  const std::string payload = bytes.substr(0, bytes.size() - kChecksumBytes);
  return bytes.substr(payload.size()) == Checksum(payload) && cursor.ParseFromString(payload) &&
         cursor.version() == kVersion;
}

}  // namespace

std::uint64_t StableHash(absl::string_view text) {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ull;
  }
  return hash;
}

std::string EncodeResumeToken(absl::string_view epoch, std::int64_t revision) {
  internal::v1::ResumeCursor cursor;
  cursor.set_version(kVersion);
  cursor.set_epoch(std::string(epoch));
  cursor.set_revision(revision);
  return Seal(cursor.SerializeAsString());
}

std::string EncodePageToken(const internal::v1::PageCursor& cursor) {
  internal::v1::PageCursor sealed = cursor;
  sealed.set_version(kVersion);
  return Seal(sealed.SerializeAsString());
}

absl::StatusOr<std::int64_t> DecodeResumeToken(absl::string_view token, absl::string_view epoch) {
  internal::v1::ResumeCursor cursor;
  if (!Unseal(token, cursor) || cursor.revision() < 0) {
    return FieldError("resume_token", "INVALID_RESUME_TOKEN",
                      "is not a resume token that this service gave");
  }
  if (cursor.epoch() != epoch) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "STORE_EPOCH_CHANGED",
                     "resume_token: from another store, or from before this one was restored; "
                     "start again from the initial state");
  }
  return cursor.revision();
}

absl::StatusOr<internal::v1::PageCursor> DecodePageToken(absl::string_view token,
                                                         absl::string_view epoch,
                                                         std::uint64_t request_hash) {
  internal::v1::PageCursor cursor;
  if (!Unseal(token, cursor) || cursor.epoch() != epoch || cursor.after() < 0) {
    return FieldError("page_token", "INVALID_PAGE_TOKEN",
                      "is not a page token that this service gave; start again without it");
  }
  if (cursor.request_hash() != request_hash) {
    return FieldError("page_token", "PAGE_TOKEN_MISMATCH",
                      "belongs to another request: only page_size may differ between pages");
  }
  return cursor;
}

}  // namespace tokeninventory
