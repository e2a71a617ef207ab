// Sources that fall silent, leave the configuration and come back; rules that change.
#include <string>

#include "gtest/gtest.h"
#include "tests/expiration/expiry_house.h"

namespace tokeninventory::testing {
namespace {

class LedgerSourcesTest : public ::testing::Test {
 protected:
  LedgerSourcesTest() {
    house_.Pass({Lists({})});  // what comes later is told one by one
  }
  LedgerSetup Without(const std::string& id) const {
    LedgerSetup setup = expiry_.setup();
    std::erase_if(setup.sources, [&](const SourceInfo& info) { return info.id == id; });
    return setup;
  }
  LedgerSetup With(LeadRules rules) const {
    LedgerSetup setup = expiry_.setup();
    setup.rules = std::move(rules);
    return setup;
  }

  ExpiryHouse expiry_;
  LedgerHarness& house_ = expiry_.house();
  const absl::Time start_ = house_.clock().Now();
};

TEST_F(LedgerSourcesTest, UnhealthyIsToldOnceAndItsRecovery) {
  EXPECT_EQ(expiry_.SaidAt(start_ + Days(1) - absl::Nanoseconds(1)), "");
  EXPECT_EQ(expiry_.SaidAt(start_ + Days(1)), "acme SOURCE_UNHEALTHY");
  EXPECT_EQ(expiry_.SaidAfter(Days(3)), "");
  expiry_.Reopen();
  EXPECT_EQ(expiry_.SaidAfter(Days(1)), "") << "nor after a restart";
  EXPECT_EQ(expiry_.SaidAt(start_ + absl::Hours(3)), "") << "nor when the clock goes back";
  house_.clock().Set(start_ + Days(6));
  house_.EndPass(house_.BeginPass({}), {}, v1::Source::DEGRADED);
  EXPECT_EQ(expiry_.Said(), "") << "only a complete pass is a recovery";
  house_.Pass({Lists({})});
  EXPECT_EQ(expiry_.Said(), "acme RESOLVED RECOVERED");
  house_.Pass({Lists({})});
  EXPECT_EQ(expiry_.Said(), "");
  EXPECT_EQ(expiry_.SaidAfter(Days(1)), "acme SOURCE_UNHEALTHY") << "once again";
}

TEST_F(LedgerSourcesTest, ALongIntervalHasThreeOfThem) {
  LedgerSetup setup = expiry_.setup();
  setup.sources[0].interval = absl::Hours(12);
  expiry_.Reopen(setup);
  EXPECT_EQ(expiry_.SaidAt(start_ + absl::Hours(36) - absl::Nanoseconds(1)), "");
  EXPECT_EQ(expiry_.SaidAt(start_ + absl::Hours(36)), "acme SOURCE_UNHEALTHY");
}

TEST_F(LedgerSourcesTest, ASourceThatWasNeverReadIsUnhealthyToo) {
  LedgerSetup setup = expiry_.setup();
  setup.sources.push_back(MakeSourceInfo("beta"));
  house_.clock().Advance(absl::Hours(23));
  house_.Pass({Lists({})});
  expiry_.Reopen(setup);
  EXPECT_EQ(expiry_.SaidAfter(absl::Hours(23.5)), "");
  house_.Pass({Lists({})});
  EXPECT_EQ(expiry_.SaidAfter(absl::Hours(0.5)), "beta SOURCE_UNHEALTHY");
}

TEST_F(LedgerSourcesTest, LeavesTheConfigurationAndComesBack) {
  const auto lists = Lists({Expires("a", start_ + Days(10)), Expires("b", start_ + Days(12)),
                            Expires("c", start_ + Days(90))});
  house_.Pass({lists});
  EXPECT_EQ(expiry_.Said(), "a LEAD 14d; b LEAD 14d");
  EXPECT_EQ(expiry_.SaidAfter(Days(1)), "acme SOURCE_UNHEALTHY");
  const LedgerSetup with = expiry_.setup();
  expiry_.Reopen(Without("acme"));
  const std::string gone = expiry_.Said();
  EXPECT_TRUE(gone == "a RESOLVED DETACHED; b RESOLVED DETACHED; acme RESOLVED DETACHED" ||
              gone == "b RESOLVED DETACHED; a RESOLVED DETACHED; acme RESOLVED DETACHED")
      << gone;
  EXPECT_EQ(expiry_.SaidAt(start_ + Days(11)), "") << "nobody looks";
  expiry_.Reopen(with);
  // Its tokens are back, and wait for the pass that sees them; a's end is told at once.
  EXPECT_EQ(expiry_.Said(), "a EXPIRED; (b LEAD 1d)");
  house_.Pass({lists});
  EXPECT_EQ(expiry_.Said(), "acme DIGEST");
  EXPECT_EQ(expiry_.SaidAt(start_ + Days(12)), "b EXPIRED; acme SOURCE_UNHEALTHY");
  house_.Pass({lists});
  EXPECT_EQ(expiry_.Said(), "acme RESOLVED RECOVERED");
}

TEST_F(LedgerSourcesTest, RulesChangeOverARestart) {
  house_.Pass({Lists({Expires("a", start_ + Days(10)), Expires("b", start_ + Days(40))})});
  EXPECT_EQ(expiry_.Said(), "a LEAD 14d");
  const LedgerSetup defaults = expiry_.setup();
  const struct {
    std::string name;
    LeadRules rules;
    std::string said;
  } kSteps[] = {
      {"the same", LeadRules(), ""},
      {"a reached one, wider", LeadsOf({Days(20)}), ""},
      {"none", LeadsOf({}), "a RESOLVED RULE_CHANGED"},
      {"none, still", LeadsOf({}), ""},
      {"wide ones", LeadsOf({Days(45)}), "a LEAD 45d; b LEAD 45d"},
      {"tighter", LeadsOf({Days(11), Days(42)}), "b LEAD 42d; a LEAD 11d"},
      {"for b alone", *LeadRules::Make({{"provider_token_id = 'b'", {Days(45)}}, {"", {}}}),
       "a RESOLVED RULE_CHANGED"},
      {"defaults", LeadRules(), "a LEAD 14d; b RESOLVED RULE_CHANGED"},
  };
  for (const auto& step : kSteps) {
    SCOPED_TRACE(step.name);
    expiry_.Reopen(With(step.rules));
    expiry_.Settle();
    EXPECT_EQ(expiry_.Said(), step.said);
    EXPECT_EQ(expiry_.SaidAfter(absl::Seconds(1)), "");
  }
}

// Down from eight days before an end to half a day before.
TEST_F(LedgerSourcesTest, AStopOverSeveralLeadsTellsTheTightest) {
  const absl::Time end = start_ + Days(40);
  house_.Pass({Lists({Expires("a", end)})});
  house_.clock().Set(end - Days(8));
  expiry_.Settle();
  EXPECT_EQ(expiry_.Said(), "a LEAD 14d; acme SOURCE_UNHEALTHY");
  house_.Close();
  house_.clock().Set(end - Days(0.5));
  expiry_.Reopen();
  expiry_.Settle();
  EXPECT_EQ(expiry_.Said(), "a LEAD 1d");
  EXPECT_EQ(FromProto(house_.NoticeOf("a")->due_time()), end - Days(1));
  house_.Close();
  house_.clock().Set(end + Days(60));
  expiry_.Reopen();
  expiry_.Settle();
  EXPECT_EQ(expiry_.Said(), "a RESOLVED EXPIRED") << "too late for any other word";
  EXPECT_EQ(expiry_.SaidAfter(Days(60)), "");
}

}  // namespace
}  // namespace tokeninventory::testing
