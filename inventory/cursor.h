// The opaque texts that clients carry: resume tokens and page tokens. Not
// secret, and never trusted: everything in them is checked on use.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inventory/source_set.h"
#include "tokeninventory/internal/v1/cursor.pb.h"

namespace tokeninventory {

// What a resume token says of the sources that its client was told of; 0 for all.
std::uint64_t VisibleHash(const SourceSet& visible);

// Base64url of the message and a checksum.
std::string EncodeResumeToken(absl::string_view epoch, std::int64_t revision,
                              std::uint64_t visible_hash = 0);
std::string EncodePageToken(const internal::v1::PageCursor& cursor);

// The revision of a resume token of this store. INVALID_ARGUMENT when it is
// none, FAILED_PRECONDITION (STORE_EPOCH_CHANGED) when it is another store's.
// Does not look at whether the revision is there. `visible_hash`, unless null, is set to
// the token's.
absl::StatusOr<std::int64_t> DecodeResumeToken(absl::string_view token, absl::string_view epoch,
                                               std::uint64_t* visible_hash = nullptr);

// INVALID_ARGUMENT (field `page_token`) when it is none, is another store's, or
// was made for a request with another hash.
absl::StatusOr<internal::v1::PageCursor> DecodePageToken(absl::string_view token,
                                                         absl::string_view epoch,
                                                         std::uint64_t request_hash);

// The cursor that a request's page begins with: a new one for an empty `page_token`,
// which fixes what all pages of the list share (`revision`, and `now` for its filter),
// else DecodePageToken.
absl::StatusOr<internal::v1::PageCursor> BeginPage(absl::string_view page_token,
                                                   absl::string_view epoch,
                                                   std::uint64_t request_hash,
                                                   std::int64_t revision, absl::Time now);

// What a page token's request hash holds of the sources that its caller may see: what other
// sources' pages hold does not fit between these. Empty for all.
std::string VisiblePart(const SourceSet& visible);

// A hash for PageCursor::request_hash that is the same in every process.
std::uint64_t StableHash(absl::string_view text);
// 128 bits of it, in hexadecimal: an id of what `text` says.
std::string StableDigest(absl::string_view text);

}  // namespace tokeninventory
