// Any bytes as a vendor's answer, read as a page of a built-in manifest's stream
// or as the look-up of one of its tokens: a reason without the vendor's values, or
// tokens that can be kept and a next request that stays at the vendor's host.
//
// Input: a byte that chooses the stream, one whose lowest bit chooses the look-up,
// then `STATUS\nNAME: VALUE\n…\n\nBODY`, where every `~` is a marker.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "connectors/embedded.h"
#include "connectors/json_value.h"
#include "connectors/local_page_reader.h"
#include "connectors/manifest.h"
#include "tests/fuzz/reading_checks.h"

namespace tokeninventory {
namespace {

using testing::CheckContent;
using testing::CheckReason;
using testing::WithMarkers;

// A stream with all that it takes to read a page of it.
struct Listing {
  std::shared_ptr<const CompiledManifest> manifest;
  const CompiledStream* stream = nullptr;
  std::shared_ptr<JqPrograms> programs;  // one for each manifest
  TemplateValues values;
  PageRequest first;
  PageRequest fetch;  // where the stream has one
};

std::vector<Listing> AllListings() {
  std::vector<Listing> listings;
  for (const EmbeddedManifest& embedded : BuiltInManifests()) {
    Listing listing;
    listing.manifest = LoadManifest(embedded.file, embedded.text).manifest;
    TI_FUZZ_CHECK(listing.manifest != nullptr);
    listing.programs = listing.manifest->NewPrograms({});
    listing.values.param = JsonValue::Object();
    for (const v1::ManifestParam& param : listing.manifest->spec.params()) {
      listing.values.param.Set(param.name(), param.default_().empty()
                                                 ? JsonValue()
                                                 : JsonValue::String(param.default_()));
    }
    listing.values.id = "id";
    listing.values.known_id = "known";
    for (const CompiledStream& stream : listing.manifest->streams) {
      listing.stream = &stream;
      listing.values.parent = JsonValue();
      if (stream.parent >= 0) {
        listing.values.parent = JsonValue::Object();
        for (const std::string& member : stream.key_members) {
          listing.values.parent.Set(member, JsonValue::String("x"));
        }
      }
      listing.first = FirstRequest(*listing.manifest, stream, listing.values).value();
      if (stream.fetch.present) {
        listing.fetch = FetchRequest(*listing.manifest, stream, listing.values).value();
      }
      listings.push_back(listing);
    }
  }
  return listings;
}

// As the HTTP client gives it: names in lower case, each once.
HttpResponse ReadResponse(absl::string_view text) {
  HttpResponse response;
  response.status = 200;
  const std::size_t end = text.find("\n\n");
  const absl::string_view head = text.substr(0, end);
  if (end != absl::string_view::npos) response.body = WithMarkers(text.substr(end + 2));
  bool first = true;
  for (const absl::string_view line : absl::StrSplit(head, '\n')) {
    if (std::exchange(first, false)) {
      if (!absl::SimpleAtoi(line, &response.status)) response.status = 200;
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> header =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    const std::string name = absl::AsciiStrToLower(header.first);
    if (response.Header(name) == nullptr) {
      response.headers.emplace_back(name, WithMarkers(header.second));
    }
  }
  return response;
}

void ReadAnswer(const Listing& listing, bool fetched, const HttpResponse& response) {
  const PageRequest& request = fetched ? listing.fetch : listing.first;
  const JqContext context{listing.values.param, listing.values.parent};
  LocalPageReader pages(listing.manifest.get(), listing.programs.get());
  const absl::StatusOr<PageVerdict> verdict = pages.Take(response, request.ToJson(), context);
  if (!verdict.ok()) return CheckReason(verdict.status().message());
  if (!verdict->body.ok()) return CheckReason(verdict->body.message());

  MappingNotes notes;
  const absl::StatusOr<PageContent> content = fetched ? pages.ReadFetched(*listing.stream, notes)
                                                      : pages.ReadPage(*listing.stream, 0, notes);
  if (!content.ok()) return CheckReason(content.status().message());
  CheckContent(*listing.manifest, *listing.stream, *content, request, listing.values);
}

}  // namespace
}  // namespace tokeninventory

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto& listings = *new auto(tokeninventory::AllListings());
  if (size < 2) return 0;
  const auto& listing = listings[data[0] % listings.size()];
  const bool fetched = (data[1] & 1) != 0 && listing.stream->fetch.present;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  tokeninventory::ReadAnswer(listing, fetched, tokeninventory::ReadResponse(text));
  return 0;
}
