// Watch messages as bytes, from changes made by hand.
#include "inventory/watch_encoder.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "tests/inventory/snapshot_maker.h"
#include "tests/inventory/watch_checker.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Event = v1::TokenEvent;

constexpr char kEpoch[] = "0123456789abcdef";
const absl::Time kTime = absl::FromUnixSeconds(1'800'000'000) + absl::Nanoseconds(7);

using Revisions = std::vector<std::shared_ptr<const FeedRevision>>;

std::shared_ptr<const FeedRevision> MakeRevision(std::int64_t number,
                                                 std::vector<LogChange> changes) {
  auto revision = std::make_shared<FeedRevision>();
  revision->revision = number;
  revision->commit_time = kTime;
  for (LogChange& change : changes) revision->changes.push_back(MakeFeedChange(std::move(change)));
  return revision;
}

LogChange Change(const std::string& before, const std::string& after) {
  return LogChange{1, v1::TokenChange::VENDOR_REPORTED, before, after};
}

std::string Bytes(v1::Token::Presence presence, const std::string& source = "acme") {
  return SerializeToken(MakeToken(source, "t", presence));
}

v1::WatchTokensResponse Parse(const WatchMessage& message) {
  v1::WatchTokensResponse response;
  EXPECT_TRUE(message != nullptr && response.ParseFromString(*message));
  return response;
}

TEST(WatchEncoderTest, WhatAChangeOfPresenceIsToAWatcher) {
  const std::string none;
  const std::string listed = Bytes(v1::Token::LISTED);
  const std::string missing = Bytes(v1::Token::MISSING);
  const std::string deleted = Bytes(v1::Token::DELETED);
  const std::string detached = Bytes(v1::Token::DETACHED);
  struct Case {
    const std::string& before;
    const std::string& after;
    Event::Type type;
    Event::RemoveCause cause;
  };
  constexpr Event::RemoveCause kNoCause = Event::REMOVE_CAUSE_UNSPECIFIED;
  const Case cases[] = {
      {none, listed, Event::ADDED, kNoCause},
      {listed, missing, Event::MODIFIED, kNoCause},
      {missing, listed, Event::MODIFIED, kNoCause},
      {missing, deleted, Event::REMOVED, Event::DELETED},
      {listed, deleted, Event::REMOVED, Event::DELETED},
      {listed, detached, Event::REMOVED, Event::DETACHED},
      {deleted, listed, Event::ADDED, kNoCause},
      {detached, listed, Event::ADDED, kNoCause},
      {listed, none, Event::REMOVED, Event::DELETED},
      {none, deleted, Event::TYPE_UNSPECIFIED, kNoCause},
      {deleted, none, Event::TYPE_UNSPECIFIED, kNoCause},
      {detached, deleted, Event::TYPE_UNSPECIFIED, kNoCause},
  };
  for (const Case& c : cases) {
    const Revisions revisions = {MakeRevision(5, {Change(c.before, c.after)})};
    const EncodedChanges encoded =
        EncodeChanges(revisions, {5, 0}, MakeScope(v1::FULL), kEpoch, true);
    EXPECT_EQ(encoded.next, (LogPosition{6, 0}));
    if (c.type == Event::TYPE_UNSPECIFIED) {
      EXPECT_EQ(encoded.message, nullptr);
      continue;
    }
    const auto response = Parse(encoded.message);
    ASSERT_EQ(response.batches_size(), 1);
    EXPECT_EQ(response.batches(0).revision(), 5);
    EXPECT_EQ(response.batches(0).commit_time().seconds(), 1'800'000'000);
    EXPECT_EQ(response.batches(0).commit_time().nanos(), 7);
    ASSERT_EQ(response.batches(0).events_size(), 1);
    const Event& event = response.batches(0).events(0);
    EXPECT_EQ(event.type(), c.type);
    EXPECT_EQ(event.remove_cause(), c.cause);
    EXPECT_EQ(event.uid(), "uid-acme-t");
    EXPECT_EQ(SerializeToken(event.token()), c.after.empty() ? c.before : c.after);
    EXPECT_EQ(event.has_changed_fields(), c.type == Event::MODIFIED);
    EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 5);
  }
}

TEST(WatchEncoderTest, WhatAFilterMakesOfAChange) {
  v1::Token token = MakeToken("acme", "t");
  token.set_role("user");
  const std::string user = SerializeToken(token);
  token.set_role("admin");
  const std::string admin = SerializeToken(token);
  token.set_display_name("other");
  const std::string other_admin = SerializeToken(token);
  token.set_presence(v1::Token::DELETED);
  const std::string deleted = SerializeToken(token);
  struct Case {
    const std::string& before;
    const std::string& after;
    Event::Type type;
    Event::RemoveCause cause;
  };
  constexpr Event::RemoveCause kNoCause = Event::REMOVE_CAUSE_UNSPECIFIED;
  const std::string none;
  const Case cases[] = {
      {none, admin, Event::ADDED, kNoCause},
      {none, user, Event::TYPE_UNSPECIFIED, kNoCause},
      {user, admin, Event::ADDED, kNoCause},
      {admin, other_admin, Event::MODIFIED, kNoCause},
      {admin, user, Event::REMOVED, Event::LEFT_FILTER},
      {user, user, Event::TYPE_UNSPECIFIED, kNoCause},
      {other_admin, deleted, Event::REMOVED, Event::DELETED},
      {user, deleted, Event::TYPE_UNSPECIFIED, kNoCause},
      {deleted, admin, Event::ADDED, kNoCause},
  };
  for (const Case& c : cases) {
    const Revisions revisions = {MakeRevision(5, {Change(c.before, c.after)})};
    const EncodedChanges encoded =
        EncodeChanges(revisions, {5, 0}, MakeScope(v1::FULL, "", "role = \"admin\""), kEpoch, true);
    EXPECT_EQ(encoded.next, (LogPosition{6, 0}));
    EXPECT_EQ(encoded.message == nullptr, c.type == Event::TYPE_UNSPECIFIED);
    if (encoded.message == nullptr) continue;
    const auto response = Parse(encoded.message);
    const Event& event = response.batches(0).events(0);
    EXPECT_EQ(event.type(), c.type);
    EXPECT_EQ(event.remove_cause(), c.cause);
    EXPECT_EQ(SerializeToken(event.token()), c.after);
  }
}

TEST(WatchEncoderTest, ModifiedNamesTheChangedFields) {
  v1::Token token = MakeToken("acme", "t");
  const std::string before = SerializeToken(token);
  token.set_role("admin");
  token.add_permissions("write");
  token.set_revision(9);
  const Revisions revisions = {MakeRevision(9, {Change(before, SerializeToken(token))})};
  const auto basic =
      Parse(EncodeChanges(revisions, {9, 0}, MakeScope(v1::BASIC), kEpoch, true).message);
  const Event& event = basic.batches(0).events(0);
  EXPECT_THAT(event.changed_fields().paths(), ElementsAre("role", "permissions"));
  EXPECT_EQ(event.token().permissions_size(), 0) << "BASIC";
  EXPECT_EQ(event.token().role(), "admin");
}

TEST(WatchEncoderTest, OnlyChangesOfItsSourceConcernAWatcher) {
  // A source whose id begins with another one's.
  const Revisions revisions = {
      MakeRevision(1, {Change("", Bytes(v1::Token::LISTED, "acme"))}),
      MakeRevision(2, {Change("", Bytes(v1::Token::LISTED, "acme-2")),
                       Change("", Bytes(v1::Token::LISTED, "acme"))}),
      MakeRevision(3, {Change("", Bytes(v1::Token::LISTED, "acme-2"))}),
  };
  const EncodedChanges encoded =
      EncodeChanges(revisions, {1, 0}, MakeScope(v1::BASIC, "acme"), kEpoch, true);
  const auto response = Parse(encoded.message);
  ASSERT_EQ(response.batches_size(), 2);
  EXPECT_EQ(response.batches(0).revision(), 1);
  EXPECT_EQ(response.batches(1).revision(), 2);
  EXPECT_EQ(response.batches(1).events_size(), 1);
  EXPECT_EQ(encoded.next, (LogPosition{4, 0}));
  EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 3)
      << "3 has nothing for it";
}

