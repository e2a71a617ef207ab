#include "inventory/change_feed.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const FeedRevision> MakeRevision(std::int64_t revision, std::int64_t bytes) {
  auto made = std::make_shared<FeedRevision>();
  made->revision = revision;
  made->bytes = bytes;
  return made;
}

std::vector<std::int64_t> Revisions(const ChangeFeed& feed, std::int64_t from,
                                    std::int64_t max_bytes = 1 << 20) {
  std::vector<std::int64_t> numbers;
  for (const auto& revision : feed.Read({from, 0}, max_bytes))
    numbers.push_back(revision->revision);
  return numbers;
}

TEST(ChangeFeedTest, StartsWhereTheStoreStands) {
  ChangeFeed feed(1000);
  feed.Start({.epoch = "e", .revision = 40, .oldest_revision = 7});
  const ChangeFeed::Bounds bounds = feed.bounds();
  EXPECT_EQ(bounds.oldest, 7);
  EXPECT_EQ(bounds.memory_oldest, 40);
  EXPECT_EQ(bounds.head, 40);
  EXPECT_THAT(Revisions(feed, 41), IsEmpty());
  EXPECT_THAT(Revisions(feed, 8), IsEmpty());
}

TEST(ChangeFeedTest, ReadsFromAPositionOn) {
  ChangeFeed feed(1000);
  feed.Start({.epoch = "e", .revision = 40, .oldest_revision = 7});
  for (std::int64_t r = 41; r <= 45; ++r) feed.Publish(MakeRevision(r, 10));
  EXPECT_THAT(Revisions(feed, 41), ElementsAre(41, 42, 43, 44, 45));
  EXPECT_THAT(Revisions(feed, 44), ElementsAre(44, 45));
  EXPECT_THAT(Revisions(feed, 45), ElementsAre(45));
  EXPECT_THAT(Revisions(feed, 46), IsEmpty());
  EXPECT_THAT(Revisions(feed, 1000), IsEmpty());
  // In memory or not at all: what is before it is the store's.
  EXPECT_THAT(Revisions(feed, 40), IsEmpty());
  // A revision that is told in part is read again.
  EXPECT_EQ(feed.Read({45, 3}, 100).size(), 1u);
}

TEST(ChangeFeedTest, ReadsUpToAboutSoManyBytes) {
  ChangeFeed feed(1000);
  feed.Start({});
  for (std::int64_t r = 1; r <= 10; ++r) feed.Publish(MakeRevision(r, 10));
  EXPECT_THAT(Revisions(feed, 1, 1), ElementsAre(1));
  EXPECT_THAT(Revisions(feed, 1, 10), ElementsAre(1));
  EXPECT_THAT(Revisions(feed, 1, 11), ElementsAre(1, 2));
  EXPECT_THAT(Revisions(feed, 4, 25), ElementsAre(4, 5, 6));
}

TEST(ChangeFeedTest, KeepsTheNewestWithinItsBytes) {
  ChangeFeed feed(100);
  feed.Start({});
  for (std::int64_t r = 1; r <= 25; ++r) {
    feed.Publish(MakeRevision(r, 10));
    const ChangeFeed::Bounds bounds = feed.bounds();
    EXPECT_EQ(bounds.head, r);
    EXPECT_EQ(bounds.memory_oldest, std::max<std::int64_t>(0, r - 10));
  }
  EXPECT_THAT(Revisions(feed, 15), IsEmpty());
  EXPECT_EQ(Revisions(feed, 16).front(), 16);
}

TEST(ChangeFeedTest, KeepsOneRevisionThatIsLargerThanItsBytes) {
  ChangeFeed feed(100);
  feed.Start({});
  feed.Publish(MakeRevision(1, 50));
  feed.Publish(MakeRevision(2, 5000));
  EXPECT_THAT(Revisions(feed, 2), ElementsAre(2));
  EXPECT_EQ(feed.bounds().memory_oldest, 1);
  feed.Publish(MakeRevision(3, 1));
  EXPECT_THAT(Revisions(feed, 3), ElementsAre(3));
  EXPECT_EQ(feed.bounds().memory_oldest, 2);
}

TEST(ChangeFeedTest, TheOldestRevisionNeverFalls) {
  ChangeFeed feed(100);
  feed.Start({.epoch = "e", .revision = 9, .oldest_revision = 5});
  feed.SetOldestRevision(8);
  feed.SetOldestRevision(6);
  EXPECT_EQ(feed.bounds().oldest, 8);
}

TEST(ChangeFeedTest, TellsItsListenerAfterEachRevision) {
  ChangeFeed feed(100);
  feed.Start({});
  std::vector<std::int64_t> heads;
  feed.SetListener([&] { heads.push_back(feed.bounds().head); });
  feed.Publish(MakeRevision(1, 1));
  feed.Publish(MakeRevision(2, 1));
  feed.SetListener(nullptr);
  feed.Publish(MakeRevision(3, 1));
  EXPECT_THAT(heads, ElementsAre(1, 2));
}

TEST(FeedChangeTest, NamesChangedFieldsWhenTheTokenWasThereBeforeAndAfter) {
  v1::Token token;
  token.set_name("n");
  token.set_uid("u");
  const std::string before = SerializeToken(token);
  token.set_display_name("d");
  const std::string after = SerializeToken(token);
  EXPECT_THAT(MakeFeedChange({.row = 1, .before = before, .after = after}).changed_fields,
              ElementsAre(v1::Token::kDisplayNameFieldNumber));
  EXPECT_THAT(MakeFeedChange({.row = 1, .before = "", .after = after}).changed_fields, IsEmpty());
  EXPECT_THAT(MakeFeedChange({.row = 1, .before = before, .after = ""}).changed_fields, IsEmpty());
}

}  // namespace
}  // namespace tokeninventory::testing
