// Reads pages with jq in this process. The service does not: there it stands in a
// worker (connectors/page_worker), since a hostile body or an endless program may
// take the process with it.
#pragma once

#include <cstdint>

#include "connectors/jq_program.h"
#include "connectors/json_value.h"
#include "connectors/manifest.h"
#include "connectors/page_reader.h"

namespace tokeninventory {

class LocalPageReader final : public PageReader {
 public:
  // Both must outlive this.
  LocalPageReader(const CompiledManifest* manifest, JqPrograms* programs)
      : manifest_(manifest), programs_(programs) {}

  absl::StatusOr<PageVerdict> Take(const HttpResponse& response, const JsonValue& request,
                                   const JqContext& context) override;
  absl::StatusOr<PageContent> ReadPage(const CompiledStream& stream, std::int64_t rows_before,
                                       MappingNotes& notes) override;
  absl::StatusOr<PageContent> ReadFetched(const CompiledStream& stream,
                                          MappingNotes& notes) override;

 private:
  absl::StatusOr<JsonValue> Run(int program, const JsonValue& input);
  absl::StatusOr<JsonValue> RunForRows(int program, const JsonValue& page);
  void ReadRows(const CompiledStream& stream, const JsonValue& rows, bool want_items,
                PageContent& content, MappingNotes& notes);

  const CompiledManifest* const manifest_;
  JqPrograms* const programs_;
  // As programs see it; null when there is no answer to read.
  JsonValue page_;
  JqContext context_;
};

}  // namespace tokeninventory
