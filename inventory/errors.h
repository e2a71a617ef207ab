// Errors as clients see them (AIP-193): an absl::Status whose payloads are the
// `google.rpc` details. server/grpc_status.cc puts them on the wire.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tokeninventory {

inline constexpr absl::string_view kErrorDomain = "tokeninventory";

using ErrorMetadata = std::initializer_list<std::pair<absl::string_view, std::string>>;

// `status` code and message with an ErrorInfo.
absl::Status MakeError(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                       ErrorMetadata metadata = {});

// INVALID_ARGUMENT with ErrorInfo and a BadRequest that names `field`.
absl::Status FieldError(absl::string_view field, absl::string_view reason,
                        absl::string_view description);

// UNAVAILABLE or RESOURCE_EXHAUSTED with ErrorInfo and RetryInfo.
absl::Status RetryableError(absl::StatusCode code, absl::string_view reason,
                            absl::string_view message, absl::Duration retry_delay);

}  // namespace tokeninventory
