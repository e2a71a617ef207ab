// What a pass says that brings a source into the inventory: one DIGEST.
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/expiration/list_expirations.h"
#include "tests/expiration/expiry_house.h"

namespace tokeninventory::testing {
namespace {

using ::testing::SizeIs;

class LedgerFirstPassTest : public ::testing::Test {
 protected:
  // `digest` as `7d:2 14d:1 expired:3 of 9`.
  static std::string Sums(const v1::Expiration& notice) {
    std::string text;
    for (const auto& lead : notice.digest().leads()) {
      absl::StrAppend(&text, LeadText(FromProto(lead.lead())), ":", lead.count(), " ");
    }
    return absl::StrCat(text, "expired:", notice.digest().expired_count(), " of ",
                        notice.digest().token_count());
  }
  std::string LastDigest() {
    std::string sums;
    house_.inventory().Current()->notices().Scan(0, [&](std::int64_t, const auto& notice) {
      v1::Expiration parsed;
      EXPECT_TRUE(parsed.ParseFromString(notice->bytes));
      if (parsed.kind() == v1::Expiration::DIGEST) sums = Sums(parsed);
      return true;
    });
    return sums;
  }

  // Open notices, over all pages of a list.
  std::size_t Listed() {
    const auto snapshot = house_.inventory().Current();
    const std::string& epoch = house_.ledger().epoch();
    v1::ListExpirationsRequest request;
    request.set_parent("sources/acme");
    request.set_page_size(1000);
    std::set<std::string> uids;
    do {
      const auto plan = PlanExpirations(*snapshot, SourceSet(), epoch, request, expiry_.now());
      EXPECT_TRUE(plan.ok()) << plan.status();
      v1::ListExpirationsResponse page;
      EXPECT_TRUE(page.ParseFromString(AnswerExpirations(*snapshot, epoch, *plan)));
      for (const v1::Expiration& notice : page.expirations()) uids.insert(notice.uid());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return uids.size();
  }

  ExpiryHouse expiry_;
  LedgerHarness& house_ = expiry_.house();
  const absl::Time start_ = house_.clock().Now();
};

TEST_F(LedgerFirstPassTest, SaysInOneWhatItFound) {
  house_.Pass({Lists({Expires("far", start_ + Days(90)), Expires("a", start_ + Days(20)),
                      Expires("b", start_ + Days(6)), Expires("c", start_ + Days(5)),
                      Expires("d", start_ + Days(0.5)), Expires("old", start_ - Days(1)),
                      Expires("older", start_ - Days(400)), Observed("never")})});
  EXPECT_EQ(expiry_.Said(), "(a LEAD 30d); (c LEAD 7d); (b LEAD 7d); (d LEAD 1d); acme DIGEST");
  EXPECT_EQ(LastDigest(), "1d:1 7d:2 30d:1 expired:2 of 8");
  EXPECT_FALSE(house_.NoticeOf("old").has_value());
  // What comes later is told one by one.
  house_.Pass({Lists({Expires("far", start_ + Days(90)), Expires("a", start_ + Days(20)),
                      Expires("b", start_ + Days(6)), Expires("c", start_ + Days(5)),
                      Expires("d", start_ + Days(0.5)), Expires("new", start_ + Days(2)),
                      Expires("old", start_ - Days(1)), Expires("older", start_ - Days(400)),
                      Observed("never")})});
  EXPECT_EQ(expiry_.Said(), "new LEAD 3d");
  EXPECT_EQ(expiry_.SaidAfter(Days(0.5)), "d EXPIRED");
}

TEST_F(LedgerFirstPassTest, SaysNothingWhereThereIsNothingToSumUp) {
  house_.Pass({Lists({Expires("far", start_ + Days(90)), Observed("never")})});
  EXPECT_EQ(expiry_.Said(), "");
  house_.Pass({Lists({Expires("far", start_ + Days(3)), Observed("never")})});
  EXPECT_EQ(expiry_.Said(), "far LEAD 3d") << "its first pass is over";
}

TEST_F(LedgerFirstPassTest, TwentyThousandTokensRaiseNoFlood) {
  constexpr int kTokens = 20'000;
  constexpr int kPage = 1000;
  const std::vector<absl::Duration> ends = {Days(0.5), Days(2),  Days(5),   Days(10),
                                            Days(25),  Days(60), -Days(10), Days(365)};
  const auto pass = house_.ledger().Begin("acme");
  ASSERT_TRUE(pass.ok());
  const ScopeRef scope{"tokens", "", "{}"};
  for (int first = 0; first < kTokens; first += kPage) {
    std::vector<ObservedToken> page;
    for (int i = first; i < first + kPage; ++i) {
      page.push_back(
          Expires(absl::StrCat("t", i), start_ + ends[static_cast<std::size_t>(i) % ends.size()]));
    }
    ASSERT_TRUE(house_.ledger().Observe(*pass, scope, std::move(page)).ok());
  }
  ASSERT_TRUE(house_.ledger().EndScope(*pass, scope, {true, ""}).ok());
  house_.EndPass(*pass, {{"tokens", true}});
  std::size_t openings = 0;
  std::vector<v1::Expiration> streamed;
  for (const v1::Expiration& notice : expiry_.News()) {
    if (notice.digested()) {
      ++openings;
    } else {
      streamed.push_back(notice);
    }
  }
  EXPECT_EQ(openings, kTokens * 5u / 8);
  ASSERT_THAT(streamed, SizeIs(1));
  EXPECT_EQ(Sums(streamed[0]), "1d:2500 3d:2500 7d:2500 14d:2500 30d:2500 expired:2500 of 20000");
  EXPECT_EQ(FromProto(streamed[0].digest().soonest_expire_time()), start_ + Days(0.5));
  EXPECT_EQ(streamed[0].days_left(), 0);
  EXPECT_EQ(Listed(), openings) << "the DIGEST is not open";
}

TEST_F(LedgerFirstPassTest, ACrashInItsMidstLosesNothing) {
  house_.BeginPass({Lists({Expires("a", start_ + Days(20)), Expires("b", start_ + Days(0.5))})});
  EXPECT_EQ(expiry_.Said(), "(a LEAD 30d); (b LEAD 1d)");
  expiry_.Reopen();
  EXPECT_EQ(expiry_.Said(), "");
  EXPECT_EQ(expiry_.SaidAfter(Days(0.5)), "b EXPIRED") << "time has its own say";
  house_.Pass({Lists({Expires("a", start_ + Days(20)), Expires("c", start_ + Days(5)),
                      Expires("b", start_ + Days(0.5))})});
  EXPECT_EQ(expiry_.Said(), "(c LEAD 7d); acme DIGEST");
  EXPECT_EQ(LastDigest(), "7d:1 30d:1 expired:0 of 3") << "the crashed pass' notices too";
  house_.Pass({Lists({Expires("a", start_ + Days(20)), Expires("c", start_ + Days(5)),
                      Expires("b", start_ + Days(0.5))})});
  EXPECT_EQ(expiry_.Said(), "");
}

TEST_F(LedgerFirstPassTest, ADigestThatIsNotStoredComesWithTheNextPass) {
  const auto lists = Lists({Expires("a", start_ + Days(20))});
  const PassId pass = house_.BeginPass({lists});
  house_.store().FailCommits(1);
  EXPECT_FALSE(house_.ledger().End(pass, {}).ok());
  EXPECT_EQ(expiry_.Said(), "(a LEAD 30d)");
  house_.Pass({lists});
  EXPECT_EQ(expiry_.Said(), "acme DIGEST");
}

// A source that is never read to its end says what each pass brought.
TEST_F(LedgerFirstPassTest, ASourceThatIsOnlyEverDegraded) {
  const auto pass = [&](std::vector<ObservedToken> tokens, v1::Source::State state) {
    house_.EndPass(house_.BeginPass({Incomplete(Lists(std::move(tokens)))}), {{"tokens", true}},
                   state);
  };
  const ObservedToken a = Expires("a", start_ + Days(20));
  const ObservedToken b = Expires("b", start_ + Days(5));
  pass({a}, v1::Source::DEGRADED);
  EXPECT_EQ(expiry_.Said(), "(a LEAD 30d); acme DIGEST");
  EXPECT_EQ(LastDigest(), "30d:1 expired:0 of 1");
  pass({a}, v1::Source::DEGRADED);
  EXPECT_EQ(expiry_.Said(), "") << "nothing new";
  pass({a, b}, v1::Source::DEGRADED);
  EXPECT_EQ(expiry_.Said(), "(b LEAD 7d); acme DIGEST");
  EXPECT_EQ(LastDigest(), "7d:1 30d:1 expired:0 of 2");
  EXPECT_EQ(expiry_.SaidAfter(Days(1)), "acme SOURCE_UNHEALTHY");
  EXPECT_EQ(expiry_.SaidAt(start_ + Days(2)), "b LEAD 3d") << "by time, so not digested";
  house_.Pass({Lists({a, b})});
  EXPECT_EQ(expiry_.Said(), "acme RESOLVED RECOVERED");
}

// What its own end takes away is not counted.
TEST_F(LedgerFirstPassTest, CountsWhatIsThereWhenItEnds) {
  const ObservedToken a = Expires("a", start_ + Days(20));
  const ObservedToken b = Expires("b", start_ + Days(5));
  const ObservedToken c = Expires("c", start_ - Days(5));
  for (int i = 0; i < 2; ++i) {
    // Complete listings of a pass that was not.
    house_.EndPass(house_.BeginPass({Lists(i == 0 ? std::vector{a, b, c} : std::vector{a})}),
                   {{"tokens", true}}, v1::Source::DEGRADED);
  }
  EXPECT_EQ(expiry_.Said(), "(a LEAD 30d); (b LEAD 7d); acme DIGEST");
  const ObservedToken d = Expires("d", start_ + Days(2));
  house_.Pass({Lists({a, d})});
  EXPECT_EQ(expiry_.Said(), "(d LEAD 3d); b RESOLVED DELETED; acme DIGEST");
  EXPECT_EQ(LastDigest(), "3d:1 30d:1 expired:0 of 2");
}

}  // namespace
}  // namespace tokeninventory::testing
