#include "inventory/summarize_tokens.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/errors.h"
#include "inventory/token_bytes.h"

namespace tokeninventory {
namespace {

using Request = v1::SummarizeTokensRequest;

struct Tally {
  std::int64_t count = 0;
  absl::Time soonest = absl::InfiniteFuture();
};

// The values of a dimension are put together with a byte that none of them has.
constexpr char kSeparator = '\0';

// Whether the columns do not tell a dimension, so that the token is parsed.
bool NeedsToken(Request::Dimension dimension) {
  return dimension == Request::OWNER || dimension == Request::SCOPE;
}

// One pass over a snapshot.
class Summary {
 public:
  Summary(const Snapshot& snapshot, const SummaryPlan& plan)
      : snapshot_(snapshot),
        plan_(plan),
        parses_(std::any_of(plan.dimensions.begin(), plan.dimensions.end(), NeedsToken)) {}

  // False when there are too many groups.
  bool Add(const TokenRef& ref) {
    ++total_;
    if (parses_) {
      token_.Clear();
      // FULL fields are needed for scopes only, but lie in one piece.
      token_.ParseFromArray(ref.full.data(), static_cast<int>(ref.full.size()));
    }
    keys_.assign(1, std::string());
    for (std::size_t i = 0; i < plan_.dimensions.size(); ++i) {
      AppendValues(plan_.dimensions[i], ref, i + 1 < plan_.dimensions.size());
    }
    const absl::Time end = EffectiveEnd(ref);
    for (std::string& key : keys_) {
      Tally& tally = tallies_[std::move(key)];
      ++tally.count;
      if (end > plan_.now) tally.soonest = std::min(tally.soonest, end);
    }
    return tallies_.size() <= kMaxGroups;
  }

  v1::SummarizeTokensResponse Finish() {
    std::vector<std::pair<std::string, Tally>> groups(tallies_.begin(), tallies_.end());
    std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
      return a.second.count != b.second.count ? a.second.count > b.second.count : a.first < b.first;
    });
    v1::SummarizeTokensResponse response;
    for (const auto& [key, tally] : groups) {
      v1::TokenGroup& group = *response.add_groups();
      std::size_t begin = 0;
      for (std::size_t i = 0; i < plan_.dimensions.size(); ++i) {
        const std::size_t end = std::min(key.find(kSeparator, begin), key.size());
        group.add_values(key.substr(begin, end - begin));
        begin = end + 1;
      }
      group.set_count(tally.count);
      if (tally.soonest != absl::InfiniteFuture()) {
        ToProto(tally.soonest, group.mutable_soonest_expire_time());
      }
    }
    response.set_total_count(total_);
    response.set_revision(snapshot_.revision());
    for (std::string& name : UnreachableSources(snapshot_, plan_.scan)) {
      response.add_unreachable(std::move(name));
    }
    return response;
  }

 private:
  // A time column; the token itself where the column cannot hold it.
  absl::Time EffectiveEnd(const TokenRef& ref) {
    const std::int64_t nanos = ref.columns->time(TokenColumns::kEffectiveExpireTime, ref.slot);
    if (nanos == TokenColumns::kNoTime) return absl::InfiniteFuture();
    if (nanos != TokenColumns::kTimeInBytes) return absl::FromUnixNanos(nanos);
    v1::Token token;
    token.ParseFromArray(ref.full.data(), static_cast<int>(ref.basic_size));
    return FromProto(token.effective_expire_time());
  }

  absl::string_view Bucket(const TokenRef& ref) {
    const absl::Time end = EffectiveEnd(ref);
    const auto state = Enumerator(TokenColumns::kState, ref);
    if (state == v1::Token::EXPIRED) return "EXPIRED";
    if (end == absl::InfiniteFuture()) {
      return Enumerator(TokenColumns::kExpiry, ref) == v1::Token::NEVER ? "NEVER" : "UNKNOWN";
    }
    const absl::Duration left = end - plan_.now;
    if (left <= absl::ZeroDuration()) return "EXPIRED";
    if (left <= absl::Hours(24)) return "WITHIN_1D";
    if (left <= absl::Hours(24 * 7)) return "WITHIN_7D";
    if (left <= absl::Hours(24 * 30)) return "WITHIN_30D";
    if (left <= absl::Hours(24 * 90)) return "WITHIN_90D";
    return "LATER";
  }

  int Enumerator(TokenColumns::Enum column, const TokenRef& ref) const {
    return ref.columns->enumerator(column, ref.slot);
  }

  std::string Text(TokenColumns::Text column, int field, const TokenRef& ref) const {
    const TextNumbers::Number number = ref.columns->text_number(column, ref.slot);
    if (number != TokenColumns::kTextInBytes) return TokenColumns::texts(column)[number];
    v1::Token token;
    token.ParseFromArray(ref.full.data(), static_cast<int>(ref.basic_size));
    return token.GetReflection()->GetString(token, token.GetDescriptor()->FindFieldByNumber(field));
  }

