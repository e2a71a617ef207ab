#include "inventory/expiration/lead_rules.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"
#include "tests/expiration/notice_words.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<absl::Duration> LeadsFor(const LeadRules& rules, const std::string& kind,
                                     absl::Duration life = absl::InfiniteDuration()) {
  v1::Token token;
  token.set_kind(kind);
  const std::string bytes = SerializeToken(token);
  return rules.LeadsFor(FilterRow{bytes, ReadTokenFacts(bytes).basic_size, nullptr, 0}, life);
}

TEST(LeadRulesTest, WithoutRulesEveryTokenHasTheDefault) {
  EXPECT_THAT(LeadsFor(LeadRules(), "any"),
              ElementsAre(Days(1), Days(3), Days(7), Days(14), Days(30)));
  EXPECT_EQ(LeadRules().widest(), Days(30));
}

TEST(LeadRulesTest, TheFirstRuleThatMatchesCounts) {
  const auto rules = LeadRules::Make({{"kind = 'a'", {Days(2), Days(90)}},
                                      {"kind = 'a' OR kind = 'b'", {Days(5)}},
                                      {"kind = 'c'", {}}});
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_THAT(LeadsFor(*rules, "a"), ElementsAre(Days(2), Days(90)));
  EXPECT_THAT(LeadsFor(*rules, "b"), ElementsAre(Days(5)));
  EXPECT_THAT(LeadsFor(*rules, "c"), IsEmpty()) << "asked for no warning";
  EXPECT_THAT(LeadsFor(*rules, "d"), ElementsAre(Days(1), Days(3), Days(7), Days(14), Days(30)));
  EXPECT_EQ(rules->widest(), Days(90));
}

TEST(LeadRulesTest, AnEmptyFilterIsForAll) {
  EXPECT_THAT(LeadsFor(LeadsOf({Days(4), Days(2)}), "any"), ElementsAre(Days(2), Days(4)));
}

TEST(LeadRulesTest, LeadsThatAreNotShorterThanTheLifeAreLeftOut) {
  const struct {
    absl::Duration life;
    std::vector<absl::Duration> leads;
  } kCases[] = {
      {Days(30) + absl::Nanoseconds(1), {Days(1), Days(3), Days(7), Days(14), Days(30)}},
      {Days(30), {Days(1), Days(3), Days(7), Days(14)}},
      {Days(3), {Days(1)}},
      {Days(1), {absl::Hours(8)}},
      {absl::Minutes(30), {absl::Minutes(10)}},
      {absl::ZeroDuration(), {}},
      {-Days(1), {}},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.life));
    EXPECT_EQ(LeadsFor(LeadRules(), "any", test.life), test.leads);
  }
  EXPECT_THAT(LeadsFor(LeadsOf({}), "any", absl::Hours(1)), IsEmpty());
}

TEST(LeadRulesTest, AbsurdLeadsAreRefused) {
  const std::vector<absl::Duration> twenty_one = [] {
    std::vector<absl::Duration> leads;
    for (int i = 1; i <= 21; ++i) leads.push_back(Days(i));
    return leads;
  }();
  const struct {
    std::vector<absl::Duration> leads;
    std::string problem;  // empty: none
  } kCases[] = {
      {{}, ""},
      {{absl::Seconds(1), Days(3660)}, ""},
      {{absl::Seconds(1) - absl::Nanoseconds(1)}, "between 1s and 87840h"},
      {{absl::ZeroDuration()}, "between"},
      {{-Days(1)}, "is -24h"},
      {{Days(3660) + absl::Nanoseconds(1)}, "between"},
      {{absl::InfiniteDuration()}, "is inf"},
      {{Days(1), Days(2), Days(1)}, "the lead 24h stands there twice"},
      {twenty_one, "at most 20 leads, there are 21"},
  };
  for (const auto& test : kCases) {
    const std::string problem = LeadRules::ProblemWith(test.leads);
    const auto rules = LeadRules::Make({{"", test.leads}});
    if (test.problem.empty()) {
      EXPECT_EQ(problem, "");
      EXPECT_TRUE(rules.ok()) << rules.status();
      continue;
    }
    EXPECT_THAT(problem, HasSubstr(test.problem));
    EXPECT_EQ(rules.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(LeadRulesTest, ABadFilterIsRefused) {
  for (const char* filter : {"kind =", "no_such_field = 1", "expire_time < now+30d"}) {
    SCOPED_TRACE(filter);
    EXPECT_EQ(LeadRules::Make({{filter, {Days(1)}}}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace tokeninventory::testing
