// From a vendor's answer to what it holds: rows, tokens, items for child streams,
// the next request. Asks nobody: what check-manifest shows is what a pass would see.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/http/http_client.h"
#include "connectors/jq_program.h"
#include "connectors/json_value.h"
#include "connectors/manifest.h"
#include "connectors/token_mapping.h"
#include "inventory/pass.h"

namespace tokeninventory {

// What one row became.
struct PageRow {
  // Tells the row from others of the listing: by its token's id, its item, or a digest
  // of all of it.
  std::string identity;
  std::vector<ObservedToken> tokens;
  // A flat object of texts; null when the row is none.
  JsonValue item;
};

// A page.
struct PageContent {
  std::vector<PageRow> rows;  // those that could be read
  std::int64_t row_count = 0;
  std::int64_t bad_rows = 0;
  std::string first_bad_row;  // why; empty when there is none
  // Null at the end of the listing.
  JsonValue next;
  // What the vendor says how many rows there are.
  std::optional<double> total;
};

// What an answer is, before its rows are looked at.
struct PageVerdict {
  // What the manifest's `error` says of it; empty for nothing.
  std::string error_word;
  // INVALID_ARGUMENT, with the place and never a piece of it, when the body is no
  // JSON: then there is nothing to read.
  absl::Status body;
};

// Takes one answer after the other and reads what is asked for of the last. Errors
// are one line and carry no values of the vendor's:
//   INVALID_ARGUMENT   it cannot be read
//   DEADLINE_EXCEEDED  a program does not end, or reading takes too long
//   UNAVAILABLE        what reads it is not there, or was lost over it
//   CANCELLED          a stop was asked for
// Each costs the page and nothing else; the next answer can be taken. Used by one
// thread at a time.
class PageReader {
 public:
  virtual ~PageReader() = default;

  // Takes an answer instead of the one before. `request` is the one that it
  // answers, as programs see it (PageRequest::ToJson).
  virtual absl::StatusOr<PageVerdict> Take(const HttpResponse& response, const JsonValue& request,
                                           const JqContext& context) = 0;

  // Reads the answer as a page of the stream's listing, and lets go of it.
  // `rows_before` were on the pages before it. A row that cannot be read only
  // counts. FAILED_PRECONDITION when there is no answer to read.
  virtual absl::StatusOr<PageContent> ReadPage(const CompiledStream& stream,
                                               std::int64_t rows_before, MappingNotes& notes) = 0;

  // The same with the answer to a stream's `fetch`.
  virtual absl::StatusOr<PageContent> ReadFetched(const CompiledStream& stream,
                                                  MappingNotes& notes) = 0;
};

// What tells a row with tokens or an item from others; empty for one with neither.
std::string IdentityOf(const PageRow& row);

}  // namespace tokeninventory
