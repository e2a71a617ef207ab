#include "tests/expiration/judged_token.h"

#include <algorithm>

#include "base/proto_time.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"
#include "tests/expiration/notice_words.h"

namespace tokeninventory::testing {

JudgedToken::JudgedToken() : now(absl::FromUnixSeconds(1'800'000'000)) {
  source.set_name("sources/acme");
  source.set_state(v1::Source::OK);
  ToProto(absl::Hours(1), source.mutable_sync_interval());
  ToProto(now, source.mutable_last_complete_time());
  token.set_name("sources/acme/tokens/a");
  token.set_uid("uid-a");
  token.set_source("sources/acme");
  token.set_presence(v1::Token::LISTED);
  token.set_state(v1::Token::ACTIVE);
  token.set_expire_time_precision(v1::Token::INSTANT);
  ToProto(now - Days(365), token.mutable_create_time());
  ToProto(now - Days(363), token.mutable_first_seen_time());
}

void JudgedToken::ExpiresAt(absl::Time end) {
  token.set_expiry(v1::Token::AT);
  ToProto(end, token.mutable_expire_time());
}

void JudgedToken::UsedAt(absl::Time used, absl::Duration window) {
  ToProto(used, token.mutable_last_used_time());
  ToProto(window, token.mutable_inactivity_window());
  ToProto(used + window, token.mutable_inactivity_deadline());
}

// As Reconcile does it.
void JudgedToken::Derive() {
  absl::Time end = absl::InfiniteFuture();
  if (token.has_expire_time()) end = FromProto(token.expire_time());
  if (token.has_inactivity_deadline()) {
    end = std::min(end, FromProto(token.inactivity_deadline()));
  }
  token.clear_effective_expire_time();
  if (end != absl::InfiniteFuture()) ToProto(end, token.mutable_effective_expire_time());
}

std::vector<v1::Expiration> JudgedToken::Ask(absl::Time when, TokenSight::VendorWord word) const {
  const std::string bytes = SerializeToken(token);
  const TokenSight sight{&token, bytes, word, state_before_.value_or(v1::Token::STATE_UNSPECIFIED)};
  return JudgeToken(sight, known ? &*known : nullptr,
                    {when, &rules, &source, digested, revision_ + 1});
}

absl::Time JudgedToken::NextLook() const {
  const std::string bytes = SerializeToken(token);
  const TokenSight sight{&token, bytes, TokenSight::VendorWord::kNone, token.state()};
  const bool has_open = known && known->state() == v1::Expiration::OPEN;
  return tokeninventory::NextLook(sight, has_open, known && !has_open ? &*known : nullptr,
                                  {now, &rules, nullptr, false, 0});
}

std::string JudgedToken::Judge(TokenSight::VendorWord word) {
  Derive();
  said = Ask(now, word);
  ++revision_;
  for (const v1::Expiration& notice : said) {
    EXPECT_TRUE(event_ids_.insert(notice.event_id()).second) << "told twice: " << Says(notice);
    EXPECT_EQ(notice.revision(), revision_);
    EXPECT_EQ(FromProto(notice.update_time()), now);
    EXPECT_LE(FromProto(notice.due_time()), now);
    EXPECT_FALSE(notice.has_token());
    known = notice;
    known->mutable_token()->CopyFrom(token);
  }
  state_before_ = token.state();
  EXPECT_EQ(Says(Ask(now, word)), "") << "asked again";
  const absl::Time next = NextLook();
  EXPECT_GT(next, now);
  if (next != absl::InfiniteFuture()) {
    EXPECT_EQ(Says(Ask(next - absl::Nanoseconds(1), TokenSight::VendorWord::kNone)), "")
        << "before the next look";
  } else {
    EXPECT_EQ(Says(Ask(now + Days(3000), TokenSight::VendorWord::kNone)), "") << "long after";
  }
  return Says(said);
}

std::string JudgedToken::At(absl::Time time) {
  now = time;
  ToProto(now, source.mutable_last_complete_time());
  return Judge();
}

void RunSteps(JudgedToken& judged, const std::vector<JudgeStep>& steps) {
  for (const JudgeStep& step : steps) {
    SCOPED_TRACE(step.name);
    if (step.happens) step.happens(judged);
    EXPECT_EQ(judged.Judge(step.word), step.says);
  }
}

}  // namespace tokeninventory::testing
