// token-inventory-page-worker MAX_BODY_BYTES PAGE_CPU_SECONDS MAX_CACHE_BYTES: reads the
// pages of one source for token-inventoryd, which starts it with a socket as descriptor
// 3. Not for people.
#include <google/protobuf/stubs/logging.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <new>

#include "absl/strings/numbers.h"
#include "connectors/jq_watchdog.h"
#include "connectors/page_worker/page_server.h"
#include "connectors/page_worker/sandbox.h"

int main(int argc, char** argv) {
  using namespace tokeninventory;
  WorkerLimits limits;
  if (argc != 4 || !absl::SimpleAtoi(argv[1], &limits.max_body_bytes) ||
      !absl::SimpleAtoi(argv[2], &limits.page_cpu_seconds) ||
      !absl::SimpleAtoi(argv[3], &limits.max_cache_bytes) || limits.max_body_bytes < 0 ||
      limits.page_cpu_seconds < 1 || limits.max_cache_bytes < 0) {
    return kWorkerBadCall;
  }
  std::set_new_handler([] { _exit(kWorkerOutOfMemory); });
  // Every arena takes addresses, of which there are few.
  mallopt(M_ARENA_MAX, 1);
  google::protobuf::SetLogHandler(nullptr);
  JqWatchdog::Get().Start();
  // It would look for its configuration later.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  if (!EnterSandbox(limits)) _exit(kWorkerNoSandbox);
  AllowCpuTime(limits.page_cpu_seconds);
  // Nothing to tidy up: what is left is the process' own.
  _exit(ServePages(kWorkerSocket, limits,
                   [seconds = limits.page_cpu_seconds] { AllowCpuTime(seconds); }));
}
