// What passes write: revisions, fields, counts, limits.
#include "inventory/ledger.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"
#include "tests/inventory/ledger_harness.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LedgerTest : public ::testing::Test {
 protected:
  LedgerHarness house_;
};

TEST_F(LedgerTest, ANewSourceIsPendingAndMakesNoRevision) {
  EXPECT_EQ(house_.revision(), 0);
  const v1::Source source = house_.Source();
  EXPECT_EQ(source.name(), "sources/acme");
  EXPECT_EQ(source.provider(), "acme-cloud");
  EXPECT_EQ(source.display_name(), "The acme");
  EXPECT_EQ(source.state(), v1::Source::PENDING);
  EXPECT_FALSE(source.syncing());
  EXPECT_EQ(house_.ledger().epoch().size(), 16u);
}

TEST_F(LedgerTest, APageMakesOneRevision) {
  const PassId pass = house_.BeginPass({Lists({Observed("a"), Observed("b"), Observed("c")})});
  EXPECT_EQ(house_.revision(), 1);
  const auto changes = house_.ChangesOf(1);
  ASSERT_THAT(changes, SizeIs(3));
  for (const LogChange& change : changes) {
    EXPECT_EQ(change.cause, v1::TokenChange::VENDOR_REPORTED);
    EXPECT_THAT(change.before, IsEmpty());
  }
  ASSERT_TRUE(house_.ledger().Observe(pass, {"tokens", "", ""}, {Observed("d")}).ok());
  EXPECT_EQ(house_.revision(), 2);
  EXPECT_EQ(house_.EndPass(pass, {}).revision, 2);
  ExpectConsistent(house_);
}

TEST_F(LedgerTest, AnUnchangedPassMakesNoRevision) {
  const std::vector<Listing> listings = {Lists(ObservedRange("t", 1, 20))};
  house_.Pass(listings);
  EXPECT_EQ(house_.revision(), 1);
  const int commits = house_.store().commits();
  for (int i = 0; i < 3; ++i) {
    house_.Advance(absl::Minutes(5));
    const PassOutcome outcome = house_.Pass(listings);
    EXPECT_EQ(outcome.revision, 1);
    EXPECT_EQ(outcome.stats.tokens_unchanged(), 20);
    EXPECT_EQ(outcome.stats.tokens_added(), 0);
  }
  EXPECT_EQ(house_.revision(), 1);
  EXPECT_EQ(house_.store().commits(), commits + 3) << "one for the source's status, none for pages";
}

TEST_F(LedgerTest, ANewTokenIsStampedByUs) {
  house_.Pass({Lists({Observed("a/1", [](v1::Token& t) { t.set_kind("service"); })})});
  const v1::Token token = house_.Token("a/1");
  EXPECT_EQ(token.name(), "sources/acme/tokens/a%2F1");
  EXPECT_EQ(token.uid().size(), 36u);
  EXPECT_EQ(token.source(), "sources/acme");
  EXPECT_EQ(token.provider(), "acme-cloud");
  EXPECT_EQ(token.provider_token_id(), "a/1");
  EXPECT_EQ(token.kind(), "service");
  EXPECT_EQ(token.presence(), v1::Token::LISTED);
  EXPECT_EQ(token.state(), v1::Token::ACTIVE);
  EXPECT_EQ(token.revision(), 1);
  EXPECT_EQ(FromProto(token.first_seen_time()), house_.clock().Now());
  EXPECT_EQ(FromProto(token.update_time()), house_.clock().Now());
}

TEST_F(LedgerTest, AChangeKeepsTheUidAndTellsBothVersions) {
  house_.Pass({Lists({Observed("a"), Observed("b")})});
  const v1::Token before = house_.Token("a");
  house_.Advance(absl::Minutes(5));
  const PassOutcome outcome = house_.Pass(
      {Lists({Observed("a", [](v1::Token& t) { t.set_role("admin"); }), Observed("b")})});
  EXPECT_EQ(outcome.stats.tokens_updated(), 1);
  EXPECT_EQ(outcome.stats.tokens_unchanged(), 1);
  const v1::Token after = house_.Token("a");
  EXPECT_EQ(after.uid(), before.uid());
  EXPECT_EQ(after.role(), "admin");
  EXPECT_EQ(after.revision(), 2);
  const auto changes = house_.ChangesOf(2);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].before, SerializeToken(before));
  EXPECT_EQ(changes[0].after, SerializeToken(after));
  EXPECT_EQ(house_.Token("b").revision(), 1);
  ExpectConsistent(house_);
}

