// Not a test: prints what a page costs from its bytes to tokens, in CPU time of
// the thread.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "tests/connectors/manifest_fixture.h"

namespace tokeninventory {
namespace {

double CpuMicros() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// The saved page's first record `count` times, each with an id of its own.
std::string Repeat(const std::string& record, const std::string& id, int count) {
  std::string rows;
  for (int i = 0; i < count; ++i) {
    std::string row = record;
    char text[40];
    std::snprintf(text, sizeof(text), "00000000-0000-4000-8000-%012d", i);
    for (std::size_t at = 0; (at = row.find(id, at)) != std::string::npos;) {
      row.replace(at, id.size(), text);
    }
    rows += (i == 0 ? "" : ",") + row;
  }
  return rows;
}

void Measure(const std::string& vendor, const std::string& stream, const std::string& body,
             const JsonValue& parent, int rows) {
  testing::ManifestFixture fixture(testing::BuiltInText(vendor));
  std::vector<double> parse;
  std::vector<double> read;
  for (int round = 0; round < 30; ++round) {
    const double start = CpuMicros();
    const JsonValue json = *JsonValue::Parse(body);
    const double parsed = CpuMicros();
    HttpResponse response;
    response.status = 200;
    const JsonValue page = MakePage(response, json, JsonValue::Object());
    MappingNotes notes;
    const CompiledStream& of = fixture.stream(stream);
    TemplateValues values;
    values.param = fixture.param();
    values.parent = parent;
    const JsonValue request = FirstRequest(fixture.manifest(), of, values)->ToJson();
    const absl::StatusOr<PageContent> content = fixture.pages().ReadPage(
        of, MakePage(response, json, request), 0, JqContext{fixture.param(), parent}, notes);
    if (!content.ok() || content->bad_rows != 0 ||
        content->rows.size() != static_cast<std::size_t>(rows)) {
      std::printf("%s: cannot be read\n", vendor.c_str());
      return;
    }
    const double mapped = CpuMicros();
    parse.push_back((parsed - start) / rows);
    read.push_back((mapped - parsed) / rows);
  }
  std::sort(parse.begin(), parse.end());
  std::sort(read.begin(), read.end());
  std::printf("%-10s %-22s %5zu B/record  parse %5.1f  jq+mapping %5.1f  sum %5.1f us/token\n",
              vendor.c_str(), stream.c_str(), body.size() / static_cast<std::size_t>(rows),
              parse[parse.size() / 2], read[read.size() / 2],
              parse[parse.size() / 2] + read[read.size() / 2]);
}

}  // namespace
}  // namespace tokeninventory

int main() {
  using tokeninventory::Measure;
  using tokeninventory::Repeat;
  using tokeninventory::testing::ReadTestData;
  using tokeninventory::testing::Texts;
  const std::string opal =
      R"({"token_id":"X","created_at":"2022-01-23T04:56:07.000Z","token_preview":"ab123","token_label":"CI deploy","creator_user_id":"d4a7d928-783e-4599-8ec6-088d635a5bcc","user_id":"29827fb8-f2dd-4e80-9576-28e31e9934ac","access_level":"FULL_ACCESS","last_used_at":"2022-01-23T04:56:07.000Z","expires_at":"2023-01-23T04:56:07.000Z"})";
  Measure("opal", "tokens", "{\"results\":[" + Repeat(opal, "X", 1000) + "]}", {}, 1000);
  const std::string deepset =
      R"({"api_token_id":"X","name":"deploy","masked_token":"api_****wxyz","personal":false,"expires":true,"expires_at":"2027-03-01T09:30:00.123Z","user":{"given_name":"Ada","family_name":"Lovelace"},"role":"admin","organization_role":"ADMIN","workspaces":[{"name":"production"}],"all_workspaces":false})";
  Measure("deepset", "workspace_tokens",
          "{\"has_more\":false,\"total\":100,\"data\":[" + Repeat(deepset, "X", 100) + "]}",
          Texts({{"name", "production"}}), 100);
  const std::string model =
      R"({"model_registry_token_id":"X","provider":"huggingface","provider_domain":"huggingface.co","invalid":false})";
  Measure("deepset", "model_registry_tokens", "[" + Repeat(model, "X", 100) + "]", {}, 100);
  std::string registry = ReadTestData("buildkite/registry_token.json");
  Measure("buildkite", "registry_tokens",
          "[" + Repeat(registry, "0191b6a2-aa51-70d0-8a5f-aabce115b0fd", 100) + "]",
          Texts({{"org", "my_great_org"}, {"slug", "my-registry"}}), 100);
}
