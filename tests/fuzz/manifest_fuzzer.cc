// Any text as a manifest: problems that say where they are, or programs that can
// be run on any page without a crash, without end, and without a word of what the
// page holds.
//
// Input: the manifest; behind a form feed, which YAML cannot have, the body of a
// page, where every `~` is a marker.
#include <sanitizer/lsan_interface.h>

#include <string>

#include "base/yaml_proto.h"
#include "connectors/local_page_reader.h"
#include "connectors/manifest.h"
#include "tests/fuzz/reading_checks.h"

namespace tokeninventory {
namespace {

using testing::CheckContent;
using testing::CheckReason;

// Programs need microseconds; those that never end are stopped.
constexpr absl::Duration kTimeLimit = absl::Milliseconds(50);

// One line each that begins with the file.
void CheckProblems(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) {
    TI_FUZZ_CHECK(absl::StartsWith(problem, "m.yaml:"));
    for (const char c : problem) {
      TI_FUZZ_CHECK(!absl::ascii_iscntrl(static_cast<unsigned char>(c)));
    }
  }
}

void ReadPageOf(const CompiledManifest& manifest, JqPrograms& programs,
                const CompiledStream& stream, const std::string& body) {
  TemplateValues values;
  values.param = JsonValue::Object();
  for (const v1::ManifestParam& param : manifest.spec.params()) {
    values.param.Set(param.name(), JsonValue::String(param.default_()));
  }
  if (stream.parent >= 0) {
    values.parent = JsonValue::Object();
    for (const std::string& member : stream.key_members) {
      values.parent.Set(member, JsonValue::String("x"));
    }
  }
  const absl::StatusOr<PageRequest> request = FirstRequest(manifest, stream, values);
  if (!request.ok()) return CheckReason(request.status().message());

  HttpResponse response;
  response.status = 200;
  response.body = body;
  LocalPageReader pages(&manifest, &programs);
  const absl::StatusOr<PageVerdict> verdict =
      pages.Take(response, request->ToJson(), JqContext{values.param, values.parent});
  if (!verdict.ok()) return CheckReason(verdict.status().message());
  if (!verdict->body.ok()) return CheckReason(verdict->body.message());
  MappingNotes notes;
  const absl::StatusOr<PageContent> content = pages.ReadPage(stream, 0, notes);
  if (!content.ok()) return CheckReason(content.status().message());
  CheckContent(manifest, stream, *content, *request, values);
}

void ReadManifest(absl::string_view text, absl::string_view body_text) {
  v1::Manifest spec;
  const YamlReport yaml = ReadYaml("m.yaml", text, spec);
  CheckProblems(yaml.problems);
  // jq takes 25 ms to compile anything: what is no manifest yet goes on now and
  // then, what has many programs never.
  if (spec.streams_size() > 3 || (!yaml.ok() && text.size() % 16 != 0)) return;

  ManifestReport report;
  {
    // jq's compiler loses the words of a program that it does not understand.
    const __lsan::ScopedDisabler not_counted;
    report = LoadManifest("m.yaml", text);
  }
  TI_FUZZ_CHECK(report.ok() == (report.manifest != nullptr));
  CheckProblems(report.problems);
  CheckProblems(report.warnings);
  if (!report.ok() || body_text.empty()) return;
  JqPrograms::Options options;
  options.time_limit = kTimeLimit;
  const std::unique_ptr<JqPrograms> programs = report.manifest->NewPrograms(options);
  TI_FUZZ_CHECK(programs != nullptr);
  const std::string body = testing::WithMarkers(body_text);
  for (const CompiledStream& stream : report.manifest->streams) {
    ReadPageOf(*report.manifest, *programs, stream, body);
  }
}

}  // namespace
}  // namespace tokeninventory

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\f');
  tokeninventory::ReadManifest(input.substr(0, end), end == absl::string_view::npos
                                                         ? absl::string_view()
                                                         : input.substr(end + 1));
  return 0;
}
