// Whatever vendors, clocks, stores and operators do: the Ledger says what a simple
// model says, token by token, step by step.
#include <algorithm>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/expiration/expiry_house.h"

namespace tokeninventory::testing {
namespace {

// A token at its vendor, and what was said of it. Its life is not known, and a renewal
// gives more than the widest lead, so that no lead is left out.
class ModelToken {
 public:
  // What the vendor shows.
  bool listed = false;
  std::optional<absl::Time> end;
  absl::Time base;  // `end`, but for what is no move
  v1::Token::State state = v1::Token::ACTIVE;

  // Than which no end is a renewal.
  absl::Time Nearest() const { return std::min(*end, seen_end_.value_or(*end)); }

  // A complete pass looks.
  void OnPass(absl::Time now) {
    if (listed) {
      const auto before = std::tuple(missed_, seen_end_, seen_state_, ended_);
      if (!first_seen_) first_seen_ = now;
      missed_ = 0;
      seen_end_ = end;
      seen_state_ = state;
      ended_ = Reached(now);
      if (before != std::tuple(missed_, seen_end_, seen_state_, ended_)) too_late_ = false;
    } else if (first_seen_ && missed_ < 2) {
      ++missed_;
      // That it expired is what its tombstone says, also when the clock goes back.
      if (missed_ == 2) over_ = seen_end_ && (Reached(now) || ended_);
    }
  }

  // What is to be said now, if anything.
  std::vector<std::string> Judge(absl::Time now, const std::vector<absl::Duration>& leads) {
    std::vector<std::string> said;
    if (!first_seen_) return said;
    if (missed_ < 2 && seen_state_ == v1::Token::ACTIVE && Reached(now)) ended_ = true;
    if (open_) {
      const std::string cause = CauseToClose(now, leads);
      if (cause.empty()) {
        Tighten(now, leads, said);
        return said;
      }
      open_ = false;
      said.push_back("RESOLVED " + cause);
    }
    Open(now, leads, said);
    return said;
  }

 private:
  bool Reached(absl::Time now) const { return seen_end_ && now >= *seen_end_; }

  std::optional<absl::Duration> Due(absl::Time now, const std::vector<absl::Duration>& leads) {
    std::optional<absl::Duration> due;
    for (const absl::Duration lead : leads) {
      if (*seen_end_ - now <= lead && (!due || lead < *due)) due = lead;
    }
    return due;
  }

  std::string CauseToClose(absl::Time now, const std::vector<absl::Duration>& leads) {
    if (missed_ == 2) return over_ ? "EXPIRED" : "DELETED";
    if (seen_state_ != v1::Token::ACTIVE) return "REVOKED";
    if (!seen_end_ || *seen_end_ > told_end_ + absl::Minutes(1)) return "EXTENDED";
    if (*seen_end_ < told_end_ - absl::Minutes(1)) return "SHORTENED";
    if (now >= *seen_end_ + Days(30)) return "EXPIRED";
    if (!told_expired_ && !ended_) {
      const bool covered = std::any_of(leads.begin(), leads.end(),
                                       [&](absl::Duration lead) { return lead >= told_lead_; });
      if (!covered && !Due(now, leads)) return "RULE_CHANGED";
    }
    return "";
  }

  void Tighten(absl::Time now, const std::vector<absl::Duration>& leads,
               std::vector<std::string>& said) {
    if (told_expired_) return;
    if (ended_) {
      Tell("EXPIRED", said);
      told_expired_ = true;
    } else if (const auto due = Due(now, leads); due && *due < told_lead_) {
      Tell("LEAD " + LeadText(*due), said);
      told_lead_ = *due;
    }
  }

  void Open(absl::Time now, const std::vector<absl::Duration>& leads,
            std::vector<std::string>& said) {
    if (missed_ == 2 || seen_state_ != v1::Token::ACTIVE || !seen_end_) return;
    const bool moved = was_told_ && told_end_ != *seen_end_;
    if (was_told_ && !moved && told_expired_) return;
    if (ended_) {
      // By a clock that was ahead: its state says so until the vendor is asked.
      if (!Reached(now)) return;
      // Nobody looks again at what was too late, until the token changes.
      too_late_ = too_late_ || now >= *seen_end_ + Days(30);
      if (!(*first_seen_ < *seen_end_ || moved) || too_late_) return;
      Tell("EXPIRED", said);
      told_expired_ = open_ = true;
    } else if (const auto due = Due(now, leads)) {
      Tell("LEAD " + LeadText(*due), said);
      told_lead_ = *due;
      told_expired_ = false;
      open_ = true;
    }
  }

  void Tell(const std::string& what, std::vector<std::string>& said) {
    said.push_back(what);
    told_end_ = *seen_end_;
    was_told_ = true;
  }

  // As of the last pass that saw it.
  std::optional<absl::Time> first_seen_, seen_end_;
  v1::Token::State seen_state_ = v1::Token::ACTIVE;
  int missed_ = 0;
  bool ended_ = false;  // its state is EXPIRED
  bool too_late_ = false;
  bool over_ = false;  // it had ended when it was gone
  // What was said.
  bool was_told_ = false, open_ = false, told_expired_ = false;
  absl::Time told_end_;
  absl::Duration told_lead_;
};

class LedgerModelTest : public ::testing::TestWithParam<unsigned> {
 protected:
  static constexpr int kTokens = 10;  // more that go at once would be held back
  static constexpr int kSteps = 1000;

