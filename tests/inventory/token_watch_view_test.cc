// WatchTokens messages as bytes, from changes made by hand.
#include "inventory/token_watch_view.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "inventory/watch_message.h"
#include "tests/inventory/snapshot_maker.h"
#include "tests/inventory/watch_checker.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
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

EncodedChanges EncodeChanges(const Revisions& revisions, LogPosition from, const WatchScope& scope,
                             bool ends_revision = true) {
  return TokenWatchView(scope).EncodeChanges(revisions, from, kEpoch, ends_revision);
}

EncodedInitial EncodeInitial(const Snapshot& snapshot, const WatchScope& scope) {
  return TokenWatchView(scope).EncodeInitial(snapshot, 0, kEpoch, v1::Progress());
}

v1::WatchTokensResponse Parse(const WatchMessage& message) {
  v1::WatchTokensResponse response;
  EXPECT_TRUE(message != nullptr && response.ParseFromString(*message));
  return response;
}

TEST(TokenWatchViewTest, WhatAChangeOfPresenceIsToAWatcher) {
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
    const EncodedChanges encoded = EncodeChanges(revisions, {5, 0}, MakeScope(v1::FULL));
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

TEST(TokenWatchViewTest, WhatAFilterMakesOfAChange) {
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
        EncodeChanges(revisions, {5, 0}, MakeScope(v1::FULL, "", "role = \"admin\""));
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

TEST(TokenWatchViewTest, ModifiedNamesTheChangedFields) {
  v1::Token token = MakeToken("acme", "t");
  const std::string before = SerializeToken(token);
  token.set_role("admin");
  token.add_permissions("write");
  token.set_revision(9);
  const Revisions revisions = {MakeRevision(9, {Change(before, SerializeToken(token))})};
  const auto basic = Parse(EncodeChanges(revisions, {9, 0}, MakeScope(v1::BASIC)).message);
  const Event& event = basic.batches(0).events(0);
  EXPECT_THAT(event.changed_fields().paths(), ElementsAre("role", "permissions"));
  EXPECT_EQ(event.token().permissions_size(), 0) << "BASIC";
  EXPECT_EQ(event.token().role(), "admin");
}

TEST(TokenWatchViewTest, OnlyChangesOfItsSourceConcernAWatcher) {
  // A source whose id begins with another one's.
  const Revisions revisions = {
      MakeRevision(1, {Change("", Bytes(v1::Token::LISTED, "acme"))}),
      MakeRevision(2, {Change("", Bytes(v1::Token::LISTED, "acme-2")),
                       Change("", Bytes(v1::Token::LISTED, "acme"))}),
      MakeRevision(3, {Change("", Bytes(v1::Token::LISTED, "acme-2"))}),
  };
  const EncodedChanges encoded = EncodeChanges(revisions, {1, 0}, MakeScope(v1::BASIC, "acme"));
  const auto response = Parse(encoded.message);
  ASSERT_EQ(response.batches_size(), 2);
  EXPECT_EQ(response.batches(0).revision(), 1);
  EXPECT_EQ(response.batches(1).revision(), 2);
  EXPECT_EQ(response.batches(1).events_size(), 1);
  EXPECT_EQ(encoded.next, (LogPosition{4, 0}));
  EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 3)
      << "3 has nothing for it";
}

TEST(TokenWatchViewTest, NoticesAreNotShown) {
  LogChange notice;
  notice.row = 1;
  notice.subject = LogSubject::kNotice;
  // As long as a token, so that nothing but the subject tells them apart.
  notice.before = Bytes(v1::Token::LISTED);
  notice.after = Bytes(v1::Token::DELETED);
  const LogChange token = Change("", Bytes(v1::Token::LISTED));
  EXPECT_THAT(MakeFeedChange(notice).changed_fields, IsEmpty());
  const Revisions revisions = {MakeRevision(1, {notice}), MakeRevision(2, {notice, token, notice}),
                               MakeRevision(3, {notice})};
  const EncodedChanges encoded = EncodeChanges(revisions, {1, 0}, MakeScope(v1::FULL));
  EXPECT_EQ(encoded.next, (LogPosition{4, 0}));
  const auto response = Parse(encoded.message);
  ASSERT_EQ(response.batches_size(), 1);
  EXPECT_EQ(response.batches(0).revision(), 2);
  EXPECT_EQ(response.batches(0).events_size(), 1);
  EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 3) << "it covers them";
  EXPECT_EQ(EncodeChanges({revisions[0]}, {1, 0}, MakeScope(v1::FULL)).message, nullptr);
}

TEST(TokenWatchViewTest, EqualViewsAreThoseThatShowTheSame) {
  const TokenWatchView view(MakeScope(v1::BASIC, "acme", "role = \"a\""));
  EXPECT_EQ(view.source(), "acme");
  EXPECT_TRUE(view.Equals(TokenWatchView(MakeScope(v1::BASIC, "acme", "role = \"a\""))));
  for (const WatchScope& other :
       {MakeScope(v1::FULL, "acme", "role = \"a\""), MakeScope(v1::BASIC, "", "role = \"a\""),
        MakeScope(v1::BASIC, "acme", "role = \"b\""), MakeScope(v1::BASIC, "acme")}) {
    EXPECT_FALSE(view.Equals(TokenWatchView(other)));
  }
}