// A revision of `count` tokens of 60 KiB each.
std::shared_ptr<const FeedRevision> MakeLargeRevision(std::int64_t number, int count,
                                                      const std::string& source = "acme") {
  std::vector<LogChange> changes;
  for (int i = 0; i < count; ++i) {
    v1::Token token = MakeToken(source, absl::StrCat(i));
    token.set_permissions(0, std::string(60 * 1024, 'p'));
    changes.push_back(Change("", SerializeToken(token)));
  }
  return MakeRevision(number, std::move(changes));
}

TEST(WatchEncoderTest, ALargeRevisionIsCutAndOnlyItsEndCanBeResumed) {
  const Revisions revisions = {MakeLargeRevision(7, 40), MakeLargeRevision(8, 1)};
  LogPosition next{7, 0};
  int events = 0;
  int messages = 0;
  while (next.revision == 7) {
    const EncodedChanges encoded =
        EncodeChanges(revisions, next, MakeScope(v1::FULL), kEpoch, true);
    ASSERT_NE(encoded.message, nullptr);
    EXPECT_LT(encoded.message->size(), std::size_t{1} << 20);
    const auto response = Parse(encoded.message);
    const bool last = encoded.next.revision != 7;
    EXPECT_EQ(response.batches(0).revision(), 7);
    EXPECT_EQ(response.batches(0).continued(), !last);
    EXPECT_EQ(response.resume_token().empty(), !last);
    events += response.batches(0).events_size();
    ++messages;
    next = encoded.next;
  }
  EXPECT_EQ(events, 40);
  EXPECT_EQ(messages, 3);
}