TEST_F(LedgerTest, ATokenThatIsTwiceInAPageCountsOnce) {
  const PassOutcome outcome =
      house_.Pass({Lists({Observed("a", [](v1::Token& t) { t.set_role("first"); }), Observed("b"),
                          Observed("a", [](v1::Token& t) { t.set_role("second"); })})});
  EXPECT_EQ(outcome.stats.tokens_added(), 2);
  EXPECT_EQ(house_.Token("a").role(), "first");
  ExpectConsistent(house_);
}

TEST_F(LedgerTest, TheFirstListingOfAPassSuppliesTheFields) {
  const auto role = [](const char* name) {
    return Observed("a", [name](v1::Token& t) { t.set_role(name); });
  };
  for (int i = 0; i < 2; ++i) {
    house_.Pass({Lists({role("first")}, "org"), Lists({role("second")}, "team")});
    EXPECT_EQ(house_.Token("a").role(), "first");
    EXPECT_EQ(house_.revision(), 1);
  }
  ExpectConsistent(house_);
}

TEST_F(LedgerTest, CountsWhatBecameOfTheTokens) {
  const PassOutcome first = house_.Pass({Lists(ObservedRange("t", 1, 5))});
  EXPECT_EQ(first.stats.tokens_added(), 5);
  std::vector<ObservedToken> tokens = ObservedRange("t", 2, 5);
  tokens[0].token.set_role("changed");
  tokens.push_back(Observed("new"));
  const PassOutcome second = house_.Pass({Lists(tokens)});
  EXPECT_EQ(second.stats.tokens_added(), 1);
  EXPECT_EQ(second.stats.tokens_updated(), 1);
  EXPECT_EQ(second.stats.tokens_unchanged(), 3);
  EXPECT_EQ(second.stats.tokens_missing(), 1);
  EXPECT_EQ(second.stats.tokens_deleted(), 0);
  const PassOutcome third = house_.Pass({Lists(tokens)});
  EXPECT_EQ(third.stats.tokens_missing(), 0);
  EXPECT_EQ(third.stats.tokens_deleted(), 1);
  EXPECT_EQ(house_.Source().last_sync_stats().tokens_deleted(), 1);
}

TEST_F(LedgerTest, TellsTheSourceWhileAPassRunsAndAfter) {
  const absl::Time start = house_.clock().Now();
  const PassId pass = house_.BeginPass({Lists({Observed("a")})});
  EXPECT_TRUE(house_.Source().syncing());
  EXPECT_EQ(FromProto(house_.Source().last_attempt_time()), start);
  EXPECT_FALSE(house_.Source().has_next_sync_time());
  house_.clock().Advance(absl::Seconds(10));
  PassEnd end;
  end.state = v1::Source::OK;
  end.next_sync_time = start + absl::Minutes(5);
  end.stats.set_requests(3);
  end.stats.set_pages(2);
  end.stats.set_records(1);
  end.stats.set_tokens_added(77);  // the Ledger's to say
  const auto outcome = house_.ledger().End(pass, end);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stats.requests(), 3);
  EXPECT_EQ(outcome->stats.tokens_added(), 1);
  const v1::Source source = house_.Source();
  EXPECT_FALSE(source.syncing());
  EXPECT_EQ(source.state(), v1::Source::OK);
  EXPECT_EQ(FromProto(source.last_complete_time()), start + absl::Seconds(10));
  EXPECT_EQ(FromProto(source.next_sync_time()), start + absl::Minutes(5));
  EXPECT_EQ(source.last_sync_stats().pages(), 2);
}

