// What a page of tokens costs, in storage order and by expiry.
#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "bench/lib/etcd.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/load_client.h"
#include "bench/lib/postgres.h"
#include "bench/lib/service.h"
#include "bench/lib/token_calls.h"

namespace tokeninventory::bench {
namespace {

Calls Ranges(std::vector<std::string> names, std::size_t page_size) {
  std::sort(names.begin(), names.end());
  Calls calls{kEtcdRange, {}, kPageCallers};
  for (std::size_t i = 0; i + page_size < names.size(); i += page_size) {
    calls.requests.push_back(EtcdRangeRequest(names[i], names[i + page_size]));
  }
  return calls;
}

Queries KeysetPages(std::vector<TokenKey> keys, std::size_t page_size) {
  std::sort(keys.begin(), keys.end(), [](const TokenKey& a, const TokenKey& b) {
    return std::tie(a.expire, a.uid) < std::tie(b.expire, b.uid);
  });
  Queries queries{absl::StrCat("SELECT token FROM tokens WHERE (expire, uid) > ($1, $2)"
                               " ORDER BY expire, uid LIMIT ",
                               page_size),
                  {},
                  kPageCallers};
  for (std::size_t i = 0; i + page_size < keys.size(); i += page_size) {
    queries.parameters.push_back({absl::StrCat(keys[i].expire), keys[i].uid});
  }
  return queries;
}

void Run(const Setup& setup) {
  const absl::Duration round = absl::Milliseconds(setup.quick ? 400 : 500);
  const FilledStore store(setup, setup.quick ? 20'000 : 100'000);
  PinThisProcess(ClientCore());
  const TokenFile tokens(store.tokens_file());
  std::vector<TokenKey> keys;
  std::vector<std::string> names;
  for (const absl::string_view token : tokens.tokens()) {
    keys.push_back(KeyOf(token));
    names.push_back(keys.back().name);
  }

  Service service(store.folder());
  LoadClient ours(service.port());
  Process bare({{ProgramPath("bare-server"), store.tokens_file()}, ServerCore()});
  LoadClient limit(PortIn(bare.AwaitOutput(" serving"), "port "));
  Note("filling etcd and PostgreSQL");
  Etcd etcd;
  etcd.Load(tokens);
  LoadClient etcd_client(etcd.port());
  Postgres postgres;
  postgres.Load(tokens);

  for (const int size : {100, 1000}) {
    const Calls stored = PageCalls(ours, size, "");
    const Calls by_expiry = PageCalls(ours, size, "expire_time");
    const Calls ranges = Ranges(names, static_cast<std::size_t>(size));
    PostgresClient select(postgres, KeysetPages(keys, static_cast<std::size_t>(size)));
    const std::string name = absl::StrCat("list-", size);
    Note(name);
    const auto costs =
        RunRounds({
                      [&] { return CpuMicrosPerCall(service.process(), ours, stored, round); },
                      [&] { return CpuMicrosPerCall(service.process(), ours, by_expiry, round); },
                      [&] { return CpuMicrosPerCall(bare, limit, stored, round); },
                      [&] { return CpuMicrosPerCall(etcd.process(), etcd_client, ranges, round); },
                      [&] { return CpuMicrosPerQuery(postgres, select, round); },
                  },
                  setup.rounds_near_bars());
    // The bars are about full pages.
    const auto bar = [size](Bar of_full_pages) { return size == 1000 ? of_full_pages : Bar(); };
    Print({name, "us/page", costs[0], {"bare copy", costs[2]}, {}, bar(AtMost(1.3))});
    Print({name + "-etcd", "us/page", costs[0], {}, {"etcd", costs[3]}, bar(AtMost(0.1, "1/10"))});
    Print({name + "-postgresql",
           "us/page",
           costs[0],
           {},
           {"postgresql", costs[4]},
           bar(AtMost(1.0 / 6, "1/6"))});
    Print(
        {name + "-by-expiry", "us/page", costs[1], {"bare copy", costs[2]}, {}, bar(AtMost(1.7))});
    Print({name + "-by-expiry-postgresql", "us/page", costs[1], {}, {"postgresql", costs[4]}});
  }
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) {
  tokeninventory::bench::Run(tokeninventory::bench::ReadArguments(argc, argv));
}
