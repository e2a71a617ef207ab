// Prints what a scrape of the metrics costs for its look at every token. Not a test.
//
// usage: count_tokens_benchmark [TOKENS [SOURCES]]      default: 1000000 20
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "inventory/count_tokens.h"
#include "tests/inventory/snapshot_maker.h"

namespace tokeninventory {
namespace {

double CpuMillis() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

void Run(int tokens, int sources) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  const char* const kinds[] = {"personal", "service", "api_token", "agent_token"};
  testing::SnapshotMaker maker;
  for (int i = 0; i < sources; ++i) maker.Source(absl::StrCat("source-", i));
  std::shared_ptr<const Snapshot> snapshot;
  for (int i = 0; i < tokens; ++i) {
    v1::Token token =
        testing::MakeToken(absl::StrCat("source-", i % sources), absl::StrCat("token-", i));
    token.set_kind(kinds[i % 4]);
    if (i % 3 != 0) ToProto(now + absl::Hours(i % 10'000), token.mutable_effective_expire_time());
    maker.Put(i + 1, token);
    if (i % 100'000 == 99'999) snapshot = maker.Build();
  }
  snapshot = maker.Build();
  std::vector<double> millis;
  for (int round = 0; round < 21; ++round) {
    const double begin = CpuMillis();
    const std::vector<TokenCounts> counts = CountTokens(*snapshot, now);
    millis.push_back(CpuMillis() - begin);
    if (counts.size() != static_cast<std::size_t>(sources)) std::abort();
  }
  std::sort(millis.begin(), millis.end());
  std::printf("%d tokens of %d sources: %.1f ms of CPU (median of %zu; %.1f to %.1f)\n", tokens,
              sources, millis[millis.size() / 2], millis.size(), millis.front(), millis.back());
}

}  // namespace
}  // namespace tokeninventory

int main(int argc, char** argv) {
  tokeninventory::Run(argc > 1 ? std::atoi(argv[1]) : 1'000'000,
                      argc > 2 ? std::atoi(argv[2]) : 20);
}