TEST_F(LedgerTest, AFailedPassKeepsTheLastCompleteTime) {
  house_.Pass({Lists({Observed("a")})});
  const absl::Time complete = house_.clock().Now();
  house_.Advance(absl::Minutes(5));
  const PassId pass = house_.BeginPass({});
  PassEnd end;
  end.state = v1::Source::RATE_LIMITED;
  end.error = "429";
  end.next_sync_time = house_.clock().Now() + absl::Minutes(1);
  for (int i = 0; i < 150; ++i) end.incomplete_scopes.emplace_back().set_stream("tokens");
  const auto outcome = house_.ledger().End(pass, end);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->state, v1::Source::RATE_LIMITED);
  const v1::Source source = house_.Source();
  EXPECT_EQ(source.state(), v1::Source::RATE_LIMITED);
  EXPECT_EQ(source.error(), "429");
  EXPECT_EQ(source.incomplete_scopes_size(), 100) << "a bound";
  EXPECT_EQ(FromProto(source.last_complete_time()), complete);
}

TEST_F(LedgerTest, OnePassOverASourceAtATime) {
  const auto pass = house_.ledger().Begin("acme");
  ASSERT_TRUE(pass.ok());
  EXPECT_EQ(house_.ledger().Begin("acme").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(house_.ledger().Begin("none").status().code(), absl::StatusCode::kNotFound);
  house_.ledger().Abandon(*pass);
  EXPECT_FALSE(house_.Source().syncing());
  const auto next = house_.ledger().Begin("acme");
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_NE(*next, *pass);
}

TEST_F(LedgerTest, APassThatIsOverTakesNothing) {
  const PassId pass = house_.BeginPass({Lists({Observed("a")})});
  house_.EndPass(pass, {});
  Ledger& ledger = house_.ledger();
  constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;
  EXPECT_EQ(ledger.Observe(pass, {"tokens", "", ""}, {Observed("b")}).status().code(), kNotFound);
  EXPECT_EQ(ledger.EndScope(pass, {"tokens", "", ""}, {}).code(), kNotFound);
  EXPECT_EQ(ledger.Suspects(pass, {}, 10).status().code(), kNotFound);
  EXPECT_EQ(ledger.ProveGone(pass, 1).code(), kNotFound);
  EXPECT_EQ(ledger.End(pass, {}).status().code(), kNotFound);
  ledger.Abandon(pass);
  EXPECT_EQ(house_.revision(), 1);
}

TEST_F(LedgerTest, AnAbandonedPassKeepsWhatItSawAndMissesNothing) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const PassId pass = house_.BeginPass({Lists({Observed("t1"), Observed("new")})});
  house_.ledger().Abandon(pass);
  EXPECT_EQ(house_.IdsWith(v1::Token::LISTED).size(), 6u);
}

