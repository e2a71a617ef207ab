// Prints what watchers cost the service over real gRPC: memory of an idle one, and
// the time from a commit until 1000 active ones have it, with 10 000 idle ones
// beside them. Not a test: it asserts nothing. The client runs on the same
// machine and takes its share of it.
//
// usage: stream_benchmark [IDLE [ACTIVE [ROUNDS]]]
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/client_callback.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/proto_time.h"
#include "tests/e2e/service_process.h"
#include "tests/e2e/test_service.h"

namespace tokeninventory {
namespace {

constexpr int kStreamsPerChannel = 100;

// What all streams together have seen. Thread-safe.
class Tally {
 public:
  void CountStart() {
    MutexLock lock(mutex_);
    ++started_;
    wake_.NotifyAll();
  }
  void CountDelivery(std::int64_t revision, absl::Duration age) {
    MutexLock lock(mutex_);
    if (revision > revision_) {
      revision_ = revision;
      delivered_ = 0;
    }
    ++delivered_;
    ages_.push_back(age);
    wake_.NotifyAll();
  }
  void AwaitStarts(int count) {
    MutexLock lock(mutex_);
    while (started_ < count) wake_.Wait(mutex_);
  }
  void AwaitDelivery(std::int64_t revision, int count) {
    MutexLock lock(mutex_);
    while (revision_ < revision || delivered_ < count) wake_.Wait(mutex_);
  }
  std::vector<absl::Duration> TakeAges() {
    MutexLock lock(mutex_);
    return std::move(ages_);
  }

 private:
  Mutex mutex_;
  CondVar wake_;
  int started_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  int delivered_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<absl::Duration> ages_ ABSL_GUARDED_BY(mutex_);
};

// One watcher. Lives until the program ends.
class Stream final : public grpc::ClientReadReactor<v1::WatchTokensResponse> {
 public:
  Stream(v1::TokenInventory::Stub& stub, const std::string& filter, Tally& tally) : tally_(tally) {
    request_.set_parent("sources/-");
    request_.set_filter(filter);
    request_.mutable_now();
    request_.mutable_progress_interval()->set_seconds(300);
    stub.async()->WatchTokens(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (!started_) tally_.CountStart();
    started_ = true;
    if (!response_.batches().empty()) {
      const v1::TokenEventBatch& last = *response_.batches().rbegin();
      tally_.CountDelivery(last.revision(), absl::Now() - FromProto(last.commit_time()));
    }
    StartRead(&response_);
  }
  void OnDone(const grpc::Status&) override {}

 private:
  Tally& tally_;
  bool started_ = false;
  grpc::ClientContext context_;
  v1::WatchTokensRequest request_;
  v1::WatchTokensResponse response_;
};

std::int64_t ResidentKib(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib;
  }
  return 0;
}

std::int64_t Sync(v1::Sources::Stub& sources) {
  grpc::ClientContext context;
  v1::SyncSourceRequest request;
  request.set_name("sources/opal-test");
  request.set_fresh(true);
  const auto stream = sources.SyncSource(&context, request);
  std::int64_t revision = 0;
  for (v1::SyncSourceResponse response; stream->Read(&response);) {
    if (response.has_result()) revision = response.result().revision();
  }
  return revision;
}

int Run(int idle, int active, int rounds) {
  vendor_sim::VendorSim sim(testing::QuickSim(1000));
  if (!sim.Start().ok()) return 1;
  const testing::TempDir folder;
  std::ofstream(folder.File("config.yaml")) << testing::TestConfig(sim, folder, "1d");
  testing::ServiceProcess service(folder.File("config.yaml"), folder.File("data"));
  if (service.port() == 0) return 1;
  const auto sources = v1::Sources::NewStub(service.Connect());
  Sync(*sources);

  std::vector<std::unique_ptr<v1::TokenInventory::Stub>> stubs;
  std::vector<std::unique_ptr<Stream>> streams;
  const auto open = [&](int count, const std::string& filter, Tally& tally) {
    for (int i = 0; i < count; ++i) {
      if (i % kStreamsPerChannel == 0) {
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        stubs.push_back(v1::TokenInventory::NewStub(
            grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", service.port()),
                                      grpc::InsecureChannelCredentials(), arguments)));
      }
      streams.push_back(std::make_unique<Stream>(*stubs.back(), filter, tally));
    }
    tally.AwaitStarts(count);
  };

  const std::int64_t before = ResidentKib(service.pid());
  Tally silent;
  // Nothing that happens concerns them.
  open(idle, "display_name = \"nobody has this name\"", silent);
  const std::int64_t after = ResidentKib(service.pid());
  std::printf("%d idle watchers: %.1f KiB each (%lld -> %lld KiB resident)\n", idle,
              static_cast<double>(after - before) / std::max(idle, 1),
              static_cast<long long>(before), static_cast<long long>(after));

  Tally tally;
  open(active, "", tally);
  std::vector<absl::Duration> ages;
  for (int round = 0; round < rounds; ++round) {
    const auto id = sim.AddToken(vendor_sim::TokenKind::kOpal);
    if (!id) return 1;
    tally.AwaitDelivery(Sync(*sources), active);
    for (const absl::Duration age : tally.TakeAges()) ages.push_back(age);
  }
  std::sort(ages.begin(), ages.end());
  const auto at = [&](double part) {
    return absl::ToDoubleMilliseconds(
        ages[static_cast<std::size_t>(part * static_cast<double>(ages.size() - 1))]);
  };
  std::printf(
      "%d active watchers beside them, %d single changes, commit to client: median %.1f ms, "
      "p99 %.1f ms, last %.1f ms\n",
      active, rounds, at(0.5), at(0.99), at(1));
  std::fflush(stdout);
  // Streams still wait for their ends; nothing is to be learned from these.
  _exit(0);
}

}  // namespace
}  // namespace tokeninventory

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::atoi(argv[i]) : otherwise;
  };
  return tokeninventory::Run(argument(1, 10'000), argument(2, 1000), argument(3, 15));
}
