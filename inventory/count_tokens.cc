#include "inventory/count_tokens.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kStates = v1::Token::State_ARRAYSIZE;
constexpr std::size_t kKinds = kMostCountedKinds + 1;  // the last: all others
constexpr std::size_t kOther = kMostCountedKinds;

bool IsPlainWord(const std::string& kind) {
  return kind.size() <= 30 && std::all_of(kind.begin(), kind.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
                  c == '.';
         });
}

// Places for kinds, in the order in which they are met.
class KindPlaces {
 public:
  std::size_t Of(const TokenRef& token) {
    const TextNumbers::Number number = token.columns->text_number(TokenColumns::kKind, token.slot);
    if (number == TokenColumns::kTextInBytes) return kOther;
    if (number >= places_.size()) places_.resize(number + std::size_t{1}, kUnknown);
    std::size_t& place = places_[number];
    if (place == kUnknown) place = Add(TokenColumns::texts(TokenColumns::kKind)[number]);
    return place;
  }
  std::string Name(std::size_t place) const { return place == kOther ? kOtherKind : names_[place]; }

 private:
  static constexpr std::size_t kUnknown = kKinds;

  std::size_t Add(const std::string& kind) {
    const std::size_t place = names_.size();
    if (place == kOther || !IsPlainWord(kind)) return kOther;
    names_.push_back(kind);
    return place;
  }

  std::vector<std::size_t> places_;  // by the text's number
  std::vector<std::string> names_;
};

}  // namespace

std::vector<TokenCounts> CountTokens(const Snapshot& snapshot, absl::Time now) {
  const std::int64_t now_nanos = absl::ToUnixNanos(now);
  std::array<std::int64_t, kEndingWithinDays.size()> horizons{};
  for (std::size_t i = 0; i < horizons.size(); ++i) {
    horizons[i] = absl::ToUnixNanos(now + absl::Hours(24) * kEndingWithinDays[i]);
  }

  std::vector<TokenCounts> all(snapshot.sources().size());
  std::vector<std::int64_t> soonest(all.size(), std::numeric_limits<std::int64_t>::max());
  std::vector<std::int64_t> cells(all.size() * kStates * kKinds);
  KindPlaces kinds;
  snapshot.Scan(0, ScanFilter{}, [&](const TokenRef& token) {
    const std::size_t state = token.columns->enumerator(TokenColumns::kState, token.slot);
    TokenCounts& counts = all[token.source];
    if (token.presence == v1::Token::MISSING) ++counts.missing;
    // The Ledger stores no other number.
    if (state < kStates) ++cells[(token.source * kStates + state) * kKinds + kinds.Of(token)];
    if (state != v1::Token::ACTIVE) return true;
    // Times that the column cannot hold are long past, or centuries away: no end, here.
    const std::int64_t end = token.columns->time(TokenColumns::kEffectiveExpireTime, token.slot);
    if (end == TokenColumns::kNoTime || end <= now_nanos) return true;
    soonest[token.source] = std::min(soonest[token.source], end);
    for (std::size_t i = 0; i < horizons.size(); ++i) {
      if (end <= horizons[i]) ++counts.ending_within[i];
    }
    return true;
  });

  for (std::size_t cell = 0; cell < cells.size(); ++cell) {
    if (cells[cell] == 0) continue;
    const auto state = static_cast<v1::Token::State>(cell / kKinds % kStates);
    // A vendor may have a kind that is called as the others are.
    all[cell / (kStates * kKinds)].by_state_and_kind[{state, kinds.Name(cell % kKinds)}] +=
        cells[cell];
  }
  for (std::size_t source = 0; source < all.size(); ++source) {
    if (soonest[source] == std::numeric_limits<std::int64_t>::max()) continue;
    all[source].soonest_end = absl::FromUnixNanos(soonest[source]);
  }
  return all;
}

}  // namespace tokeninventory
