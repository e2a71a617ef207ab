// From one page of a listing to what it holds: rows, tokens, items for child
// streams, the next request. Asks nobody: what check-manifest shows is what a
// pass would see.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "connectors/http/http_client.h"
#include "connectors/jq_program.h"
#include "connectors/json_value.h"
#include "connectors/manifest.h"
#include "connectors/token_mapping.h"
#include "inventory/pass.h"

namespace tokeninventory {

// What one row became.
struct PageRow {
  // Tells the row from others of the listing: by its token's id, its item, or all
  // of it.
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

// A response as page programs see it; `request` is what JsonOfRequest made.
// `body` is null when it is no JSON.
JsonValue MakePage(const HttpResponse& response, const JsonValue& body, const JsonValue& request);

// Used by one thread at a time.
class PageReader {
 public:
  // Both must outlive this.
  PageReader(const CompiledManifest* manifest, JqPrograms* programs)
      : manifest_(manifest), programs_(programs) {}

  // Reads a page (as MakePage makes it) of a stream's listing. `rows_before` were
  // on the pages before it. Errors name the program and carry no values: the page
  // cannot be read. A row that cannot be read only counts.
  absl::StatusOr<PageContent> ReadPage(const CompiledStream& stream, JsonValue page,
                                       std::int64_t rows_before, const JqContext& context,
                                       MappingNotes& notes);

  // Reads the answer of a stream's `fetch`.
  absl::StatusOr<PageContent> ReadFetched(const CompiledStream& stream, const JsonValue& page,
                                          const JqContext& context, MappingNotes& notes);

  // What the manifest's `error` says of a response; empty for nothing.
  absl::StatusOr<std::string> ReadError(const JsonValue& page, const JqContext& context);

 private:
  absl::StatusOr<JsonValue> Run(int program, const JsonValue& input, const JqContext& context);
  void ReadRows(const CompiledStream& stream, const JsonValue& rows, bool want_items,
                const JqContext& context, PageContent& content, MappingNotes& notes);

  const CompiledManifest* const manifest_;
  JqPrograms* const programs_;
};

}  // namespace tokeninventory