TEST_F(LedgerTest, ATokenThatBreaksALimitRefusesItsPage) {
  const PassId pass = house_.BeginPass({});
  struct Case {
    const char* name;
    ObservedToken token;
    bool accepted;
  };
  const auto large = [](std::size_t bytes) {
    return Observed("large",
                    [bytes](v1::Token& t) { t.set_provider_uri(std::string(bytes, 'x')); });
  };
  const Case cases[] = {
      {"no id", Observed(""), false},
      {"no vendor id", Observed("x", [](v1::Token& t) { t.clear_provider_token_id(); }), false},
      {"512 bytes of id", Observed(std::string(512, 'x')), true},
      {"513 bytes of id", Observed(std::string(513, 'x')), false},
      {"a name that grows too long", Observed(std::string(400, '/')), false},
      {"a large token", large(62 * 1024), true},
      {"a token that is too large", large(64 * 1024), false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::string_view(c.name));
    const std::int64_t before = house_.revision();
    const auto counts =
        house_.ledger().Observe(pass, {"tokens", "", ""}, {Observed(c.name), c.token});
    if (c.accepted) {
      EXPECT_TRUE(counts.ok()) << counts.status();
      EXPECT_EQ(house_.revision(), before + 1);
    } else {
      EXPECT_EQ(counts.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_EQ(house_.revision(), before) << "none of the page is taken";
    }
  }
  EXPECT_LE(SerializeToken(house_.Token("large")).size(), 64u * 1024);
  // The pass goes on.
  EXPECT_TRUE(house_.ledger().Observe(pass, {"tokens", "", ""}, {Observed("fine")}).ok());
}

TEST_F(LedgerTest, EveryAllowedIdMakesANameThatIsFound) {
  std::vector<ObservedToken> tokens;
  for (int byte = 1; byte < 256; ++byte) {
    // A vendor's id is text; these are what percent-encoding is for.
    if (byte < 128) tokens.push_back(Observed(absl::StrCat("id", std::string(1, char(byte)))));
  }
  house_.Pass({Lists(tokens)});
  for (const ObservedToken& token : tokens) {
    EXPECT_EQ(house_.Token(token.id).provider_token_id(), token.id);
  }
}

TEST_F(LedgerTest, PassesOverSeveralSourcesRunAtOnce) {
  LedgerHarness::Setup setup;
  for (int i = 0; i < 4; ++i) setup.sources.push_back(MakeSourceInfo(absl::StrCat("s", i)));
  house_.Reopen(setup);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, source = absl::StrCat("s", i)] {
      for (int pass = 0; pass < 5; ++pass) {
        std::vector<Listing> pages;
        for (int page = 0; page < 4; ++page) {
          pages.push_back(
              Lists(ObservedRange(absl::StrCat("p", page, "-"), pass, pass + 10), "tokens"));
        }
        house_.Pass(pages, source);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(house_.IdsWith(v1::Token::LISTED, absl::StrCat("s", i)).size(), 44u);
  }
  ExpectConsistent(house_);
}

// A vendor gives the id of a token that is over to another one.
TEST_F(LedgerTest, AReusedIdEndsTheOldTokenAndAddsANewOneInOneRevision) {
  const auto made = [](int day) {
    return Observed("a",
                    [day](v1::Token& t) { t.mutable_create_time()->set_seconds(86'400 * day); });
  };
  house_.Pass({Lists({made(1), Observed("b")})});
  const v1::Token old = house_.Token("a");
  house_.Advance(absl::Minutes(5));
  const PassOutcome outcome = house_.Pass({Lists({made(2), Observed("b")})});
  EXPECT_EQ(outcome.stats.tokens_added(), 1);
  EXPECT_EQ(house_.revision(), 2);
  const v1::Token now = house_.Token("a");
  EXPECT_EQ(now.name(), old.name());
  EXPECT_NE(now.uid(), old.uid());
  EXPECT_EQ(now.presence(), v1::Token::LISTED);
  EXPECT_EQ(FromProto(now.first_seen_time()), house_.clock().Now());

  const auto changes = house_.ChangesOf(2);
  ASSERT_THAT(changes, SizeIs(2));
  for (const LogChange& change : changes) EXPECT_EQ(change.cause, v1::TokenChange::ID_REUSED);
  const TokenFacts ended = ReadTokenFacts(changes[0].after);
  EXPECT_EQ(ended.uid, old.uid());
  EXPECT_EQ(ended.presence, v1::Token::DELETED);
  EXPECT_EQ(changes[0].before, SerializeToken(old));
  EXPECT_EQ(ReadTokenFacts(changes[1].after).uid, now.uid());
  EXPECT_THAT(changes[1].before, IsEmpty());
  ExpectConsistent(house_);

  // The old one is a tombstone; the new one lives its own life.
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("a"));
  house_.Pass({Lists({Observed("b")})});
  EXPECT_EQ(house_.PresenceOf("a"), v1::Token::MISSING);
  house_.Reopen();
  EXPECT_EQ(house_.Token("a").uid(), now.uid());
  house_.Pass({Lists({Observed("b")})});
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("a", "a"));
  ExpectConsistent(house_, false);
}

TEST_F(LedgerTest, AReusedIdOfADeletedTokenLeavesItsTombstone) {
  const auto of_kind = [](const char* kind) {
    return Observed("a", [kind](v1::Token& t) { t.set_kind(kind); });
  };
  house_.Pass({Lists({of_kind("service"), Observed("b")})});
  const v1::Token old = house_.Token("a");
  house_.Pass({Lists({Observed("b")})});
  house_.Pass({Lists({Observed("b")})});
  EXPECT_EQ(house_.PresenceOf("a"), v1::Token::DELETED);
  house_.Pass({Lists({of_kind("personal"), Observed("b")})});
  EXPECT_EQ(house_.PresenceOf("a"), v1::Token::LISTED);
  EXPECT_NE(house_.Token("a").uid(), old.uid());
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("a"));
  ExpectConsistent(house_);
}

}  // namespace
}  // namespace tokeninventory::testing
