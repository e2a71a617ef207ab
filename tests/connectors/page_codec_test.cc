// What a page worker says is a stranger's word: the service takes what a page could
// have been, and nothing else.
#include "connectors/page_worker/page_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "connectors/page_worker/frame_socket.h"

namespace tokeninventory {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

internal::v1::ReadPage GoodPage() {
  internal::v1::ReadPage page;
  v1::Token& token = *page.add_rows()->add_tokens();
  token.set_provider_token_id("q7%Z");
  token.set_expiry(v1::Token::UNKNOWN);
  token.set_last_use(v1::Token::NOT_REPORTED);
  token.set_state(v1::Token::ACTIVE);
  page.set_row_count(1);
  return page;
}

TEST(PageCodecTest, TakesAPage) {
  internal::v1::ReadPage page = GoodPage();
  page.set_secrets_dropped(2);
  MappingNotes notes;
  notes.dropped_secrets = 1;
  const absl::StatusOr<PageContent> content = DecodePage(page, "x-", notes);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->rows.at(0).tokens.at(0).id, "x-q7%Z");
  EXPECT_EQ(content->rows.at(0).identity, "tx-q7%Z");
  EXPECT_EQ(notes.dropped_secrets, 3);
}

TEST(PageCodecTest, RefusesWhatNoPageCanBe) {
  using Page = internal::v1::ReadPage;
  const auto token = [](Page& page) -> v1::Token& {
    return *page.mutable_rows(0)->mutable_tokens(0);
  };
  const std::pair<const char*, std::function<void(Page&)>> cases[] = {
      {"too few rows", [](Page& page) { page.set_row_count(2); }},
      {"too many rows", [](Page& page) { page.set_row_count(0); }},
      {"negative bad rows",
       [](Page& page) {
         page.set_bad_row_count(-1);
         page.set_row_count(0);
       }},
      {"counts that overflow",
       [](Page& page) { page.set_bad_row_count(std::numeric_limits<std::int64_t>::max()); }},
      {"a negative total", [](Page& page) { page.set_total(-1); }},
      {"a total that is no number", [](Page& page) { page.set_total(std::nan("")); }},
      {"negative secrets", [](Page& page) { page.set_secrets_dropped(-1); }},
      {"no id", [&](Page& page) { token(page).clear_provider_token_id(); }},
      {"an id with a line break", [&](Page& page) { token(page).set_provider_token_id("a\nb"); }},
      {"a long id", [&](Page& page) { token(page).set_provider_token_id(std::string(5000, 'a')); }},
      {"a name", [&](Page& page) { token(page).set_name("sources/a/tokens/b"); }},
      {"a uid", [&](Page& page) { token(page).set_uid("u"); }},
      {"a revision", [&](Page& page) { token(page).set_revision(7); }},
      {"AT without a time", [&](Page& page) { token(page).set_expiry(v1::Token::AT); }},
      {"no state", [&](Page& page) { token(page).clear_state(); }},
      {"no time", [&](Page& page) { token(page).mutable_create_time()->set_nanos(-1); }},
      {"a time beyond all",
       [&](Page& page) {
         token(page).mutable_create_time()->set_seconds(std::numeric_limits<std::int64_t>::max());
       }},
      {"a large token",
       [&](Page& page) { token(page).set_display_name(std::string(70'000, 'a')); }},
      {"large attributes",
       [&](Page& page) {
         (*token(page).mutable_attributes()->mutable_fields())["k"].set_string_value(
             std::string(20'000, 'a'));
       }},
      {"a large item",
       [](Page& page) {
         (*page.mutable_rows(0)->mutable_item()->mutable_members())["k"] = std::string(5000, 'a');
       }},
      {"an item of many members",
       [](Page& page) {
         for (int i = 0; i < 17; ++i) {
           (*page.mutable_rows(0)->mutable_item()->mutable_members())[std::to_string(i)] = "v";
         }
       }},
  };
  for (const auto& [name, spoil] : cases) {
    SCOPED_TRACE(name);
    Page page = GoodPage();
    spoil(page);
    MappingNotes notes;
    const absl::StatusOr<PageContent> content = DecodePage(page, "", notes);
    EXPECT_EQ(content.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(content.status().message()), Not(HasSubstr("q7%Z")));
  }
}

TEST(PageCodecTest, ReasonsAreOneShortLine) {
  EXPECT_EQ(CleanReason("a\nb\x01"), "a b ");
  EXPECT_EQ(CleanReason(std::string(5000, 'a')).size(), 1024);
}

TEST(PageCodecTest, ANextRequestKeepsItsValues) {
  PageContent content;
  content.next = *JsonValue::Parse(
      R"({"json":null,"list":[1,null,"x",{"deep":true}],"query":{"page":2},"url":"https://x/"})");
  internal::v1::ReadPage page;
  ASSERT_TRUE(EncodePage(content, {}, page).ok());
  MappingNotes notes;
  EXPECT_EQ(DecodePage(page, "", notes)->next.Dump(), content.next.Dump());

  JsonValue nested = JsonValue::Object();
  for (int i = 0; i < 60; ++i) {
    JsonValue outer = JsonValue::Object();
    outer.Set("k", nested);
    nested = outer;
  }
  content.next = nested;
  EXPECT_EQ(EncodePage(content, {}, page).code(), absl::StatusCode::kInvalidArgument);
}

class FrameSocketTest : public ::testing::Test {
 protected:
  FrameSocketTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }
  ~FrameSocketTest() override {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  int ends_[2];
};

TEST_F(FrameSocketTest, CarriesFrames) {
  FrameSocket here(ends_[0]), there(ends_[1]);
  ASSERT_TRUE(here.Send("", FrameDeadline::max()).ok());
  ASSERT_TRUE(here.Send("abc", FrameDeadline::max()).ok());
  EXPECT_EQ(*there.Receive(10, FrameDeadline::max()), "");
  EXPECT_EQ(*there.Receive(3, FrameDeadline::max()), "abc");
}

TEST_F(FrameSocketTest, BoundsWhatComesAndHowLong) {
  FrameSocket here(ends_[0]), there(ends_[1]);
  ASSERT_TRUE(here.Send("abcd", FrameDeadline::max()).ok());
  EXPECT_EQ(there.Receive(3, FrameDeadline::max()).status().code(),
            absl::StatusCode::kResourceExhausted);
  FrameSocket quiet(ends_[0]);
  EXPECT_EQ(quiet.Receive(3, std::chrono::steady_clock::now()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  // Nobody reads: it does not fit into the socket.
  EXPECT_EQ(here.Send(std::string(10'000'000, 'a'), std::chrono::steady_clock::now()).code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(FrameSocketTest, NoticesTheEnd) {
  FrameSocket here(ends_[0]);
  ASSERT_EQ(send(ends_[1], "\x09\0\0\0abc", 7, 0), 7);
  close(ends_[1]);
  ends_[1] = -1;
  EXPECT_EQ(here.Receive(100, FrameDeadline::max()).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(here.Send("abc", FrameDeadline::max()).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace tokeninventory
