#include "inventory/cursor.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/proto_time.h"
#include "inventory/errors.h"

namespace tokeninventory {
namespace {

constexpr int kVersion = 1;
// An ordered list's sort key has up to 3 KiB.
constexpr std::size_t kMaxTokenText = 8192;
constexpr std::size_t kChecksumBytes = 4;

// What a text is for goes into its checksum: a page token is no resume token.
constexpr absl::string_view kResume = "resume";
constexpr absl::string_view kPage = "page";

std::string Checksum(absl::string_view purpose, absl::string_view payload) {
  const std::uint64_t hash = StableHash(absl::StrCat(purpose, "|", payload));
  std::string sum;
  for (std::size_t i = 0; i < kChecksumBytes; ++i) sum += static_cast<char>(hash >> (8 * i));
  return sum;
}

std::string Seal(absl::string_view purpose, const std::string& payload) {
  return absl::WebSafeBase64Escape(absl::StrCat(payload, Checksum(purpose, payload)));
}

template <typename Cursor>
bool Unseal(absl::string_view purpose, absl::string_view text, Cursor& cursor) {
  std::string bytes;
  // Unescaping is lenient (spaces, spare bits); a token has one form.
  if (text.size() > kMaxTokenText || !absl::WebSafeBase64Unescape(text, &bytes) ||
      absl::WebSafeBase64Escape(bytes) != text || bytes.size() < kChecksumBytes) {
    return false;
  }
  const std::string payload = bytes.substr(0, bytes.size() - kChecksumBytes);
  return bytes.substr(payload.size()) == Checksum(purpose, payload) &&
         cursor.ParseFromString(payload) && cursor.version() == kVersion;
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

std::string StableDigest(absl::string_view text) {
  return absl::StrFormat("%016x%016x", StableHash(absl::StrCat("1|", text)),
                         StableHash(absl::StrCat("2|", text)));
}

std::uint64_t VisibleHash(const SourceSet& visible) {
  if (visible.all()) return 0;
  const std::uint64_t hash = StableHash(absl::StrCat("visible|", visible.Key()));
  return hash == 0 ? 1 : hash;
}

std::string VisiblePart(const SourceSet& visible) {
  return visible.all() ? std::string() : absl::StrCat("|", visible.Key());
}

std::string EncodeResumeToken(absl::string_view epoch, std::int64_t revision,
                              std::uint64_t visible_hash) {
  internal::v1::ResumeCursor cursor;
  cursor.set_version(kVersion);
  cursor.set_epoch(std::string(epoch));
  cursor.set_revision(revision);
  cursor.set_visible(visible_hash);
  return Seal(kResume, cursor.SerializeAsString());
}

std::string EncodePageToken(const internal::v1::PageCursor& cursor) {
  internal::v1::PageCursor sealed = cursor;
  sealed.set_version(kVersion);
  return Seal(kPage, sealed.SerializeAsString());
}

absl::StatusOr<std::int64_t> DecodeResumeToken(absl::string_view token, absl::string_view epoch,
                                               std::uint64_t* visible_hash) {
  internal::v1::ResumeCursor cursor;
  if (!Unseal(kResume, token, cursor) || cursor.revision() < 0) {
    return FieldError("resume_token", "INVALID_RESUME_TOKEN",
                      "is not a resume token that this service gave");
  }
  if (cursor.epoch() != epoch) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "STORE_EPOCH_CHANGED",
                     "resume_token: from another store, or from before this one was restored; "
                     "start again from the initial state");
  }
  if (visible_hash != nullptr) *visible_hash = cursor.visible();
  return cursor.revision();
}

absl::StatusOr<internal::v1::PageCursor> DecodePageToken(absl::string_view token,
                                                         absl::string_view epoch,
                                                         std::uint64_t request_hash) {
  internal::v1::PageCursor cursor;
  if (!Unseal(kPage, token, cursor) || cursor.epoch() != epoch || cursor.after() < 0) {
    return FieldError("page_token", "INVALID_PAGE_TOKEN",
                      "is not a page token that this service gave; start again without it");
  }
  if (cursor.request_hash() != request_hash) {
    return FieldError(
        "page_token", "PAGE_TOKEN_MISMATCH",
        "belongs to another request: nothing may differ between pages but page_size, skip and "
        "min_revision");
  }
  return cursor;
}

absl::StatusOr<internal::v1::PageCursor> BeginPage(absl::string_view page_token,
                                                   absl::string_view epoch,
                                                   std::uint64_t request_hash,
                                                   std::int64_t revision, absl::Time now) {
  if (!page_token.empty()) return DecodePageToken(page_token, epoch, request_hash);
  internal::v1::PageCursor cursor;
  cursor.set_epoch(std::string(epoch));
  cursor.set_request_hash(request_hash);
  cursor.set_first_revision(revision);
  ToProto(now, cursor.mutable_now_time());
  return cursor;
}

}  // namespace tokeninventory
