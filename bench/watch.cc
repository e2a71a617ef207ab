// What it costs to tell watchers of a change, and to have watchers at all.
#include "absl/strings/str_cat.h"
#include "bench/lib/etcd.h"
#include "bench/lib/fan_out.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/load_client.h"
#include "bench/lib/service.h"
#include "bench/lib/watch_client.h"

namespace tokeninventory::bench {
namespace {

constexpr int kIdleWatchers = 5000;

// One round says nothing about the next one's noise, so many short ones tell more than a few long
// ones in the same time; a change is told to a thousand in a fraction of one.
constexpr int kRoundsPerLongOne = 4;
constexpr absl::Duration kRound = absl::Milliseconds(75);

int Rounds(const Setup& setup) {
  return setup.quick ? setup.rounds : kRoundsPerLongOne * setup.rounds_near_bars();
}

// A server, its watchers, and how it is told to publish.
struct Contender {
  Process& server;
  WatchClient& client;
  Publish publish;
};

struct Series {
  std::vector<double> micros;
  std::vector<double> per_second;
};

// The first round of each is left out, as RunRounds does.
std::vector<Series> Compare(const std::vector<Contender>& contenders, int watchers, int at_once,
                            const Setup& setup) {
  const absl::Duration time = setup.quick ? absl::Milliseconds(200) : kRound;
  std::vector<Series> series(contenders.size());
  std::vector<Measure> measures;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    measures.push_back([&, i] {
      const Contender& each = contenders[i];
      const FanOutCost cost =
          FanOut(each.server, each.client, watchers, at_once, each.publish, time);
      series[i].per_second.push_back(cost.per_second);
      return cost.micros;
    });
  }
  const auto micros = RunRounds(measures, Rounds(setup));
  for (std::size_t i = 0; i < series.size(); ++i) {
    series[i].micros = micros[i];
    series[i].per_second = Counted(series[i].per_second);
  }
  return series;
}

class Servers {
 public:
  explicit Servers(const FilledStore& store)
      : bare_({{ProgramPath("bare-server"), store.tokens_file()}, ServerCore()}),
        bare_port_(PortIn(bare_.AwaitOutput(" serving"), "port ")),
        etcd_puts_(etcd_.port()),
        value_(TokenFile(store.tokens_file()).tokens().front()) {}

  void CompareAt(int watchers, const Setup& setup) {
    WatchClient ours(ours_.port(), TokenWatch(), watchers);
    WatchClient bare(bare_port_, TokenWatch(), watchers);
    const std::string name = absl::StrCat("watch-", watchers);
    const bool with_etcd = watchers == 1000;
    std::unique_ptr<WatchClient> etcd;
    if (with_etcd) etcd = std::make_unique<WatchClient>(etcd_.port(), EtcdWatch("k"), watchers);
    const auto all = [&](const Publish& of_ours, const Publish& of_bare) {
      std::vector<Contender> contenders = {{ours_.process(), ours, of_ours},
                                           {bare_, bare, of_bare}};
      if (with_etcd) {
        contenders.push_back({etcd_.process(), *etcd, [this](int n) { PutInEtcd(n); }});
      }
      return contenders;
    };
    const Publish ours_at_once = [this](int n) { ours_.Publish(n, 1); };
    const Publish ours_in_turn = [this](int n) { ours_.Publish(n, n); };
    const Publish bare_at_once = [this](int n) { bare_.Say(absl::StrCat("publish ", n, " 1")); };

    Note(name);
    const auto single = Compare(all(ours_at_once, bare_at_once), watchers, 1, setup);
    const Bar bar = watchers == 1000 ? AtMost(1.2) : Bar();
    Print({name, "us/event", single[0].micros, {"bare", single[1].micros}, {}, bar});
    if (watchers != 1000) return;
    Print({name + "-etcd", "us/event", single[0].micros, {}, {"etcd", single[2].micros}});
    Note(name + ", 8 in turn");
    const auto eight = Compare(all(ours_in_turn, bare_at_once), watchers, 8, setup);
    Print({name + "-by-8",
           "events/s",
           eight[0].per_second,
           {},
           {"etcd", eight[2].per_second},
           AtLeast(2),
           true});
    Note(name + ", 64");
    etcd = nullptr;
    const auto at_once = Compare(
        {{ours_.process(), ours, ours_at_once}, {bare_, bare, bare_at_once}}, watchers, 64, setup);
    Print({name + "-by-64",
           "events/s",
           at_once[0].per_second,
           {"bare", at_once[1].per_second},
           {},
           AtLeast(0.65),
           true});
    const auto in_turn = Compare({{ours_.process(), ours, ours_in_turn}}, watchers, 64, setup);
    Print({name + "-by-64-commits", "events/s", in_turn[0].per_second, {}, {}, {}, true});
  }

 private:
  void PutInEtcd(int count) {
    Calls puts{kEtcdPut, {}, count};
    for (int i = 0; i < count; ++i) {
      puts.requests.push_back(EtcdPutRequest(absl::StrCat("k", i), value_));
    }
    etcd_puts_.RunOnce(puts);
  }

  WatchServer ours_;
  Process bare_;
  const int bare_port_;
  Etcd etcd_;
  LoadClient etcd_puts_;
  const std::string value_;
};

// What a server grows by for each of many watchers.
double KibPerWatcher(const Process& server, int port, const WatchKind& kind) {
  const std::int64_t before = server.ResidentBytes();
  const WatchClient watchers(port, kind, kIdleWatchers);
  return static_cast<double>(server.ResidentBytes() - before) / 1024 / kIdleWatchers;
}

// In processes that had no watcher before.
void CompareMemory(const FilledStore& store) {
  Note("memory of idle watchers");
  std::vector<double> kib;
  std::vector<double> of_bare;
  for (int i = 0; i < 3; ++i) {
    Service service(store.folder());
    kib.push_back(KibPerWatcher(service.process(), service.port(), TokenWatch()));
    Process bare({{ProgramPath("bare-server"), store.tokens_file()}, ServerCore()});
    of_bare.push_back(
        KibPerWatcher(bare, PortIn(bare.AwaitOutput(" serving"), "port "), TokenWatch()));
  }
  Print({"watch-memory", "KiB/watcher", kib, {}, {}, AtMost(20)});
  Print({"watch-memory-bare", "KiB/watcher", of_bare});
}

void Run(const Setup& setup) {
  const FilledStore store(setup, 20'000);
  PinThisProcess(ClientCore());
  CompareMemory(store);
  for (const int watchers : {1, 100, 1000, 5000}) Servers(store).CompareAt(watchers, setup);
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) {
  tokeninventory::bench::Run(tokeninventory::bench::ReadArguments(argc, argv));
}
