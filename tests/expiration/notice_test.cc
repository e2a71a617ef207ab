#include "inventory/expiration/notice.h"

#include <set>
#include <string>

#include "base/proto_time.h"
#include "gtest/gtest.h"
#include "inventory/expiration/notice_table.h"
#include "inventory/token_bytes.h"
#include "inventory/wire.h"
#include "tests/expiration/notice_words.h"
#include "tests/testing/random_token.h"

namespace tokeninventory::testing {
namespace {

v1::Expiration MakeNotice() {
  v1::Expiration notice;
  notice.set_uid("u");
  notice.set_source("sources/acme");
  notice.set_token_uid("t");
  notice.set_kind(v1::Expiration::LEAD);
  notice.set_state(v1::Expiration::OPEN);
  ToProto(Days(7), notice.mutable_lead());
  ToProto(absl::FromUnixSeconds(1'800'000'000), notice.mutable_effective_expire_time());
  return notice;
}

TEST(NoticeTest, IsStoredWithAllOfItsTokenAndShownWithTheBasicPart) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    const v1::Token token = RandomToken(random);
    const std::string bytes = SerializeToken(token);
    const auto notice = ParseNotice(SerializeNotice(MakeNotice(), bytes));
    ASSERT_TRUE(notice.ok()) << notice.status();
    EXPECT_EQ((*notice)->token(), bytes);
    EXPECT_TRUE((*notice)->is_about_token());
    EXPECT_EQ((*notice)->source, "acme");
    EXPECT_EQ((*notice)->lead, Days(7));
    std::string message;
    AppendNoticeMessage(message, 5, (*notice)->head(), (*notice)->token());
    v1::ExpirationBatch batch;
    ASSERT_TRUE(batch.ParseFromString(message));
    const auto basic = bytes.substr(0, ReadTokenFacts(bytes).basic_size);
    EXPECT_EQ(SerializeToken(batch.expirations(0).token()), basic);
  }
}

TEST(NoticeTest, IsMadeAsItIsRead) {
  std::mt19937_64 random(7);
  v1::Expiration of_source = MakeNotice();
  of_source.clear_effective_expire_time();
  of_source.set_digested(true);
  of_source.mutable_token()->set_uid("not looked at");
  for (const auto& [notice, bytes] : {std::pair(MakeNotice(), SerializeToken(RandomToken(random))),
                                      std::pair(of_source, std::string())}) {
    const auto read = ParseNotice(SerializeNotice(notice, bytes));
    ASSERT_TRUE(read.ok()) << read.status();
    const auto made = tokeninventory::MakeNotice(notice, bytes);
    EXPECT_EQ(made->bytes, (*read)->bytes);
    EXPECT_EQ(made->head_size, (*read)->head_size);
    EXPECT_EQ(made->source, (*read)->source);
    EXPECT_EQ(made->kind, (*read)->kind);
    EXPECT_EQ(made->state, (*read)->state);
    EXPECT_EQ(made->digested, (*read)->digested);
    EXPECT_EQ(made->lead, (*read)->lead);
    EXPECT_EQ(made->end, (*read)->end);
    EXPECT_EQ(made->tie, (*read)->tie);
  }
}

TEST(NoticeTest, WithoutATokenItIsAboutASource) {
  v1::Expiration notice = MakeNotice();
  notice.clear_effective_expire_time();
  notice.mutable_token()->set_uid("not looked at");
  const auto parsed = ParseNotice(SerializeNotice(notice, ""));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_FALSE((*parsed)->is_about_token());
  EXPECT_EQ((*parsed)->token(), "");
  EXPECT_EQ((*parsed)->end, absl::InfinitePast());
  EXPECT_TRUE((*parsed)->reaches(absl::ZeroDuration()));
  EXPECT_FALSE(ParseNotice("\xff\xff").ok());
}

TEST(NoticeTest, ReachesALead) {
  const struct {
    v1::Expiration::Kind kind;
    absl::Duration lead, most;
    bool reaches;
  } kCases[] = {
      {v1::Expiration::LEAD, Days(7), Days(7), true},
      {v1::Expiration::LEAD, Days(7), Days(7) - absl::Nanoseconds(1), false},
      {v1::Expiration::LEAD, Days(7), absl::InfiniteDuration(), true},
      {v1::Expiration::EXPIRED, Days(7), absl::ZeroDuration(), true},
      {v1::Expiration::OVERDUE, Days(7), absl::ZeroDuration(), true},
  };
  for (const auto& test : kCases) {
    v1::Expiration notice = MakeNotice();
    notice.set_kind(test.kind);
    ToProto(test.lead, notice.mutable_lead());
    v1::Token token;
    token.set_uid("t");
    const auto parsed = ParseNotice(SerializeNotice(notice, SerializeToken(token)));
    EXPECT_EQ((*parsed)->reaches(test.most), test.reaches);
  }
}

// Clients compare them, stores keep them: they must never change.
TEST(NoticeTest, IdsAreTheSameEverywhere) {
  EXPECT_EQ(NoticeUid("t", v1::Expiration::LEAD, 1), NoticeUid("t", v1::Expiration::OVERDUE, 1));
  EXPECT_EQ(NoticeUid("t", v1::Expiration::LEAD, 1).size(), 32u);
  EXPECT_EQ(NoticeName("sources/acme", "u"), "sources/acme/expirations/u");
  std::set<std::string> uids;
  for (const char* about : {"t", "u"}) {
    for (const auto kind :
         {v1::Expiration::LEAD, v1::Expiration::SOURCE_UNHEALTHY, v1::Expiration::DIGEST}) {
      for (const int generation : {1, 2, 11}) uids.insert(NoticeUid(about, kind, generation));
    }
  }
  EXPECT_EQ(uids.size(), 18u);
  v1::Expiration notice = MakeNotice();
  std::set<std::string> events;
  events.insert(NoticeEventId(notice));
  notice.set_days_left(3);
  events.insert(NoticeEventId(notice));
  EXPECT_EQ(events.size(), 1u) << "of what it says, not of when";
  ToProto(Days(3), notice.mutable_lead());
  events.insert(NoticeEventId(notice));
  notice.set_kind(v1::Expiration::EXPIRED);
  events.insert(NoticeEventId(notice));
  notice.set_kind(v1::Expiration::OVERDUE);
  events.insert(NoticeEventId(notice));
  notice.set_state(v1::Expiration::RESOLVED);
  events.insert(NoticeEventId(notice));
  notice.set_uid("v");
  events.insert(NoticeEventId(notice));
  EXPECT_EQ(events.size(), 6u);
}

TEST(NoticeTableTest, HoldsWhatWasPutAndKeepsOlderOnes) {
  std::mt19937_64 random(3);
  NoticeTable table;
  std::map<std::int64_t, std::shared_ptr<const Notice>> model;
  for (int round = 0; round < 60; ++round) {
    const NoticeTable before = table;
    const auto model_before = model;
    std::map<std::int64_t, std::shared_ptr<const Notice>> edits;
    for (int i = 0; i < 30; ++i) {
      const auto row = static_cast<std::int64_t>(1 + random() % 12'000);
      auto notice = std::make_shared<Notice>();
      notice->tie = random();
      if (random() % 5 != 0) notice->end = absl::FromUnixSeconds(static_cast<int>(random() % 50));
      edits[row] = random() % 4 == 0 ? nullptr : std::move(notice);
    }
    table = table.With({edits.begin(), edits.end()});
    for (const auto& [row, notice] : edits) {
      if (notice == nullptr)
        model.erase(row);
      else
        model[row] = notice;
    }
    for (const auto& [state, expected] : {std::pair(&before, &model_before), {&table, &model}}) {
      std::map<std::int64_t, std::shared_ptr<const Notice>> scanned;
      state->Scan(0, [&](std::int64_t row, const auto& notice) {
        scanned[row] = notice;
        return true;
      });
      EXPECT_EQ(scanned, *expected);
      EXPECT_EQ(state->size(), expected->size());
      absl::Time last = absl::InfinitePast();
      std::size_t seen = 0;
      state->by_end().Scan({std::numeric_limits<std::int64_t>::min(), 0, 0},
                           [&](const SortedEntry& entry) {
                             const auto notice = state->Find(entry.row);
                             EXPECT_GE(notice->end, last);
                             last = notice->end;
                             ++seen;
                             return true;
                           });
      EXPECT_EQ(seen, expected->size());
    }
  }
  EXPECT_EQ(table.Find(0), nullptr);
  EXPECT_EQ(table.Find(-1), nullptr);
  EXPECT_EQ(table.Find(1'000'000), nullptr);
}

}  // namespace
}  // namespace tokeninventory::testing
