// What several commands ask the service for.
#pragma once

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "tokenctl/session.h"

namespace tokeninventory::tokenctl {

// `sources/-` of nothing, `sources/opal` of `opal` and of `sources/opal`.
std::string SourceNameOf(absl::string_view source);

// The name of the token that people mean by `text`: `sources/S/tokens/T`, `S/T`, or a display
// name, vendor's id or uid that only one token has. False after telling why not, with the exit
// code.
bool FindTokenName(Session& session, const std::string& text, std::string& name, ExitCode& code);

// Asks for pages until the last one, or until `limit` (0: none) tokens were given to `each`. The
// view, order and so on are those of `request`. Tells of sources that are out of date.
grpc::Status ListPages(Session& session, v1::ListTokensRequest request, std::int64_t limit,
                       const std::function<void(const v1::ListTokensResponse&)>& each);

// Tells that answers may be incomplete.
void TellUnreachable(Session& session,
                     const google::protobuf::RepeatedPtrField<std::string>& sources);

}  // namespace tokeninventory::tokenctl
