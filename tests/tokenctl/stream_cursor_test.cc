#include "tokenctl/stream_cursor.h"

#include <gtest/gtest.h>

#include "tokenctl/backoff.h"
#include "tokenctl/resuming_stream.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::tokenctl {
namespace {

using Message = v1::WatchTokensResponse;
using Cursor = StreamCursor<Message>;

Message Change(std::int64_t revision, const std::string& resume_token) {
  Message message;
  message.add_batches()->set_revision(revision);
  message.set_resume_token(resume_token);
  return message;
}

Message Initial(const std::string& resume_token = "") {
  Message message = Change(1, resume_token);
  message.mutable_batches(0)->set_initial(true);
  return message;
}

std::vector<std::int64_t> RevisionsOf(const std::vector<Message>& messages) {
  std::vector<std::int64_t> revisions;
  for (const Message& message : messages) revisions.push_back(message.batches(0).revision());
  return revisions;
}

using Revisions = std::vector<std::int64_t>;

TEST(StreamCursorTest, ARevisionIsHeldBackUntilItIsWhole) {
  Cursor cursor("start");
  EXPECT_EQ(RevisionsOf(cursor.Take(Change(5, "r5"))), Revisions{5});
  EXPECT_TRUE(cursor.Take(Change(6, "")).empty());
  EXPECT_TRUE(cursor.Break().empty());
  EXPECT_EQ(cursor.resume_token(), "r5");
  // The next stream tells it again, whole.
  EXPECT_TRUE(cursor.Take(Change(6, "")).empty());
  EXPECT_EQ(RevisionsOf(cursor.Take(Change(6, "r6"))), (Revisions{6, 6}));
  EXPECT_EQ(cursor.resume_token(), "r6");
}

TEST(StreamCursorTest, AnInitialStateThatBreaksBeginsAnew) {
  Cursor cursor;
  EXPECT_EQ(cursor.Take(Initial()).size(), 1u);
  const std::vector<Message> shown = cursor.Break();
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_TRUE(shown[0].has_reset());
  EXPECT_EQ(cursor.resume_token(), "");
  // Nothing was shown since: there is nothing to forget.
  EXPECT_TRUE(cursor.Break().empty());
  EXPECT_EQ(cursor.Take(Initial()).size(), 1u);
  EXPECT_EQ(cursor.Take(Initial("synced")).size(), 1u);
  EXPECT_TRUE(cursor.Break().empty());
  EXPECT_EQ(cursor.resume_token(), "synced");
}

TEST(StreamCursorTest, AResetComesAtOnceAndTheServiceRepeatsIt) {
  Cursor cursor("old");
  Message reset = Initial();
  reset.mutable_reset();
  EXPECT_EQ(cursor.Take(reset).size(), 1u);
  EXPECT_TRUE(cursor.Break().empty());
  EXPECT_EQ(cursor.resume_token(), "old");
}

TEST(BackoffTest, DoublesUpToABoundAndBeginsAgain) {
  Backoff backoff;
  for (const double seconds : {0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0}) {
    EXPECT_EQ(backoff.Next(1), absl::Seconds(seconds));
  }
  backoff.Reset();
  EXPECT_EQ(backoff.Next(0), absl::Milliseconds(250));
}

TEST(IsWorthRetryingTest, OnlyWhatMayPass) {
  using grpc::StatusCode;
  for (const StatusCode code :
       {StatusCode::UNAVAILABLE, StatusCode::CANCELLED, StatusCode::INTERNAL,
        StatusCode::RESOURCE_EXHAUSTED, StatusCode::DEADLINE_EXCEEDED}) {
    EXPECT_TRUE(IsWorthRetrying({code, ""})) << code;
  }
  for (const StatusCode code :
       {StatusCode::INVALID_ARGUMENT, StatusCode::UNAUTHENTICATED, StatusCode::PERMISSION_DENIED,
        StatusCode::NOT_FOUND, StatusCode::OUT_OF_RANGE, StatusCode::FAILED_PRECONDITION}) {
    EXPECT_FALSE(IsWorthRetrying({code, ""})) << code;
  }
}

}  // namespace
}  // namespace tokeninventory::tokenctl
