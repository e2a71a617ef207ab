// ListExpirations over what a Ledger holds.
#include "inventory/expiration/list_expirations.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "tests/expiration/expiry_house.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class ListExpirationsTest : public ::testing::Test {
 protected:
  static LedgerSetup TwoSources() {
    LedgerSetup setup;
    setup.sources.push_back(MakeSourceInfo("beta"));
    return setup;
  }

  const std::string& epoch() { return house_.ledger().epoch(); }

  absl::StatusOr<v1::ListExpirationsResponse> Ask(v1::ListExpirationsRequest request) {
    if (request.parent().empty()) request.set_parent("sources/-");
    const auto snapshot = house_.inventory().Current();
    const auto plan = PlanExpirations(*snapshot, SourceSet(), epoch(), request, expiry_.now());
    if (!plan.ok()) return plan.status();
    v1::ListExpirationsResponse answer;
    EXPECT_TRUE(answer.ParseFromString(AnswerExpirations(*snapshot, epoch(), *plan)));
    EXPECT_EQ(answer.revision(), snapshot->revision());
    return answer;
  }
  // `a LEAD 7d`, …
  static std::vector<std::string> Words(const v1::ListExpirationsResponse& answer) {
    std::vector<std::string> words;
    for (const v1::Expiration& notice : answer.expirations()) {
      words.push_back(absl::StrCat(
          notice.token_uid().empty() ? notice.source() : notice.token().provider_token_id(), " ",
          Says(notice)));
    }
    return words;
  }
  std::string Shown(const v1::ListExpirationsRequest& request) {
    const auto answer = Ask(request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    if (!answer.ok()) return "";
    EXPECT_EQ(answer->total_size(), answer->expirations_size());
    EXPECT_EQ(answer->next_page_token(), "");
    return absl::StrJoin(Words(*answer), "; ");
  }
  ObservedToken Kind(const std::string& id, const std::string& kind, absl::Time end) {
    return Observed(id, [&](v1::Token& token) {
      token.set_kind(kind);
      token.add_permissions("FULL only");
      ToProto(end, token.mutable_expire_time());
    });
  }

  ExpiryHouse expiry_{TwoSources()};
  LedgerHarness& house_ = expiry_.house();
  const absl::Time start_ = house_.clock().Now();
};

