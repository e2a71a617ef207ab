#include "bench/lib/etcd.h"

#include "absl/strings/str_cat.h"
#include "bench/lib/free_port.h"
#include "bench/lib/load_client.h"
#include "bench/lib/wire.h"

namespace tokeninventory::bench {
namespace {

// The first key behind all that begin with `prefix`.
std::string EndOf(std::string prefix) {
  ++prefix.back();
  return prefix;
}

}  // namespace

std::string EtcdRangeRequest(const std::string& key, const std::string& end) {
  std::string request;
  AppendBytes(1, key, request);
  if (!end.empty()) AppendBytes(2, end, request);
  AppendNumber(7, 1, request);
  return request;
}

std::string EtcdPutRequest(const std::string& key, absl::string_view value) {
  std::string request;
  AppendBytes(1, key, request);
  AppendBytes(2, value, request);
  return request;
}

WatchKind EtcdWatch(const std::string& prefix) {
  std::string create;
  AppendBytes(1, prefix, create);
  AppendBytes(2, EndOf(prefix), create);
  WatchKind kind;
  kind.method = "/etcdserverpb.Watch/Watch";
  AppendBytes(1, create, kind.request);
  kind.keep_open = true;
  kind.count = [](absl::string_view message) {
    int events = 0;
    ForEachField(message, [&](int field, absl::string_view) { events += field == 11 ? 1 : 0; });
    return events;
  };
  return kind;
}

void Etcd::Start() {
  port_ = FreePort();
  const std::string clients = absl::StrCat("http://127.0.0.1:", port_);
  const std::string peers = absl::StrCat("http://127.0.0.1:", FreePort());
  ProcessOptions options;
  options.command = {"etcd",
                     "--data-dir=" + folder_.File("etcd"),
                     "--listen-client-urls=" + clients,
                     "--advertise-client-urls=" + clients,
                     "--listen-peer-urls=" + peers,
                     "--initial-advertise-peer-urls=" + peers,
                     "--initial-cluster=default=" + peers,
                     "--log-level=error",
                     "--logger=zap"};
  options.core = ServerCore();
  process_ = std::make_unique<Process>(options);
  LoadClient(port_).Call(kEtcdRange, EtcdRangeRequest("is it up?"));  // waits
}

void Etcd::Load(const TokenFile& tokens) {
  Calls puts{kEtcdPut, {}, 256};
  for (const absl::string_view token : tokens.tokens()) {
    puts.requests.push_back(EtcdPutRequest(KeyOf(token).name, token));
  }
  LoadClient(port_).RunOnce(puts);
  process_ = nullptr;
  Start();
}

}  // namespace tokeninventory::bench
