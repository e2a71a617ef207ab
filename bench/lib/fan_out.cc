#include "bench/lib/fan_out.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/lib/service.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::bench {

WatchKind TokenWatch() {
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  request.set_view(v1::FULL);
  request.mutable_now();
  request.mutable_progress_interval()->set_seconds(300);
  WatchKind kind;
  kind.method = "/tokeninventory.v1.TokenInventory/WatchTokens";
  kind.request = request.SerializeAsString();
  kind.count = &CountTokenEvents;
  return kind;
}

WatchServer::WatchServer()
    : process_({{ProgramPath("watch-server"), folder_.path()}, ServerCore()}),
      port_(PortIn(process_.AwaitOutput(" serving"), "port ")) {}

void WatchServer::Publish(int events, int commits) {
  process_.Say(absl::StrCat("publish ", events, " ", commits));
}

FanOutCost FanOut(const Process& server, WatchClient& client, int watchers, int at_once,
                  const Publish& publish, absl::Duration time) {
  const double cpu = server.CpuSeconds();
  const absl::Time begin = absl::Now();
  std::int64_t told = 0;
  do {
    publish(at_once);
    const std::int64_t events = std::int64_t{watchers} * at_once;
    client.Await(events);
    told += events;
  } while (absl::Now() < begin + time);
  const auto count = static_cast<double>(told);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  return {(server.CpuSeconds() - cpu) * 1e6 / count, count / seconds};
}

}  // namespace tokeninventory::bench
