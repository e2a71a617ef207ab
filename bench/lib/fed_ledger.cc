#include "bench/lib/fed_ledger.h"

#include <algorithm>

#include "storage/sqlite_token_store.h"

namespace tokeninventory::bench {
namespace {

constexpr std::ptrdiff_t kPageTokens = 1000;
const ScopeRef kScope{"bench", "", ""};

}  // namespace

FedLedger::FedLedger(const std::string& store_file, Clock* clock)
    : clock_(clock), store_(Take(SqliteTokenStore::Open(store_file))) {
  Ledger::Options options;
  options.store = store_.get();
  options.inventory = &inventory_;
  options.feed = &feed_;
  options.clock = clock;
  for (const SampleSource& source : kSampleSources) {
    SourceInfo info;
    info.id = source.id;
    info.provider = source.vendor;
    info.title = source.vendor;
    info.interval = absl::Hours(24 * 7);
    options.sources.push_back(info);
  }
  ledger_ = Take(Ledger::Open(std::move(options)));
}

void FedLedger::Show(const SampleSource& source, const std::vector<ObservedToken>& tokens) {
  const PassId pass = Take(ledger_->Begin(source.id));
  for (auto page = tokens.begin(); page != tokens.end();) {
    const auto end = page + std::min(kPageTokens, tokens.end() - page);
    Take(ledger_->Observe(pass, kScope, {page, end}));
    page = end;
  }
  if (!ledger_->EndScope(pass, kScope, {true, ""}).ok()) Fail("a listing cannot be ended");
  PassEnd end;
  end.state = v1::Source::OK;
  end.streams = {{kScope.stream, true}};
  end.next_sync_time = clock_->Now() + absl::Hours(24 * 7);
  Take(ledger_->End(pass, end));
}

void FedLedger::Change(const SampleSource& source, std::vector<ObservedToken> page) {
  const PassId pass = Take(ledger_->Begin(source.id));
  Take(ledger_->Observe(pass, kScope, std::move(page)));
  ledger_->Abandon(pass);
}

}  // namespace tokeninventory::bench