  LedgerModelTest() : expiry_(MakeSetup()) { house_.Pass({Lists({})}); }

  static LedgerSetup MakeSetup() {
    LedgerSetup setup;
    setup.retention.max_age = Days(100'000);
    return setup;
  }
  int Pick(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  absl::Duration Some(absl::Duration most) { return most * Pick(100'000) / 100'000; }
  std::string IdOf(std::size_t i) { return absl::StrCat("t", i); }

  void Pass() {
    std::vector<ObservedToken> shown;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      if (!model_[i].listed) continue;
      shown.push_back(Observed(IdOf(i), [&](v1::Token& token) {
        token.set_state(model_[i].state);
        token.set_expiry(model_[i].end ? v1::Token::AT : v1::Token::NEVER);
        if (model_[i].end) ToProto(*model_[i].end, token.mutable_expire_time());
      }));
    }
    std::shuffle(shown.begin(), shown.end(), random_);
    house_.Pass({Lists(shown)});
    for (ModelToken& token : model_) token.OnPass(expiry_.now());
  }

  void ChangeToken() {
    ModelToken& token = model_[static_cast<std::size_t>(Pick(kTokens))];
    const absl::Time now = expiry_.now();
    switch (Pick(8)) {
      case 0:
        token.listed = !token.listed;
        break;
      case 1:
      case 2:
        token.listed = true;
        token.end = token.base = now + Days(40) + Some(Days(15));
        break;
      case 3:  // sooner
        if (token.end && token.Nearest() > now) {
          token.end = token.base = now + Some(token.Nearest() - now);
        }
        break;
      case 4:  // hardly moved
        if (token.end) token.end = token.base + Some(absl::Minutes(1));
        break;
      case 5:
        token.state = Pick(2) == 0 ? v1::Token::ACTIVE : v1::Token::DISABLED;
        break;
      case 6:
        token.state = v1::Token::ACTIVE;
        break;
      case 7:
        if (Pick(4) == 0) token.end.reset();
        break;
    }
  }

  // What happens; returns its name.
  std::string Step() {
    switch (Pick(12)) {
      case 0:
      case 1:
      case 2: {
        house_.clock().Advance(Some(Days(8)));
        return "time passes";
      }
      case 3:
        house_.clock().Advance(Some(Days(40)));
        return "the clock leaps";
      case 4:
        house_.clock().Advance(-Some(Days(2)));
        return "the clock goes back";
      case 5:
        expiry_.Reopen();
        return "a restart";
      case 6: {
        leads_.clear();
        std::vector<absl::Duration> all = {Days(1), Days(2), Days(3), Days(7), Days(14), Days(30)};
        for (const absl::Duration lead : all) {
          if (Pick(2) == 0) leads_.push_back(lead);
        }
        LedgerSetup setup = MakeSetup();
        setup.rules = LeadsOf(leads_);
        expiry_.Reopen(setup);
        return "other rules";
      }
      case 7:
        house_.store().FailCommits(1);
        house_.clock().Advance(Some(Days(2)));
        expiry_.Settle();
        house_.store().FailCommits(0);
        house_.clock().Advance(absl::Seconds(5));
        return "the store fails once";
      default:
        for (int i = Pick(4); i > 0; --i) ChangeToken();
        Pass();
        return "a pass";
    }
  }

  std::mt19937_64 random_{GetParam()};
  ExpiryHouse expiry_;
  LedgerHarness& house_ = expiry_.house();
  std::vector<absl::Duration> leads_ = {Days(1), Days(3), Days(7), Days(14), Days(30)};
  std::vector<ModelToken> model_ = std::vector<ModelToken>(kTokens);
};

INSTANTIATE_TEST_SUITE_P(Seeds, LedgerModelTest, ::testing::Values(1, 2, 3));

TEST_P(LedgerModelTest, TheLedgerSaysWhatTheModelSays) {
  std::cout << "seed " << GetParam() << "\n";
  int events = 0;
  for (int step = 1; step <= kSteps; ++step) {
    const std::string what = Step();
    expiry_.Settle();
    SCOPED_TRACE(absl::StrCat("step ", step, ": ", what));
    std::map<std::string, std::vector<std::string>> expected, said;
    for (std::size_t i = 0; i < model_.size(); ++i) {
      auto words = model_[i].Judge(expiry_.now(), leads_);
      if (!words.empty()) expected[IdOf(i)] = std::move(words);
    }
    for (const v1::Expiration& notice : expiry_.News()) {
      if (notice.token_uid().empty()) continue;
      said[notice.token().provider_token_id()].push_back(Says(notice));
      ++events;
    }
    ASSERT_EQ(said, expected);
    if (HasFailure()) return;
  }
  EXPECT_GT(events, kSteps / 5) << "a test of nothing";
  std::cout << events << " events\n";
}

}  // namespace
}  // namespace tokeninventory::testing