TEST(WatchMessageTest, AResetComesFirst) {
  const auto message = EncodeInitialPart(7, "", true, kEpoch, 0, v1::Progress());
  const auto response = Parse(WithReset(v1::WatchReset::COMPACTED, message));
  EXPECT_EQ(response.reset().reason(), v1::WatchReset::COMPACTED);
  EXPECT_EQ(response.synced().revision(), 7);
  EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 7);
}

TEST(TokenWatchViewTest, OnlyChangesOfTheNamedFieldsAreModifications) {
  v1::Token token = MakeToken("acme", "t");
  token.set_role("user");
  const std::string user = SerializeToken(token);
  token.mutable_last_used_time()->set_seconds(1);
  token.set_revision(9);
  token.mutable_update_time()->set_seconds(9);
  const std::string used = SerializeToken(token);
  token.set_role("admin");
  token.mutable_last_used_time()->set_seconds(2);
  const std::string admin = SerializeToken(token);
  token.set_presence(v1::Token::DELETED);
  const std::string deleted = SerializeToken(token);
  WatchScope scope = MakeScope(v1::FULL);
  scope.changed_fields = {v1::Token::kDisplayNameFieldNumber, v1::Token::kRoleFieldNumber};
  WatchScope filtered = MakeScope(v1::FULL, "", "role = \"admin\"");
  filtered.changed_fields = {v1::Token::kDisplayNameFieldNumber};
  struct Case {
    const WatchScope& scope;
    const std::string& before;
    const std::string& after;
    Event::Type type;
  };
  const std::string none;
  const Case cases[] = {
      {scope, user, used, Event::TYPE_UNSPECIFIED},
      {scope, used, admin, Event::MODIFIED},
      {scope, none, used, Event::ADDED},
      {scope, used, deleted, Event::REMOVED},
      {scope, deleted, used, Event::ADDED},
      {filtered, used, admin, Event::ADDED},
      {filtered, admin, used, Event::REMOVED},
  };
  for (const Case& c : cases) {
    const Revisions revisions = {MakeRevision(9, {Change(c.before, c.after)})};
    const EncodedChanges encoded = EncodeChanges(revisions, {9, 0}, c.scope);
    EXPECT_EQ(encoded.next, (LogPosition{10, 0}));
    EXPECT_EQ(encoded.message == nullptr, c.type == Event::TYPE_UNSPECIFIED);
    if (encoded.message == nullptr) continue;
    const auto response = Parse(encoded.message);
    const Event& event = response.batches(0).events(0);
    EXPECT_EQ(event.type(), c.type);
    if (c.type == Event::MODIFIED) {
      EXPECT_THAT(event.changed_fields().paths(), ElementsAre("role", "last_used_time"))
          << "all that changed are told";
    }
  }
  EXPECT_FALSE(TokenWatchView(scope).Equals(TokenWatchView(MakeScope(v1::FULL))));
}