TEST_F(ListExpirationsTest, ShowsWhatIsAskedFor) {
  // beta falls silent; acme has one of each.
  house_.Pass({Lists({Expires("x", start_ + Days(20))})}, "beta");
  const auto acme = [&](bool gone) {
    std::vector<ObservedToken> tokens = {
        Kind("a", "ci", start_ + Days(20)), Kind("b", "user", start_ + Days(6)),
        Kind("c", "ci", start_ + Days(1)), Kind("far", "ci", start_ + Days(200))};
    if (!gone) tokens.push_back(Kind("d", "user", start_ + Days(4)));
    house_.Pass({Lists(tokens)});
  };
  acme(false);
  house_.clock().Advance(Days(1));
  acme(true);
  acme(true);
  expiry_.Settle();

  const struct {
    std::string name;
    std::function<void(v1::ListExpirationsRequest&)> edit;
    std::string shown;
  } kCases[] = {
      {"all", [](auto&) {},
       "sources/beta SOURCE_UNHEALTHY; c EXPIRED; b LEAD 7d; x LEAD 30d; a LEAD 30d"},
      {"a source", [](auto& r) { r.set_parent("sources/acme"); },
       "c EXPIRED; b LEAD 7d; a LEAD 30d"},
      {"the silent source", [](auto& r) { r.set_parent("sources/beta"); },
       "sources/beta SOURCE_UNHEALTHY; x LEAD 30d"},
      {"a filter", [](auto& r) { r.set_filter("kind = 'ci'"); },
       "sources/beta SOURCE_UNHEALTHY; c EXPIRED; a LEAD 30d"},
      {"a filter of a FULL field", [](auto& r) { r.set_filter("permissions:'FULL only'"); },
       "sources/beta SOURCE_UNHEALTHY; c EXPIRED; b LEAD 7d; a LEAD 30d"},
      {"a filter by time", [](auto& r) { r.set_filter("expire_time < now+10d"); },
       "sources/beta SOURCE_UNHEALTHY; c EXPIRED; b LEAD 7d"},
      {"a lead", [](auto& r) { ToProto(Days(7), r.mutable_max_lead()); },
       "sources/beta SOURCE_UNHEALTHY; c EXPIRED; b LEAD 7d"},
      {"a tighter lead",
       [](auto& r) { ToProto(Days(7) - absl::Nanoseconds(1), r.mutable_max_lead()); },
       "sources/beta SOURCE_UNHEALTHY; c EXPIRED"},
      {"no lead", [](auto& r) { ToProto(absl::ZeroDuration(), r.mutable_max_lead()); },
       "sources/beta SOURCE_UNHEALTHY; c EXPIRED"},
      {"resolved",
       [](auto& r) {
         r.set_parent("sources/acme");
         r.set_show_resolved(true);
       },
       "sources/acme RESOLVED RECOVERED; sources/acme DIGEST; c EXPIRED; d RESOLVED DELETED; "
       "b LEAD 7d; a LEAD 30d"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    v1::ListExpirationsRequest request;
    request.set_parent("sources/-");
    test.edit(request);
    // Those about sources, and those of the same end, are in any order that stays.
    const auto sorted = [](const std::string& text) {
      const std::vector<std::string> words = absl::StrSplit(text, "; ");
      return std::multiset<std::string>(words.begin(), words.end());
    };
    EXPECT_EQ(sorted(Shown(request)), sorted(test.shown));
  }
}

TEST_F(ListExpirationsTest, IsInOrderAndShowsTheTokenAsOfNow) {
  house_.Pass({Lists({Kind("a", "ci", start_ + Days(20)), Kind("b", "ci", start_ + Days(2)),
                      Kind("c", "ci", start_ + Days(9))})});
  EXPECT_EQ(Shown({}), "b LEAD 3d; c LEAD 14d; a LEAD 30d");
  ObservedToken renamed = Kind("a", "ci", start_ + Days(20));
  renamed.token.set_display_name("renamed");
  house_.Pass(
      {Lists({renamed, Kind("b", "ci", start_ + Days(2)), Kind("c", "ci", start_ + Days(9))})});
  v1::ListExpirationsRequest request;
  request.set_filter("display_name = 'renamed'");
  const auto answer = Ask(request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_THAT(answer->expirations(), SizeIs(1));
  EXPECT_EQ(answer->expirations(0).token().display_name(), "renamed");
  EXPECT_EQ(answer->expirations(0).token().permissions_size(), 0) << "BASIC";
  EXPECT_LT(answer->expirations(0).revision(), answer->expirations(0).token().revision());
  EXPECT_EQ(*DecodeResumeToken(answer->resume_token(), epoch()), house_.revision());
  EXPECT_THAT(answer->unreachable(), ElementsAre("sources/beta")) << "never read so far";
}

// A notice whose token's id another one has now shows the token that it is about.
TEST_F(ListExpirationsTest, AReusedIdShowsWhomItIsAbout) {
  const auto made = [&](absl::Time create, const std::string& kind, absl::Time end) {
    ObservedToken token = Kind("a", kind, end);
    ToProto(create, token.token.mutable_create_time());
    return token;
  };
  house_.Pass({Lists({made(start_ - Days(90), "old", start_ + Days(5))})});
  house_.Pass({Lists({made(start_ - Days(1), "new", start_ + Days(300))})});
  v1::ListExpirationsRequest request;
  request.set_show_resolved(true);
  request.set_filter("kind = 'old'");
  EXPECT_EQ(Shown(request).find("a RESOLVED DELETED") != std::string::npos, true);
  request.set_filter("kind = 'new'");
  EXPECT_EQ(Shown(request).find("a RESOLVED DELETED"), std::string::npos);
}

TEST_F(ListExpirationsTest, PagesShowEachOnceWhileOthersComeAndGo) {
  const auto tokens = [&](int from, int to, absl::Duration shift) {
    std::vector<ObservedToken> shown;
    for (int i = from; i < to; ++i) {
      // Many of the same end.
      shown.push_back(Expires(absl::StrCat("t", i), start_ + Days(2 + i % 7) + shift));
    }
    return shown;
  };
  house_.Pass({Lists({Expires("keep", start_ + Days(90))})});
  std::vector<ObservedToken> stay = tokens(0, 60, {});
  const auto with = [&](std::vector<ObservedToken> others) {
    others.insert(others.end(), stay.begin(), stay.end());
    others.push_back(Expires("keep", start_ + Days(90)));
    house_.Pass({Lists(others)});
  };
  for (const int page_size : {1, 7, 60, 1000}) {
    SCOPED_TRACE(page_size);
    with(tokens(100, 110, absl::Hours(7)));
    const std::int64_t first_revision = house_.revision();
    std::multiset<std::string> seen;
    v1::ListExpirationsRequest request;
    request.set_page_size(page_size);
    int pages = 0;
    absl::Time last = absl::InfinitePast();
    do {
      const auto answer = Ask(request);
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_LE(answer->expirations_size(), page_size);
      EXPECT_EQ(answer->total_size(), 70) << "as of the first page";
      EXPECT_EQ(*DecodeResumeToken(answer->resume_token(), epoch()), first_revision);
      EXPECT_EQ(answer->unreachable_size() > 0, pages == 0);
      for (const v1::Expiration& notice : answer->expirations()) {
        EXPECT_GE(FromProto(notice.effective_expire_time()), last);
        last = FromProto(notice.effective_expire_time());
        seen.insert(notice.token().provider_token_id());
      }
      request.set_page_token(answer->next_page_token());
      // Others are renewed away, and come again.
      if (++pages % 2 == 1) {
        with(tokens(100, 110, Days(100)));
      } else {
        with(tokens(100, 110, absl::Hours(7)));
      }
    } while (!request.page_token().empty());
    for (int i = 0; i < 60; ++i) EXPECT_EQ(seen.count(absl::StrCat("t", i)), 1u) << i;
  }
}

TEST_F(ListExpirationsTest, BadInput) {
  house_.Pass({Lists({Expires("a", start_ + Days(2)), Expires("b", start_ + Days(2))})});
  v1::ListExpirationsRequest first;
  first.set_parent("sources/-");
  first.set_page_size(1);
  first.set_filter("kind != 'x'");
  const std::string token = Ask(first)->next_page_token();
  ASSERT_NE(token, "");
  const struct {
    std::string name;
    std::function<void(v1::ListExpirationsRequest&)> edit;
    absl::StatusCode code;
    std::string field;
  } kCases[] = {
      {"page_size", [](auto& r) { r.set_page_size(-1); }, absl::StatusCode::kInvalidArgument,
       "page_size"},
      {"parent", [](auto& r) { r.set_parent("tokens/-"); }, absl::StatusCode::kInvalidArgument,
       "parent"},
      {"no such source", [](auto& r) { r.set_parent("sources/none"); }, absl::StatusCode::kNotFound,
       ""},
      {"negative lead", [](auto& r) { r.mutable_max_lead()->set_seconds(-1); },
       absl::StatusCode::kInvalidArgument, "max_lead"},
      {"negative nanos", [](auto& r) { r.mutable_max_lead()->set_nanos(-1); },
       absl::StatusCode::kInvalidArgument, "max_lead"},
      {"no duration", [](auto& r) { r.mutable_max_lead()->set_nanos(1'000'000'000); },
       absl::StatusCode::kInvalidArgument, "max_lead"},
      {"filter", [](auto& r) { r.set_filter("kind ="); }, absl::StatusCode::kInvalidArgument,
       "filter"},
      {"unknown field", [](auto& r) { r.set_filter("lead = 3"); },
       absl::StatusCode::kInvalidArgument, "filter"},
      {"no page token", [](auto& r) { r.set_page_token("x"); }, absl::StatusCode::kInvalidArgument,
       "page_token"},
      {"another filter's",
       [&](auto& r) {
         r.set_filter("kind != 'y'");
         r.set_page_token(token);
       },
       absl::StatusCode::kInvalidArgument, "page_token"},
      {"another lead's",
       [&](auto& r) {
         r.mutable_max_lead()->set_seconds(1);
         r.set_page_token(token);
       },
       absl::StatusCode::kInvalidArgument, "page_token"},
      {"another parent's",
       [&](auto& r) {
         r.set_parent("sources/acme");
         r.set_page_token(token);
       },
       absl::StatusCode::kInvalidArgument, "page_token"},
      {"with resolved ones",
       [&](auto& r) {
         r.set_show_resolved(true);
         r.set_page_token(token);
       },
       absl::StatusCode::kInvalidArgument, "page_token"},
      {"a resume token", [&](auto& r) { r.set_page_token(EncodeResumeToken(epoch(), 1)); },
       absl::StatusCode::kInvalidArgument, "page_token"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    v1::ListExpirationsRequest request = first;
    test.edit(request);
    const auto answer = Ask(request);
    EXPECT_EQ(answer.status().code(), test.code) << answer.status();
    if (!test.field.empty()) {
      EXPECT_THAT(FieldsOf(answer), ElementsAre(test.field));
    }
  }
  v1::ListExpirationsRequest next = first;
  next.set_page_size(500);
  next.set_page_token(token);
  EXPECT_TRUE(Ask(next).ok()) << "another page size is fine";
}

}  // namespace
}  // namespace tokeninventory::testing
