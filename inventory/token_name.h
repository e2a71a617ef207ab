// Resource names: `sources/{source}` and `sources/{source}/tokens/{token}`.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// The longest vendor id (behind its prefix) that a name can carry.
inline constexpr std::size_t kMaxTokenIdBytes = 512;
// The longest resource name.
inline constexpr std::size_t kMaxNameBytes = 1024;

// Percent-encodes what is outside `[A-Za-z0-9._~-]`.
std::string EncodeTokenId(absl::string_view id);

// How long EncodeTokenId makes it.
std::size_t EncodedIdSize(absl::string_view id);

// `sources/{source}`.
std::string SourceName(absl::string_view source);

// `sources/{source}/tokens/{encoded id}`.
std::string TokenName(absl::string_view source, absl::string_view id);

// Whether `id` can be a source's id: `[a-z]([a-z0-9-]{0,61}[a-z0-9])?`.
bool IsSourceId(absl::string_view id);

// The id in a source's name that is known to be good.
absl::string_view SourceIdOf(absl::string_view source_name);

// The source of `sources/{source}`; `-` where `allow_wildcard`. INVALID_ARGUMENT
// (field `field`) when `name` is not of that form.
absl::StatusOr<std::string> ParseSourceName(absl::string_view name, absl::string_view field,
                                            bool allow_wildcard);

// OK when `name` is of the form `sources/{source}/tokens/{token}`, in its one
// canonical encoding; else INVALID_ARGUMENT (field `field`).
absl::Status CheckTokenName(absl::string_view name, absl::string_view field);

}  // namespace tokeninventory
