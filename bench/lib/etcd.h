// etcd as a peer, spoken to with messages encoded by hand: the few fields that
// matter, from its public api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto.
//
//   RangeRequest       key 1, range_end 2, serializable 7
//   PutRequest         key 1, value 2
//   WatchRequest       create_request 1
//   WatchCreateRequest key 1, range_end 2
//   WatchResponse      events 11
#pragma once

#include <memory>
#include <string>

#include "bench/lib/filled_store.h"
#include "bench/lib/process.h"
#include "bench/lib/watch_client.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::bench {

inline constexpr char kEtcdRange[] = "/etcdserverpb.KV/Range";
inline constexpr char kEtcdPut[] = "/etcdserverpb.KV/Put";

// One key; with `end` all keys from `key` up to it. Serializable: from this server's memory.
std::string EtcdRangeRequest(const std::string& key, const std::string& end = "");
std::string EtcdPutRequest(const std::string& key, absl::string_view value);
// A watch of all keys that begin so.
WatchKind EtcdWatch(const std::string& prefix);

// etcd with a folder of its own, on free ports, pinned to the server's core.
class Etcd {
 public:
  Etcd() { Start(); }

  // Puts all tokens, by their names, and starts it again: in the process that took
  // the puts, 3.4 takes twice as long for reads.
  void Load(const TokenFile& tokens);

  Process& process() { return *process_; }
  int port() const { return port_; }

 private:
  void Start();

  testing::TempDir folder_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace tokeninventory::bench
