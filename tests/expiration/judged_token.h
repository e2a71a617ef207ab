// One token, and what the judge said of it step by step.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "inventory/expiration/judge.h"

namespace tokeninventory::testing {

// A token that was made a year ago, seen two days later and every hour since, by a
// source whose last pass was complete. What a test does not set stays so.
class JudgedToken {
 public:
  JudgedToken();

  v1::Token token;
  v1::Source source;
  LeadRules rules;
  absl::Time now;
  bool digested = false;
  // What was said last, as the Ledger would remember it.
  std::optional<v1::Expiration> known;
  // What the last Judge said.
  std::vector<v1::Expiration> said;

  void ExpiresAt(absl::Time end);
  // Used last at `used`, in a window that ends it.
  void UsedAt(absl::Time used, absl::Duration window);

  // Judges the token as it is now; returns what is said, as Says. Also checks what
  // holds for every judgement: asked again it says nothing, and nothing before
  // NextLook; ids are never given twice.
  std::string Judge(TokenSight::VendorWord word = TokenSight::VendorWord::kNone);
  // The same at another time.
  std::string At(absl::Time time);
  absl::Time NextLook() const;

 private:
  std::vector<v1::Expiration> Ask(absl::Time when, TokenSight::VendorWord word) const;
  void Derive();

  std::optional<v1::Token::State> state_before_;
  std::set<std::string> event_ids_;
  std::int64_t revision_ = 0;
};

// What happens to a token, and what is then said.
struct JudgeStep {
  std::string name;
  std::function<void(JudgedToken&)> happens;
  std::string says;
  TokenSight::VendorWord word = TokenSight::VendorWord::kNone;
};

void RunSteps(JudgedToken& judged, const std::vector<JudgeStep>& steps);

}  // namespace tokeninventory::testing