  // Extends every key by the token's value; by each of its scopes.
  void AppendValues(Request::Dimension dimension, const TokenRef& ref, bool separate) {
    if (dimension == Request::SCOPE) {
      std::vector<std::string> longer;
      for (const std::string& key : keys_) {
        for (const std::string& scope : Scopes()) longer.push_back(absl::StrCat(key, scope));
      }
      keys_ = std::move(longer);
    } else {
      const std::string value = ValueOf(dimension, ref);
      for (std::string& key : keys_) key += value;
    }
    if (separate) {
      for (std::string& key : keys_) key += kSeparator;
    }
  }

  std::vector<std::string> Scopes() const {
    std::vector<std::string> scopes;
    for (const v1::TokenScope& scope : token_.scopes()) {
      std::string text =
          scope.everything() ? "everything" : absl::StrCat(scope.type(), ":", scope.id());
      // A vendor may name one twice; a token counts once in each.
      if (std::find(scopes.begin(), scopes.end(), text) == scopes.end()) {
        scopes.push_back(std::move(text));
      }
    }
    if (scopes.empty()) scopes.emplace_back();
    return scopes;
  }

  std::string ValueOf(Request::Dimension dimension, const TokenRef& ref) {
    switch (dimension) {
      case Request::SOURCE:
        return absl::StrCat("sources/", snapshot_.sources()[ref.source].id);
      case Request::PROVIDER:
        return Text(TokenColumns::kProvider, v1::Token::kProviderFieldNumber, ref);
      case Request::KIND:
        return Text(TokenColumns::kKind, v1::Token::kKindFieldNumber, ref);
      case Request::STATE:
        return v1::Token::State_Name(
            static_cast<v1::Token::State>(Enumerator(TokenColumns::kState, ref)));
      case Request::ACCESS_LEVEL:
        return v1::Token::AccessLevel_Name(
            static_cast<v1::Token::AccessLevel>(Enumerator(TokenColumns::kAccessLevel, ref)));
      case Request::OWNER:
        return token_.owner().id().empty() ? token_.owner().display_name() : token_.owner().id();
      case Request::EXPIRY_BUCKET:
        return std::string(Bucket(ref));
      default:
        return std::string();
    }
  }

  const Snapshot& snapshot_;
  const SummaryPlan& plan_;
  const bool parses_;
  v1::Token token_;
  std::vector<std::string> keys_;
  std::int64_t total_ = 0;
  absl::flat_hash_map<std::string, Tally> tallies_;
};

}  // namespace

absl::StatusOr<SummaryPlan> PlanSummary(const Snapshot& snapshot, const SourceSet& visible,
                                        const v1::SummarizeTokensRequest& request, absl::Time now) {
  SummaryPlan plan;
  plan.now = now;
  TI_ASSIGN_OR_RETURN(plan.scan, FindParent(snapshot, visible, request.parent()));
  plan.scan.show_deleted = request.show_deleted();
  FilterOptions options;
  options.now = now;
  TI_ASSIGN_OR_RETURN(plan.filter, Filter::Compile(request.filter(), options));
  if (request.group_by_size() > kMaxDimensions) {
    return FieldError("group_by", "TOO_MANY_DIMENSIONS",
                      absl::StrCat("at most ", kMaxDimensions, " dimensions"));
  }
  for (const int number : request.group_by()) {
    const auto dimension = static_cast<Request::Dimension>(number);
    if (!Request::Dimension_IsValid(number) || dimension == Request::DIMENSION_UNSPECIFIED) {
      return FieldError("group_by", "INVALID_DIMENSION", "is not a dimension of tokens");
    }
    if (std::find(plan.dimensions.begin(), plan.dimensions.end(), dimension) !=
        plan.dimensions.end()) {
      return FieldError("group_by", "INVALID_DIMENSION",
                        absl::StrCat(Request::Dimension_Name(dimension), " is named twice"));
    }
    plan.dimensions.push_back(dimension);
  }
  return plan;
}

absl::StatusOr<v1::SummarizeTokensResponse> AnswerSummary(const Snapshot& snapshot,
                                                          const SummaryPlan& plan) {
  Summary summary(snapshot, plan);
  bool fits = true;
  snapshot.Scan(0, plan.scan, plan.filter, [&](const TokenRef& token) {
    fits = summary.Add(token);
    return fits;
  });
  if (!fits) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_GROUPS",
        absl::StrCat("more than ", kMaxGroups, " groups: filter more, or group by less"));
  }
  return summary.Finish();
}

}  // namespace tokeninventory