TEST(WatchEncoderTest, ARevisionIsContinuedOnlyWhenMoreOfItConcernsTheWatcher) {
  // 900 KiB for the watcher, then as much for others.
  auto revision = std::make_shared<FeedRevision>(*MakeLargeRevision(7, 15));
  const auto others = MakeLargeRevision(7, 15, "beta");
  for (const FeedChange& change : others->changes) revision->changes.push_back(change);
  const Revisions revisions = {revision};
  const EncodedChanges encoded =
      EncodeChanges(revisions, {7, 0}, MakeScope(v1::FULL, "acme"), kEpoch, true);
  const auto response = Parse(encoded.message);
  EXPECT_EQ(response.batches(0).events_size(), 15);
  EXPECT_FALSE(response.batches(0).continued());
  EXPECT_EQ(encoded.next, (LogPosition{8, 0}));
  EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 7);
}

TEST(WatchEncoderTest, APartOfARevisionFromTheLogIsContinued) {
  const Revisions revisions = {MakeRevision(6, {Change("", Bytes(v1::Token::LISTED))}),
                               MakeRevision(7, {Change("", Bytes(v1::Token::LISTED))})};
  const EncodedChanges encoded =
      EncodeChanges(revisions, {6, 0}, MakeScope(v1::FULL), kEpoch, /*ends_revision=*/false);
  const auto response = Parse(encoded.message);
  ASSERT_EQ(response.batches_size(), 2);
  EXPECT_FALSE(response.batches(0).continued());
  EXPECT_TRUE(response.batches(1).continued());
  EXPECT_THAT(response.resume_token(), IsEmpty());
  EXPECT_EQ(encoded.next, (LogPosition{7, 1}));
}

TEST(WatchEncoderTest, TheInitialStateShowsWhatListShows) {
  SnapshotMaker maker;
  maker.Source("acme").Source("beta");
  maker.Put(1, MakeToken("acme", "listed"))
      .Put(2, MakeToken("acme", "missing", v1::Token::MISSING))
      .Put(3, MakeToken("acme", "deleted", v1::Token::DELETED))
      .Put(4, MakeToken("acme", "detached", v1::Token::DETACHED))
      .Put(5, MakeToken("beta", "b"));
  const auto snapshot = maker.Build();
  struct Case {
    std::string source;
    int events;
  };
  for (const Case& c : {Case{"", 3}, Case{"acme", 2}, Case{"beta", 1}, Case{"none", 0}}) {
    const EncodedInitial initial =
        EncodeInitial(*snapshot, 0, MakeScope(v1::BASIC, c.source), kEpoch, v1::Progress());
    EXPECT_TRUE(initial.done);
    const auto response = Parse(initial.message);
    EXPECT_EQ(response.batches_size(), c.events == 0 ? 0 : 1);
    if (c.events > 0) {
      EXPECT_EQ(response.batches(0).events_size(), c.events);
    }
    EXPECT_EQ(response.synced().revision(), 1);
    EXPECT_EQ(response.progress().revision(), 1);
    EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 1);
  }
}

TEST(WatchEncoderTest, ProgressIsNeverAheadOfTheHeadItTells) {
  SnapshotMaker maker;
  maker.Source("acme");
  maker.Build();
  const auto snapshot = maker.Build();
  // The inventory is a moment ahead of the feed.
  ChangeFeed::Bounds bounds;
  bounds.head = 1;
  EXPECT_EQ(MakeProgress(*snapshot, bounds, kTime).head_revision(), 2);
  bounds.head = 3;
  EXPECT_EQ(MakeProgress(*snapshot, bounds, kTime).head_revision(), 3);
}

}  // namespace
}  // namespace tokeninventory::testing
