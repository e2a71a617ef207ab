#include "tests/inventory/ledger_harness.h"

#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "storage/sqlite_token_store.h"
#include "storage/verify_store.h"

namespace tokeninventory::testing {

ObservedToken Observed(const std::string& id, const std::function<void(v1::Token&)>& edit) {
  ObservedToken observed;
  observed.id = id;
  observed.token.set_provider_token_id(id);
  observed.token.set_display_name(absl::StrCat("token ", id));
  if (edit) edit(observed.token);
  return observed;
}

std::vector<ObservedToken> ObservedRange(const std::string& prefix, int first, int last) {
  std::vector<ObservedToken> tokens;
  for (int i = first; i <= last; ++i) tokens.push_back(Observed(absl::StrCat(prefix, i)));
  return tokens;
}

Listing Lists(std::vector<ObservedToken> tokens, const std::string& stream,
              const std::string& key) {
  return Listing{{stream, key, absl::StrCat("{\"key\":\"", key, "\"}")}, std::move(tokens), true};
}

Listing Incomplete(Listing listing) {
  listing.complete = false;
  return listing;
}

SourceInfo MakeSourceInfo(const std::string& id, const std::string& provider) {
  SourceInfo info;
  info.id = id;
  info.provider = provider;
  info.title = absl::StrCat("The ", id);
  info.interval = absl::Minutes(5);
  return info;
}

LedgerHarness::LedgerHarness(Setup setup) : setup_(std::move(setup)) {
  const absl::Status status = Open(setup_);
  if (!status.ok()) ADD_FAILURE() << status;
}

LedgerHarness::~LedgerHarness() { Close(); }

void LedgerHarness::Close() {
  ledger_ = nullptr;
  store_ = nullptr;
  feed_ = nullptr;
  inventory_ = nullptr;
}

absl::Status LedgerHarness::Open(const Setup& setup) {
  auto store = SqliteTokenStore::Open(store_file());
  if (!store.ok()) return store.status();
  store_ = std::make_unique<FaultyTokenStore>(*std::move(store));
  inventory_ = std::make_unique<Inventory>();
  feed_ = std::make_unique<ChangeFeed>(setup.feed_bytes);
  Ledger::Options options;
  options.store = store_.get();
  options.inventory = inventory_.get();
  options.feed = feed_.get();
  options.clock = &clock_;
  options.sources = setup.sources;
  options.retention = setup.retention;
  options.rules = setup.rules;
  auto ledger = Ledger::Open(std::move(options));
  if (!ledger.ok()) return ledger.status();
  ledger_ = *std::move(ledger);
  return absl::OkStatus();
}

void LedgerHarness::Reopen() { Reopen(setup_); }

void LedgerHarness::Reopen(const Setup& setup) {
  Close();
  setup_ = setup;
  const absl::Status status = Open(setup_);
  if (!status.ok()) ADD_FAILURE() << status;
}

void LedgerHarness::Settle() {
  // What is due goes before queued work, in bounded steps, one for each work.
  for (int i = 0; i < 10; ++i) ledger_->Abandon(-1);
}

void LedgerHarness::Advance(absl::Duration by) {
  clock_.Advance(by);
  Settle();
}

PassId LedgerHarness::BeginPass(const std::vector<Listing>& listings, const std::string& source) {
  const absl::StatusOr<PassId> pass = ledger_->Begin(source);
  EXPECT_TRUE(pass.ok()) << pass.status();
  if (!pass.ok()) return -1;
  for (const Listing& listing : listings) {
    const auto counts = ledger_->Observe(*pass, listing.scope, listing.tokens);
    EXPECT_TRUE(counts.ok()) << counts.status();
    const absl::Status ended = ledger_->EndScope(
        *pass, listing.scope, {listing.complete, listing.complete ? "" : "cut off"});
    EXPECT_TRUE(ended.ok()) << ended;
  }
  return *pass;
}

PassOutcome LedgerHarness::EndPass(PassId pass, const std::vector<StreamReport>& reports,
                                   v1::Source::State state) {
  PassEnd end;
  end.state = state;
  end.streams = reports;
  end.next_sync_time = clock_.Now() + absl::Minutes(5);
  const absl::StatusOr<PassOutcome> outcome = ledger_->End(pass, end);
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  return outcome.ok() ? *outcome : PassOutcome{};
}

PassOutcome LedgerHarness::Pass(const std::vector<Listing>& listings, const std::string& source,
                                const std::vector<StreamReport>& reports) {
  const PassId pass = BeginPass(listings, source);
  std::vector<StreamReport> all = reports;
  if (all.empty()) {
    for (const Listing& listing : listings) all.push_back({listing.scope.stream, true});
  }
  return EndPass(pass, all);
}

v1::Token LedgerHarness::Token(const std::string& id, const std::string& source) {
  const auto snapshot = inventory_->Current();
  const TokenRef ref = snapshot->Find(TokenName(source, id));
  EXPECT_FALSE(ref.full.empty()) << source << ": no token " << id;
  v1::Token token;
  EXPECT_TRUE(token.ParseFromArray(ref.full.data(), static_cast<int>(ref.full.size())));
  return token;
}

v1::Token::Presence LedgerHarness::PresenceOf(const std::string& id, const std::string& source) {
  return inventory_->Current()->Find(TokenName(source, id)).presence;
}

std::vector<std::string> LedgerHarness::IdsWith(v1::Token::Presence presence,
                                                const std::string& source) {
  const auto snapshot = inventory_->Current();
  std::vector<std::string> ids;
  snapshot->Scan(0, {snapshot->FindSource(source), true}, [&](const TokenRef& ref) {
    v1::Token token;
    EXPECT_TRUE(token.ParseFromArray(ref.full.data(), static_cast<int>(ref.full.size())));
    if (token.presence() == presence) ids.push_back(token.provider_token_id());
    return true;
  });
  return ids;
}

v1::Source LedgerHarness::Source(const std::string& id) {
  const auto snapshot = inventory_->Current();
  const int index = snapshot->FindSource(id);
  EXPECT_GE(index, 0) << "no source " << id;
  return index < 0 ? v1::Source() : *snapshot->sources()[static_cast<std::size_t>(index)].status;
}

std::optional<v1::Expiration> LedgerHarness::NoticeOf(const std::string& id,
                                                      const std::string& source) {
  const auto notice = inventory_->Current()->notices().Find(RowOf(id, source));
  if (notice == nullptr) return std::nullopt;
  v1::Expiration parsed;
  EXPECT_TRUE(parsed.ParseFromString(notice->bytes));
  return parsed;
}

std::int64_t LedgerHarness::RowOf(const std::string& id, const std::string& source) {
  return inventory_->Current()->Find(TokenName(source, id)).row;
}

std::vector<LogChange> LedgerHarness::ChangesOf(std::int64_t revision) {
  std::vector<LogChange> changes;
  for (const auto& found : feed_->Read({revision, 0}, 1)) {
    if (found->revision != revision) continue;
    for (const FeedChange& change : found->changes) changes.push_back(change.change);
  }
  return changes;
}

std::string Describe(const Snapshot& snapshot) {
  std::string text = absl::StrCat("revision ", snapshot.revision(), "\n");
  std::map<std::string, std::string> sources;
  for (const SourceEntry& entry : snapshot.sources()) {
    sources[entry.id] = absl::StrCat(entry.status->ShortDebugString(), " shown ", entry.shown,
                                     " rows ", entry.rows);
  }
  for (const auto& [id, what] : sources) absl::StrAppend(&text, id, ": ", what, "\n");
  snapshot.Scan(0, {ScanFilter::kAllSources, true}, [&](const TokenRef& ref) {
    v1::Token token;
    EXPECT_TRUE(token.ParseFromArray(ref.full.data(), static_cast<int>(ref.full.size())));
    absl::StrAppend(&text, "row ", ref.row, " ", token.ShortDebugString(), "\n");
    return true;
  });
  return text;
}

namespace {

// The tokens and notices of a store, by row.
class TokenCollector final : public LoadVisitor {
 public:
  absl::Status OnSource(StoredSource) override { return absl::OkStatus(); }
  absl::Status OnScope(StoredScope) override { return absl::OkStatus(); }
  absl::Status OnNotice(StoredNotice notice) override {
    notices[notice.row] = std::move(notice.notice);
    return absl::OkStatus();
  }
  absl::Status OnToken(const StoredTokenRef& token) override {
    tokens[token.row] = std::string(token.token);
    return absl::OkStatus();
  }
  std::map<std::int64_t, std::string> tokens;
  std::map<std::int64_t, std::string> notices;
};

}  // namespace

void ExpectConsistent(LedgerHarness& harness, bool whole_feed) {
  harness.Settle();
  const auto snapshot = harness.inventory().Current();
  std::map<std::int64_t, std::string> memory;
  snapshot->Scan(0, {ScanFilter::kAllSources, true}, [&](const TokenRef& ref) {
    memory[ref.row] = std::string(ref.full);
    EXPECT_GT(ReadTokenFacts(ref.full).revision, 0);
    EXPECT_LE(ReadTokenFacts(ref.full).revision, snapshot->revision());
    return true;
  });
  std::map<std::int64_t, std::string> notices;
  snapshot->notices().Scan(0, [&](std::int64_t row, const std::shared_ptr<const Notice>& notice) {
    notices[row] = notice->bytes;
    return true;
  });
  TokenCollector stored;
  const absl::Status loaded = harness.store().Load(stored);
  EXPECT_TRUE(loaded.ok()) << loaded;
  EXPECT_EQ(stored.tokens, memory);
  EXPECT_EQ(stored.notices, notices);
  EXPECT_EQ(harness.store().Head()->revision, snapshot->revision());
  const absl::StatusOr<StoreReport> report = VerifyStore(harness.store_file());
  EXPECT_TRUE(report.ok()) << report.status();
  if (report.ok() && !report->sound()) {
    ADD_FAILURE() << "the store is not sound: " << report->problems.front();
  }
  EXPECT_EQ(harness.feed().bounds().head, snapshot->revision());
  if (!whole_feed) return;
  std::map<std::int64_t, std::string> replayed, replayed_notices;
  std::int64_t last = 0;
  const auto revisions = harness.feed().Read({1, 0}, std::numeric_limits<std::int64_t>::max());
  for (const auto& revision : revisions) {
    EXPECT_EQ(revision->revision, ++last);
    EXPECT_FALSE(revision->changes.empty());
    std::map<std::int64_t, int> times;
    for (const FeedChange& change : revision->changes) {
      if (change.change.subject == LogSubject::kNotice) {
        EXPECT_EQ(change.change.before, replayed_notices[change.change.row]);
        replayed_notices[change.change.row] = change.change.after;
        continue;
      }
      EXPECT_EQ(++times[change.change.row], 1)
          << "revision " << last << " changes row " << change.change.row << " again";
      EXPECT_EQ(ReadTokenFacts(change.change.after).revision, last);
      replayed[change.change.row] = change.change.after;
    }
  }
  EXPECT_EQ(last, snapshot->revision());
  EXPECT_EQ(replayed, memory);
  EXPECT_EQ(replayed_notices, notices);
}

}  // namespace tokeninventory::testing
