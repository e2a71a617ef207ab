#include "inventory/count_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tests/inventory/snapshot_maker.h"

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;
using testing::MakeToken;
using ::testing::Pair;
using testing::SnapshotMaker;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

v1::Token Token(const std::string& id, const std::string& kind,
                std::optional<absl::Duration> left = std::nullopt) {
  v1::Token token = MakeToken("acme", id);
  token.set_kind(kind);
  if (left) ToProto(kNow + *left, token.mutable_effective_expire_time());
  return token;
}

TEST(CountTokensTest, CountsWhatListShows) {
  v1::Token expired = Token("2", "personal", -absl::Hours(1));
  expired.set_state(v1::Token::EXPIRED);
  v1::Token missing = Token("3", "service");
  missing.set_presence(v1::Token::MISSING);
  v1::Token gone = Token("4", "service", absl::Hours(1));
  gone.set_presence(v1::Token::DELETED);
  v1::Token elsewhere = MakeToken("other", "1");
  elsewhere.set_kind("personal");
  const auto snapshot = SnapshotMaker()
                            .Source("acme")
                            .Source("other")
                            .Source("empty")
                            .Put(1, Token("1", "personal"))
                            .Put(2, expired)
                            .Put(3, missing)
                            .Put(4, gone)
                            // Another block, with numbers of its own for kinds.
                            .Put(200, Token("5", "service"))
                            .Put(201, Token("6", "personal"))
                            .Put(202, elsewhere)
                            .Build();

  const std::vector<TokenCounts> all = CountTokens(*snapshot, kNow);
  ASSERT_EQ(all.size(), 3u);
  const auto of = [&](const char* source) {
    return all[static_cast<std::size_t>(snapshot->FindSource(source))];
  };
  EXPECT_THAT(of("acme").by_state_and_kind,
              ElementsAre(Pair(Pair(v1::Token::ACTIVE, "personal"), 2),
                          Pair(Pair(v1::Token::ACTIVE, "service"), 2),
                          Pair(Pair(v1::Token::EXPIRED, "personal"), 1)));
  EXPECT_EQ(of("acme").missing, 1);
  EXPECT_THAT(of("other").by_state_and_kind,
              ElementsAre(Pair(Pair(v1::Token::ACTIVE, "personal"), 1)));
  EXPECT_TRUE(of("empty").by_state_and_kind.empty());
}

TEST(CountTokensTest, LooksAheadFromNow) {
  const absl::Duration day = absl::Hours(24);
  v1::Token disabled = Token("5", "personal", absl::Minutes(1));
  disabled.set_state(v1::Token::DISABLED);
  const auto snapshot = SnapshotMaker()
                            .Source("acme")
                            .Put(1, Token("1", "personal", -absl::Nanoseconds(1)))
                            .Put(2, Token("2", "personal", absl::ZeroDuration()))
                            .Put(3, Token("3", "personal", day))
                            .Put(4, Token("4", "personal", 7 * day + absl::Nanoseconds(1)))
                            .Put(5, disabled)
                            .Put(6, Token("6", "personal"))
                            .Put(7, Token("7", "personal", 400 * 365 * day))
                            .Build();

  const TokenCounts counts = CountTokens(*snapshot, kNow).at(0);
  ASSERT_THAT(kEndingWithinDays, ElementsAre(1, 3, 7, 14, 30));
  EXPECT_THAT(counts.ending_within, ElementsAre(1, 1, 1, 2, 2));
  EXPECT_EQ(counts.soonest_end, kNow + day);
  EXPECT_EQ(CountTokens(*snapshot, kNow + 30 * day).at(0).soonest_end, absl::InfiniteFuture());
}

TEST(CountTokensTest, KindsAreBoundedAndPlain) {
  SnapshotMaker maker;
  maker.Source("acme");
  maker.Put(1, Token("secret", "ghp_0123456789012345678901234567890123"));
  maker.Put(2, Token("prose", "a kind of its own"));
  for (int i = 0; i < 300; ++i) {
    maker.Put(100 + i, Token(absl::StrCat(i), absl::StrCat("kind_", i)));
  }
  const TokenCounts counts = CountTokens(*maker.Build(), kNow).at(0);
  EXPECT_EQ(counts.by_state_and_kind.size(), static_cast<std::size_t>(kMostCountedKinds) + 1);
  EXPECT_EQ(counts.by_state_and_kind.at({v1::Token::ACTIVE, kOtherKind}), 302 - kMostCountedKinds);
}

}  // namespace
}  // namespace tokeninventory
