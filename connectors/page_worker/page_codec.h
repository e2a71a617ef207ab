// Pages as messages between the service and a page worker.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "connectors/page_reader.h"
#include "tokeninventory/internal/v1/page_worker.pb.h"

namespace tokeninventory {

// `content` is moved from. INVALID_ARGUMENT when `next` is nested deeper than a
// message may be.
absl::Status EncodePage(PageContent& content, const MappingNotes& notes,
                        internal::v1::ReadPage& out);

// The other way, for whom the message is a stranger's word: what ReadPage of a
// local reader could not have yielded is INVALID_ARGUMENT, without a value of it.
// `page` is moved from; `id_prefix` is the stream's.
absl::StatusOr<PageContent> DecodePage(internal::v1::ReadPage& page, absl::string_view id_prefix,
                                       MappingNotes& notes);

// A reason as it may be shown: one line of at most 1 KiB.
std::string CleanReason(absl::string_view text);

}  // namespace tokeninventory
