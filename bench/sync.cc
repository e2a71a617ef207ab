// What it costs to read the vendors: the simulator's tokens for the first time, then
// again without a change, with some, and what readers notice of it.
#include <curl/curl.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/lib/cpu_time.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/free_port.h"
#include "bench/lib/load_client.h"
#include "bench/lib/service.h"
#include "tests/testing/temp_dir.h"
#include "tests/vendor_sim/credentials.h"
#include "tokeninventory/v1/sources.grpc.pb.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::bench {
namespace {

constexpr const char* kVendors[] = {"deepset", "opal", "buildkite"};
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(20);

// The simulator, on the load's core.
class Simulator {
 public:
  explicit Simulator(int tokens)
      : port_(FreePort()),
        process_({{ProgramPath("vendor-sim"), "--port", absl::StrCat(port_), "--tokens",
                   absl::StrCat(tokens), "--no-rate-limits", "--commands"},
                  ClientCore()}) {
    process_.AwaitOutput("stop with");
  }
  // Another number than before: its answer is known by it.
  void Change(int tokens) {
    process_.Say(absl::StrCat("churn ", tokens));
    process_.AwaitOutput(absl::StrCat(" of ", tokens, " changes"));
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }
  // As lines of a config.yaml: VENDOR-sim.
  std::string SourceConfigs() const {
    std::string lines;
    for (const char* vendor : kVendors) {
      lines += SourceConfig(absl::StrCat(vendor, "-sim"), vendor, url());
    }
    return lines;
  }

