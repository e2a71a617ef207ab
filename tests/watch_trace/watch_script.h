// Writes of another system's test script, made through the Ledger: one call, one
// revision. A key is a token's provider_token_id, a value its role.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "inventory/token_watch_view.h"
#include "tests/watch_trace/trace_fixture.h"

namespace tokeninventory::testing {

struct ScriptWrite {
  std::string key;
  // kGone: deleted.
  std::string value;
  static constexpr const char* kGone = "gone";
};

// Used by the test's thread.
class WatchScript : public TraceFixture {
 protected:
  // Watches of scripts that delete within a transaction need it: there, a deleted
  // key is one that leaves the filter, for no one revision of a vendor's listing
  // both shows tokens and loses others.
  static constexpr const char* kNotGone = "role != \"gone\"";

  using TraceFixture::TraceFixture;

  // Restarts the service with a log that keeps so many changes.
  void KeepChanges(std::int64_t max_changes, std::int64_t feed_bytes = std::int64_t{64} << 20) {
    LedgerSetup setup;
    setup.retention.max_changes = max_changes;
    setup.feed_bytes = feed_bytes;
    Reopen(setup);
  }
  // The store forgets what it need not keep; the trace does not.
  void Compact() {
    ReadLog();
    house_.Advance(absl::Minutes(10));
  }

  // One revision. A put always changes something.
  void Put(const std::string& key, const std::string& value = "",
           const std::string& source = "acme") {
    Commit({{key, value}}, source);
  }
  void Commit(const std::vector<ScriptWrite>& writes, const std::string& source = "acme") {
    std::vector<ObservedToken> tokens;
    for (const ScriptWrite& write : writes) {
      tokens.push_back(Observed(write.key, [&](v1::Token& token) {
        token.set_role(write.value);
        token.set_display_name(absl::StrCat("written ", ++writes_));
      }));
    }
    Observe(std::move(tokens), source);
  }
  void Observe(std::vector<ObservedToken> tokens, const std::string& source = "acme") {
    const std::int64_t before = house_.revision();
    const auto pass = house_.ledger().Begin(source);
    ASSERT_TRUE(pass.ok()) << pass.status();
    const auto counts = house_.ledger().Observe(*pass, {"tokens", "", ""}, std::move(tokens));
    EXPECT_TRUE(counts.ok()) << counts.status();
    house_.ledger().Abandon(*pass);
    EXPECT_EQ(house_.revision(), before + 1);
  }
  void Delete(const std::string& key, const std::string& source = "acme") {
    const std::int64_t before = house_.revision();
    const auto target = house_.ledger().FindRefreshTarget(TokenName(source, key));
    ASSERT_TRUE(target.ok()) << target.status();
    EXPECT_TRUE(house_.ledger().ApplyRefresh(*target, nullptr).ok());
    EXPECT_EQ(house_.revision(), before + 1);
  }

  WatchSession::Options WithFilter(WatchSession::Options options, const std::string& filter,
                                   const std::string& source = "") {
    options.view = std::make_shared<TokenWatchView>(MakeScope(v1::FULL, source, filter));
    return options;
  }

  // All that a watcher is told until it knows the newest revision; ends it.
  std::vector<v1::WatchTokensResponse> Told(OpenWatch& watch) {
    AwaitTold(watch);
    BreakOff(watch);
    return records_.back().responses;
  }
  // The events behind the initial state, as `3 ADDED key`.
  static std::vector<std::string> EventsIn(const std::vector<v1::WatchTokensResponse>& messages) {
    std::vector<std::string> events;
    for (const auto& message : messages) {
      for (const auto& batch : message.batches()) {
        if (batch.initial()) continue;
        for (const auto& event : batch.events()) {
          events.push_back(absl::StrCat(batch.revision(), " ",
                                        v1::TokenEvent::Type_Name(event.type()), " ",
                                        event.token().provider_token_id()));
        }
      }
    }
    return events;
  }
  // The tokens of the initial state.
  static std::vector<std::string> InitialIn(const std::vector<v1::WatchTokensResponse>& messages) {
    std::vector<std::string> keys;
    for (const auto& message : messages) {
      for (const auto& batch : message.batches()) {
        if (!batch.initial()) continue;
        for (const auto& event : batch.events()) keys.push_back(event.token().provider_token_id());
      }
    }
    return keys;
  }

 private:
  int writes_ = 0;
};

}  // namespace tokeninventory::testing