TEST(TokenWatchViewTest, ChangedFieldsAreTopLevelFieldsThatDoNotAlwaysChange) {
  const auto parse = [](const std::vector<std::string>& paths) {
    google::protobuf::FieldMask mask;
    for (const std::string& path : paths) mask.add_paths(path);
    return ParseChangedFields(mask);
  };
  EXPECT_THAT(parse({}).value(), IsEmpty());
  EXPECT_THAT(parse({"scopes", "role", "scopes"}).value(),
              ElementsAre(v1::Token::kRoleFieldNumber, v1::Token::kScopesFieldNumber));
  struct Case {
    const char* path;
    const char* hint;
  };
  const Case cases[] = {{"rol", "did you mean role?"},
                        {"owner.email", "did you mean owner?"},
                        {"revision", "always changes"},
                        {"update_time", "always changes"},
                        {"", "not a field"},
                        {"*", "not a field"},
                        {"Role", "did you mean role?"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.path);
    const absl::Status status = parse({"role", c.path}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(status), "INVALID_CHANGED_FIELDS");
    const auto bad = DetailOf<google::rpc::BadRequest>(status);
    ASSERT_TRUE(bad.has_value());
    EXPECT_EQ(bad->field_violations(0).field(), "changed_fields");
    EXPECT_THAT(bad->field_violations(0).description(), HasSubstr(c.hint));
  }
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

TEST(TokenWatchViewTest, ALargeRevisionIsCutAndOnlyItsEndCanBeResumed) {
  const Revisions revisions = {MakeLargeRevision(7, 40), MakeLargeRevision(8, 1)};
  LogPosition next{7, 0};
  int events = 0;
  int messages = 0;
  while (next.revision == 7) {
    const EncodedChanges encoded = EncodeChanges(revisions, next, MakeScope(v1::FULL));
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

TEST(TokenWatchViewTest, ARevisionIsContinuedOnlyWhenMoreOfItConcernsTheWatcher) {
  // 900 KiB for the watcher, then as much for others.
  auto revision = std::make_shared<FeedRevision>(*MakeLargeRevision(7, 15));
  const auto others = MakeLargeRevision(7, 15, "beta");
  for (const FeedChange& change : others->changes) revision->changes.push_back(change);
  const Revisions revisions = {revision};
  const EncodedChanges encoded = EncodeChanges(revisions, {7, 0}, MakeScope(v1::FULL, "acme"));
  const auto response = Parse(encoded.message);
  EXPECT_EQ(response.batches(0).events_size(), 15);
  EXPECT_FALSE(response.batches(0).continued());
  EXPECT_EQ(encoded.next, (LogPosition{8, 0}));
  EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 7);
}

TEST(TokenWatchViewTest, APartOfARevisionFromTheLogIsContinued) {
  const Revisions revisions = {MakeRevision(7, {Change("", Bytes(v1::Token::LISTED))})};
  const EncodedChanges encoded =
      EncodeChanges(revisions, {7, 0}, MakeScope(v1::FULL), /*ends_revision=*/false);
  const auto response = Parse(encoded.message);
  ASSERT_EQ(response.batches_size(), 1);
  EXPECT_TRUE(response.batches(0).continued());
  EXPECT_THAT(response.resume_token(), IsEmpty());
  EXPECT_EQ(encoded.next, (LogPosition{7, 1}));
}

TEST(TokenWatchViewTest, ARevisionThatDoesNotFitIsNotBegunBehindOthers) {
  const Revisions revisions = {MakeRevision(6, {Change("", Bytes(v1::Token::LISTED))}),
                               MakeRevision(7, {Change("", Bytes(v1::Token::LISTED))})};
  const EncodedChanges encoded =
      EncodeChanges(revisions, {6, 0}, MakeScope(v1::FULL), /*ends_revision=*/false);
  const auto response = Parse(encoded.message);
  ASSERT_EQ(response.batches_size(), 1);
  EXPECT_EQ(response.batches(0).revision(), 6);
  EXPECT_FALSE(response.batches(0).continued());
  EXPECT_EQ(DecodeResumeToken(response.resume_token(), kEpoch).value(), 6);
  EXPECT_EQ(encoded.next, (LogPosition{7, 0}));
}

TEST(TokenWatchViewTest, TheInitialStateShowsWhatListShows) {
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
    const EncodedInitial initial = EncodeInitial(*snapshot, MakeScope(v1::BASIC, c.source));
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

TEST(WatchMessageTest, ProgressIsNeverAheadOfTheHeadItTells) {
  SnapshotMaker maker;
  maker.Source("acme");
  maker.Build();
  const auto snapshot = maker.Build();
  // The inventory is a moment ahead of the feed.
  ChangeFeed feed(1 << 20);
  feed.Start({.epoch = kEpoch, .revision = 1, .oldest_revision = 0});
  EXPECT_EQ(MakeProgress(*snapshot, SourceSet(), feed, 1, kTime).head_revision(), 2);
  feed.Publish(MakeRevision(2, {}));
  feed.Publish(MakeRevision(3, {}));
  EXPECT_EQ(MakeProgress(*snapshot, SourceSet(), feed, 1, kTime).head_revision(), 3);
}

TEST(WatchMessageTest, LagIsTheAgeOfTheOldestRevisionThatIsNotTold) {
  SnapshotMaker maker;
  maker.Source("acme");
  const auto snapshot = maker.Build();
  ChangeFeed feed(/*memory_bytes=*/25);
  feed.Start({.epoch = kEpoch, .revision = 1, .oldest_revision = 0});
  const auto lag_at = [&](std::int64_t revision) {
    const v1::Progress progress =
        MakeProgress(*snapshot, SourceSet(), feed, revision, kTime + absl::Seconds(100));
    EXPECT_EQ(progress.revision(), revision);
    return FromProto(progress.lag());
  };
  EXPECT_EQ(lag_at(0), absl::ZeroDuration()) << "not in memory, so unknown";
  for (int i = 2; i <= 5; ++i) {
    auto revision = std::make_shared<FeedRevision>();
    revision->revision = i;
    revision->commit_time = kTime + absl::Seconds(10 * i);
    revision->bytes = 10;
    feed.Publish(revision);
  }
  ASSERT_EQ(feed.bounds().memory_oldest, 3);
  EXPECT_EQ(lag_at(5), absl::ZeroDuration()) << "all is told";
  EXPECT_EQ(lag_at(4), absl::Seconds(50));
  EXPECT_EQ(lag_at(3), absl::Seconds(60));
  EXPECT_EQ(lag_at(2), absl::Seconds(60)) << "the oldest in memory";
  EXPECT_EQ(lag_at(0), absl::Seconds(60));
}

}  // namespace
}  // namespace tokeninventory::testing