 private:
  const int port_;
  Process process_;
};

// What the simulator's vendors came to.
struct SourcesState {
  bool complete = true;
  std::int64_t tokens = 0;
};

SourcesState LookAt(v1::Sources::Stub& stub) {
  grpc::ClientContext context;
  v1::ListSourcesResponse response;
  if (!stub.ListSources(&context, {}, &response).ok()) Fail("no sources");
  SourcesState state;
  for (const v1::Source& source : response.sources()) {
    if (source.name().find("-sim") == std::string::npos) continue;
    state.complete = state.complete && source.state() == v1::Source::OK;
    state.tokens += source.token_count();
  }
  return state;
}

std::int64_t AwaitFirstPasses(v1::Sources::Stub& stub) {
  SourcesState state = LookAt(stub);
  for (; !state.complete; state = LookAt(stub)) absl::SleepFor(kBetweenLooks);
  return state.tokens;
}

// One more pass over each, all at once.
void SyncAll(v1::Sources::Stub& stub) {
  std::vector<std::thread> threads;
  for (const char* vendor : kVendors) {
    threads.emplace_back([&stub, vendor] {
      grpc::ClientContext context;
      v1::SyncSourceRequest request;
      request.set_name(absl::StrCat("sources/", vendor, "-sim"));
      request.set_fresh(true);
      const auto stream = stub.SyncSource(&context, request);
      v1::SyncSourceResponse response;
      while (stream->Read(&response)) {
      }
      if (!stream->Finish().ok() || response.result().state() != v1::Source::OK) {
        Fail(absl::StrCat("a pass failed: ", response.ShortDebugString()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void WriteConfig(const std::string& folder, const std::string& sources) {
  std::ofstream(folder + "/config.yaml") << "sources:\n" << sources;
}

struct PassCost {
  double micros = 0;  // CPU of the service for a token
  double per_second = 0;
};

template <typename Pass>
PassCost Measured(Process& process, Pass pass) {
  const double cpu = process.CpuSeconds();
  const absl::Time begin = absl::Now();
  const auto tokens = static_cast<double>(pass());
  return {(process.CpuSeconds() - cpu) * 1e6 / tokens,
          tokens / absl::ToDoubleSeconds(absl::Now() - begin)};
}

PassCost FirstSync(const Simulator& sim) {
  const testing::TempDir folder;
  WriteConfig(folder.path(), sim.SourceConfigs());
  Service service(folder.path());
  const auto stub = v1::Sources::NewStub(ConnectTo(service.port()));
  return Measured(service.process(), [&] { return AwaitFirstPasses(*stub); });
}

std::size_t Append(char* data, std::size_t, std::size_t size, void* body) {
  static_cast<std::string*>(body)->append(data, size);
  return size;
}

// CPU microseconds for each token of Opal's pages, fetched and thrown away.
double FetchAlone(const Simulator& sim) {
  CURL* const curl = curl_easy_init();
  const std::string authorization = absl::StrCat("Authorization: Bearer ", vendor_sim::kOpalToken);
  curl_slist* const headers = curl_slist_append(nullptr, authorization.c_str());
  const double begin = ThisProcessCpuSeconds();
  std::int64_t tokens = 0;
  std::string cursor;
  do {
    std::string body;
    std::string url = sim.url() + "/v1/tokens?page_size=1000";
    if (!cursor.empty()) absl::StrAppend(&url, "&cursor=", cursor);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    if (curl_easy_perform(curl) != CURLE_OK) Fail("the simulator does not answer");
    for (std::size_t at = 0; (at = body.find("\"token_id\"", at)) != std::string::npos; ++at) {
      ++tokens;
    }
    constexpr absl::string_view kNext = "\"next\":\"";
    const std::size_t next = body.find(std::string(kNext));
    cursor.clear();
    if (next == std::string::npos) continue;
    const std::size_t from = next + kNext.size();
    char* const escaped =
        curl_easy_escape(curl, body.c_str() + from, static_cast<int>(body.find('"', from) - from));
    cursor = escaped;
    curl_free(escaped);
  } while (!cursor.empty());
  const double cpu = ThisProcessCpuSeconds() - begin;
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  if (tokens == 0) Fail("the simulator has no tokens");
  return cpu * 1e6 / static_cast<double>(tokens);
}

void ComparePasses(const Setup& setup) {
  Simulator sim(setup.quick ? 10'000 : 50'000);
  Note("first sync");
  std::vector<double> first_rate;
  const auto first = RunRounds({
                                   [&] {
                                     const PassCost cost = FirstSync(sim);
                                     first_rate.push_back(cost.per_second);
                                     return cost.micros;
                                   },
                                   [&] { return FetchAlone(sim); },
                               },
                               setup.rounds_near_bars());
  Print({"sync-first", "us/token", first[0], {}, {}, AtMost(60)});
  Print({"sync-fetch-alone", "us/token", first[1]});
  Print({"sync-first-rate", "tokens/s", Counted(first_rate), {}, {}, {}, true});

  Note("sync without a change");
  const testing::TempDir folder;
  WriteConfig(folder.path(), sim.SourceConfigs());
  Service service(folder.path());
  const auto stub = v1::Sources::NewStub(ConnectTo(service.port()));
  const std::int64_t tokens = AwaitFirstPasses(*stub);
  std::vector<double> rate;
  const auto again = RunRounds({[&] {
                                 const PassCost cost = Measured(service.process(), [&] {
                                   SyncAll(*stub);
                                   return tokens;
                                 });
                                 rate.push_back(cost.per_second);
                                 return cost.micros;
                               }},
                               setup.rounds);
  Print({"sync-unchanged", "us/token", again[0], {}, {}, AtMost(30)});
  Print({"sync-unchanged-rate", "tokens/s", Counted(rate), {}, {}, {}, true});

  // Hardly a page is as it was.
  Note("sync with a change in a hundred tokens");
  int changes = static_cast<int>(tokens / 100);
  const auto changed = RunRounds({[&] {
                                   sim.Change(changes++);
                                   return Measured(service.process(),
                                                   [&] {
                                                     SyncAll(*stub);
                                                     return tokens;
                                                   })
                                       .micros;
                                 }},
                                 setup.rounds);
  Print({"sync-changed", "us/token", changed[0]});
}

double P99Millis(std::vector<double> micros) {
  std::sort(micros.begin(), micros.end());
  return micros[micros.size() * 99 / 100] / 1e3;
}

// Readers of a store beside which a first pass commits.
void CompareReaders(const Setup& setup) {
  Note("Get while a sync commits");
  const FilledStore store(setup, 20'000);
  const TokenFile tokens(store.tokens_file());
  Calls gets{"/tokeninventory.v1.TokenInventory/GetToken", {}, 8};
  for (const absl::string_view token : tokens.tokens()) {
    v1::GetTokenRequest request;
    request.set_name(KeyOf(token).name);
    gets.requests.push_back(request.SerializeAsString());
  }
  const Simulator sim(setup.quick ? 20'000 : 100'000);
  std::vector<double> during;
  std::vector<double> after;
  for (int round = 0; round < (setup.quick ? 1 : 5); ++round) {
    const testing::TempDir folder;
    for (const char* file : {"inventory.db", "config.yaml"}) {
      std::filesystem::copy_file(store.folder() + "/" + file, folder.File(file));
    }
    std::ofstream(folder.File("config.yaml"), std::ios::app) << sim.SourceConfigs();
    Service service(folder.path());
    LoadClient client(service.port());
    std::atomic<bool> syncing{true};
    std::thread look([&] {
      AwaitFirstPasses(*v1::Sources::NewStub(ConnectTo(service.port())));
      syncing = false;
    });
    during.push_back(P99Millis(client.RunWhile(gets, [&] { return syncing.load(); }).micros));
    look.join();
    after.push_back(P99Millis(client.Run(gets, absl::Seconds(2)).micros));
  }
  Print({"get-p99-during-sync", "ms", during, {"idle", after}});
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) {
  using namespace tokeninventory::bench;
  const Setup setup = ReadArguments(argc, argv);
  // Made before, with all cores.
  FilledStore(setup, 20'000);
  PinThisProcess(ClientCore());
  ComparePasses(setup);
  CompareReaders(setup);
}
