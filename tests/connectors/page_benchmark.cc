// Not a test: prints what a page costs from its bytes to tokens, in CPU time, read in
// one process and by a worker.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "connectors/page_worker/page_workers.h"
#include "tests/connectors/manifest_fixture.h"
#include "tests/connectors/worker_pids.h"

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

// Of another process.
double CpuMicrosOf(pid_t pid) {
  clockid_t clock{};
  timespec now{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &now) != 0) return 0;
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Measure(const std::string& vendor, const std::string& stream, const std::string& body,
             const JsonValue& parent, int rows) {
  testing::ManifestFixture fixture(testing::BuiltInText(vendor));
  PageWorkers::Options options;
  options.program = TI_PAGE_WORKER;
  options.max_cache_bytes = 0;
  const auto workers = std::make_shared<PageWorkers>(options);
  const std::unique_ptr<PageReader> remote =
      workers->Lease(vendor, fixture.shared(), std::stop_token()).value();
  const pid_t pid = testing::WorkerPids().at(0);

  const CompiledStream& of = fixture.stream(stream);
  TemplateValues values;
  values.param = fixture.param();
  values.parent = parent;
  const JsonValue request = FirstRequest(fixture.manifest(), of, values)->ToJson();
  const JqContext context{fixture.param(), parent};
  HttpResponse response;
  response.status = 200;
  response.body = body;
  // Both read one page after the other, so that the machine is the same for both.
  std::vector<double> here, service, worker;
  const auto read = [&](PageReader& pages) {
    MappingNotes notes;
    const double start = CpuMicros();
    const double start_of_worker = CpuMicrosOf(pid);
    if (!pages.Take(response, request, context).ok()) return false;
    const absl::StatusOr<PageContent> content = pages.ReadPage(of, 0, notes);
    if (!content.ok() || content->rows.size() != static_cast<std::size_t>(rows)) return false;
    const double micros = (CpuMicros() - start) / rows;
    if (&pages == remote.get()) {
      service.push_back(micros);
      worker.push_back((CpuMicrosOf(pid) - start_of_worker) / rows);
    } else {
      here.push_back(micros);
    }
    return true;
  };
  for (int round = 0; round < 31; ++round) {
    if (read(fixture.pages()) && read(*remote)) continue;
    std::printf("%s: cannot be read\n", vendor.c_str());
    return;
  }
  std::printf(
      "%-10s %-22s %5zu B/record  in one process %5.1f  with a worker %5.1f = service %4.1f + "
      "worker %5.1f us/token\n",
      vendor.c_str(), stream.c_str(), body.size() / static_cast<std::size_t>(rows), Median(here),
      Median(service) + Median(worker), Median(service), Median(worker));
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
