// What clients of WatchExpirations are told, through the hub.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_watch_view.h"
#include "tests/expiration/watched_house.h"

namespace tokeninventory::testing {
namespace {

using Start = WatchSession::Start;

class WatchExpirationsTest : public ::testing::Test {
 protected:
  static LedgerSetup TwoSources() {
    LedgerSetup setup;
    setup.sources.push_back(MakeSourceInfo("beta"));
    return setup;
  }
  WatchExpirationsTest() {
    house_.Pass({Lists({})});
    house_.Pass({Lists({})}, "beta");
  }

  static ObservedToken Kind(const std::string& id, const std::string& kind, absl::Time end) {
    ObservedToken token = Expires(id, end);
    token.token.set_kind(kind);
    token.token.add_permissions("FULL only");
    return token;
  }
  std::string HeardBy(NoticeStream& stream) {
    watched_.CatchUp(stream);
    return Heard(stream);
  }

  WatchedHouse watched_{TwoSources()};
  LedgerHarness& house_ = watched_.house();
  const absl::Time start_ = house_.clock().Now();
};

TEST_F(WatchExpirationsTest, BeginsWithWhatIsOpenNowOrAfterARevision) {
  house_.Pass({Lists({Kind("a", "x", start_ + Days(5)), Kind("b", "x", start_ + Days(5))})});
  const std::int64_t then = house_.revision();
  house_.Pass({Lists({Kind("a", "x", start_ + Days(5)), Kind("b", "x", start_ + Days(500))})});
  const auto open = watched_.Watch(Start::kInitialState);
  const auto now = watched_.Watch(Start::kNow);
  const auto after = watched_.Watch(Start::kAfterRevision, {}, then);
  const auto all = watched_.Watch(Start::kAfterRevision, {}, 0);
  ASSERT_TRUE(open->Take());
  EXPECT_TRUE(open->synced());
  EXPECT_EQ(Heard(*open, true), "a LEAD 7d");
  EXPECT_EQ(HeardBy(*now), "");
  EXPECT_EQ(HeardBy(*after), "b RESOLVED EXTENDED");
  house_.Pass({Lists({Kind("a", "x", start_ + Days(2)), Kind("b", "x", start_ + Days(500))})});
  const std::string news = "a RESOLVED SHORTENED; a LEAD 3d";
  EXPECT_EQ(HeardBy(*open), news);
  EXPECT_EQ(HeardBy(*now), news);
  EXPECT_EQ(HeardBy(*after), "b RESOLVED EXTENDED; " + news);
  const std::string whole = HeardBy(*all);
  EXPECT_TRUE(whole == "a LEAD 7d; b LEAD 7d; b RESOLVED EXTENDED; " + news ||
              whole == "b LEAD 7d; a LEAD 7d; b RESOLVED EXTENDED; " + news)
      << whole;
  EXPECT_FALSE(now->synced());
}

TEST_F(WatchExpirationsTest, ManyOpenOnesComeInParts) {
  std::vector<ObservedToken> tokens;
  for (int i = 0; i < 3000; ++i) {
    tokens.push_back(Kind(absl::StrCat("t", i), "x", start_ + Days(5)));
    tokens.back().token.set_display_name(std::string(400, 'n'));
  }
  house_.Pass({Lists(tokens)});
  const auto stream = watched_.Watch(Start::kInitialState);
  while (!stream->synced()) ASSERT_TRUE(stream->Take());
  EXPECT_GT(stream->messages().size(), 1u);
  std::set<std::string> uids;
  for (std::size_t i = 0; i < stream->messages().size(); ++i) {
    for (const v1::ExpirationBatch& batch : stream->messages()[i].batches()) {
      EXPECT_TRUE(batch.initial());
      EXPECT_EQ(batch.continued(), i + 1 < stream->messages().size());
      for (const v1::Expiration& notice : batch.expirations()) {
        EXPECT_TRUE(uids.insert(notice.uid()).second);
      }
    }
  }
  EXPECT_EQ(uids.size(), 3000u);
}

TEST_F(WatchExpirationsTest, FiltersByTokenByLeadAndBySource) {
  const struct {
    std::string name;
    NoticeWish wish;
    std::string heard;
  } kCases[] = {
      {"all", {}, "a LEAD 14d; b LEAD 7d; q LEAD 1d; a RESOLVED REVOKED; b LEAD 3d; b EXPIRED"},
      {"kind", {"", "kind = 'x'"}, "a LEAD 14d; a RESOLVED REVOKED"},
      {"a FULL field",
       {"", "permissions:'FULL only'"},
       "a LEAD 14d; b LEAD 7d; q LEAD 1d; a RESOLVED REVOKED; b LEAD 3d; b EXPIRED"},
      {"lead", {"", "", Days(7)}, "b LEAD 7d; q LEAD 1d; b LEAD 3d; b EXPIRED"},
      {"tight lead", {"", "", Days(3)}, "q LEAD 1d; b LEAD 3d; b EXPIRED"},
      {"no lead", {"", "", absl::ZeroDuration()}, "b EXPIRED"},
      {"source", {"beta"}, "q LEAD 1d"},
      {"all of it", {"acme", "kind = 'y'", Days(7)}, "b LEAD 7d; b LEAD 3d; b EXPIRED"},
  };
  std::vector<std::unique_ptr<NoticeStream>> streams;
  for (const auto& test : kCases) streams.push_back(watched_.Watch(Start::kNow, test.wish));
  const auto shows = [&](v1::Token::State state) {
    ObservedToken a = Kind("a", "x", start_ + Days(10));
    a.token.set_state(state);
    house_.Pass({Lists({a, Kind("b", "y", start_ + Days(5))})});
  };
  shows(v1::Token::ACTIVE);
  house_.Pass({Lists({Kind("q", "z", start_ + Days(1))})}, "beta");
  shows(v1::Token::REVOKED);
  for (const absl::Duration time : {Days(2), Days(5)}) {
    // Nothing else happens meanwhile.
    house_.clock().Set(start_ + time);
    watched_.expiry().Settle();
    shows(v1::Token::REVOKED);
    house_.Pass({Lists({Kind("q", "z", start_ + Days(1))})}, "beta");
  }
  for (std::size_t i = 0; i < streams.size(); ++i) {
    SCOPED_TRACE(kCases[i].name);
    watched_.CatchUp(*streams[i]);
    std::vector<std::string> words;
    for (const std::string& word :
         std::vector<std::string>(absl::StrSplit(Heard(*streams[i]), "; ", absl::SkipEmpty()))) {
      // Sources are told to all; q's end is told beside b's.
      if (word.find("acme") == 0 || word.find("beta") == 0 || word == "q EXPIRED") continue;
      words.push_back(word);
    }
    EXPECT_EQ(absl::StrJoin(words, "; "), kCases[i].heard);
  }
}

TEST_F(WatchExpirationsTest, NoticesAboutSourcesAreToldToAll) {
  const auto narrow = watched_.Watch(Start::kNow, {"", "kind = 'none'", absl::ZeroDuration()});
  const auto other = watched_.Watch(Start::kNow, {"beta"});
  house_.clock().Advance(absl::Hours(1));
  house_.Pass({Lists({})}, "beta");
  house_.clock().Set(start_ + Days(1));
  watched_.expiry().Settle();
  EXPECT_EQ(HeardBy(*narrow), "acme SOURCE_UNHEALTHY");
  EXPECT_EQ(HeardBy(*other), "");
}

// Whoever was told of it hears that it is over, also when the token no longer matches.
TEST_F(WatchExpirationsTest, AResolutionIsToldToWhoeverWasTold) {
  const auto lists = [&](const std::string& name, absl::Time end) {
    ObservedToken token = Expires("a", end);
    token.token.set_display_name(name);
    house_.Pass({Lists({token})});
  };
  const auto x = watched_.Watch(Start::kNow, {"", "display_name = 'x'"});
  const auto y = watched_.Watch(Start::kNow, {"", "display_name = 'y'"});
  const auto z = watched_.Watch(Start::kNow, {"", "display_name = 'z'"});
  const auto near = watched_.Watch(Start::kNow, {"", "", Days(3)});
  const auto soon = watched_.Watch(Start::kNow, {"", "expire_time < 2027-03-01T00:00:00Z"});
  lists("x", start_ + Days(5));
  lists("y", start_ + Days(300));
  EXPECT_EQ(HeardBy(*x), "a LEAD 7d; a RESOLVED EXTENDED");
  EXPECT_EQ(HeardBy(*y), "a RESOLVED EXTENDED") << "it matches now";
  EXPECT_EQ(HeardBy(*z), "");
  EXPECT_EQ(HeardBy(*near), "") << "it was never as near";
  EXPECT_EQ(HeardBy(*soon), "a LEAD 7d; a RESOLVED EXTENDED");
}

TEST_F(WatchExpirationsTest, WhatADigestToldIsNotStreamedButShownWhenOpen) {
  WatchedHouse fresh;
  LedgerHarness& house = fresh.house();
  const auto stream = fresh.Watch(Start::kNow);
  const auto lists = Lists({Expires("a", start_ + Days(5)), Expires("b", start_ + Days(20)),
                            Expires("old", start_ - Days(5))});
  house.Pass({lists});
  fresh.CatchUp(*stream);
  EXPECT_EQ(Heard(*stream), "acme DIGEST");
  const auto open = fresh.Watch(Start::kInitialState);
  ASSERT_TRUE(open->Take());
  EXPECT_EQ(Heard(*open, true), "a LEAD 7d; b LEAD 30d");
  house.Pass({Lists({Expires("a", start_ + Days(50)), Expires("b", start_ + Days(20))})});
  fresh.CatchUp(*stream);
  EXPECT_EQ(Heard(*stream), "acme DIGEST; a RESOLVED EXTENDED");
}

// Cut off anywhere, and again after a restart: the same ids, none twice, none missing.
TEST_F(WatchExpirationsTest, ResumesInTheMiddleWithTheSameIds) {
  const std::int64_t begin = house_.revision();
  std::vector<std::string> tokens_at;  // resume tokens, as a client got them
  {
    const auto live = watched_.Watch(Start::kNow);
    watched_.CatchUp(*live);
    for (int i = 1; i <= 12; ++i) {
      std::vector<ObservedToken> tokens;
      for (int t = 1; t <= i; ++t) {
        tokens.push_back(Kind(absl::StrCat("t", t), "x", start_ + Days(t % 3 == 0 ? 2 + i : 20)));
      }
      house_.Pass({Lists(tokens)});
      house_.clock().Advance(Days(0.5));
      watched_.expiry().Settle();
      watched_.CatchUp(*live);
      tokens_at.push_back(live->resume_token());
    }
  }
  for (const bool restarted : {false, true}) {
    if (restarted) watched_.Reopen();
    const auto whole = watched_.Watch(Start::kAfterRevision, {}, begin);
    watched_.CatchUp(*whole);
    const std::vector<std::string> all = EventIds(*whole);
    EXPECT_GT(all.size(), 20u);
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
    std::size_t last = all.size() + 1;
    for (const std::string& token : tokens_at) {
      const auto rest = watched_.Resume(token);
      watched_.CatchUp(*rest);
      const std::vector<std::string> ids = EventIds(*rest);
      ASSERT_LE(ids.size(), all.size());
      EXPECT_TRUE(std::equal(ids.rbegin(), ids.rend(), all.rbegin())) << "the same tail";
      EXPECT_LE(ids.size(), last);
      last = ids.size();
    }
    EXPECT_EQ(last, 0u) << "the newest token has all behind it";
  }
}

TEST_F(WatchExpirationsTest, TokenStreamsSkipWhatIsOnlyNotices) {
  house_.Pass({Lists({Kind("a", "x", start_ + Days(20))})});
  const auto notices = watched_.Watch(Start::kNow);
  WatchScope scope;
  const auto tokens = watched_.WatchWith<v1::WatchTokensResponse>(
      std::make_shared<TokenWatchView>(scope), Start::kNow);
  watched_.CatchUp(*notices);
  watched_.CatchUp(*tokens);
  const std::int64_t before = house_.revision();
  house_.clock().Set(start_ + Days(6));  // a lead; the sources are unhealthy too
  watched_.expiry().Settle();
  EXPECT_EQ(house_.revision(), before + 2);
  const int progresses = tokens->progresses();
  watched_.CatchUp(*notices);
  watched_.CatchUp(*tokens);
  EXPECT_GT(tokens->progresses(), progresses);
  EXPECT_EQ(tokens->told(), before + 2) << "Progress reaches it";
  for (const auto& message : tokens->messages()) EXPECT_EQ(message.batches_size(), 0);
  EXPECT_NE(Heard(*notices).find("a LEAD 14d"), std::string::npos);
}

}  // namespace
}  // namespace tokeninventory::testing
