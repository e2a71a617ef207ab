// ListTokens in other orders: pages against a plain sort, forwards and backwards,
// and what a client sees while tokens come and go.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/list_tokens.h"
#include "tests/inventory/snapshot_maker.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr char kEpoch[] = "0123456789abcdef";
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

v1::ListTokensResponse List(const Snapshot& snapshot, const v1::ListTokensRequest& request) {
  v1::ListTokensResponse response;
  const absl::StatusOr<std::string> bytes =
      ListTokens(snapshot, SourceSet(), kEpoch, request, kNow);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_TRUE(bytes.ok() && response.ParseFromString(*bytes));
  return response;
}

// Few different values, so that there are ties, and some without one.
v1::Token RandomListed(std::mt19937_64& random, const std::string& id) {
  v1::Token token = MakeToken(random() % 2 == 0 ? "acme" : "beta", id);
  token.set_uid(RandomUuid());
  token.set_display_name(absl::StrCat("name ", random() % 7));
  if (random() % 3 != 0) {
    token.mutable_expire_time()->set_seconds(static_cast<std::int64_t>(random() % 50));
    *token.mutable_effective_expire_time() = token.expire_time();
  }
  return token;
}

struct Order {
  const char* text;
  // Sorts as the order says; nothing: without a value, so last.
  std::function<std::optional<std::string>(const v1::Token&)> key;
  bool descending;
};

std::string Digits(std::int64_t number) {
  std::string text = absl::StrCat(number);
  return std::string(20 - text.size(), '0') + text;
}

const std::vector<Order>& Orders() {
  static const auto* const orders = new std::vector<Order>{
      {"display_name", [](const v1::Token& t) { return t.display_name(); }, false},
      {"display_name desc", [](const v1::Token& t) { return t.display_name(); }, true},
      {"expire_time",
       [](const v1::Token& t) {
         return t.has_expire_time() ? std::optional(Digits(t.expire_time().seconds()))
                                    : std::nullopt;
       },
       false},
      {"expire_time desc",
       [](const v1::Token& t) {
         return t.has_expire_time() ? std::optional(Digits(t.expire_time().seconds()))
                                    : std::nullopt;
       },
       true},
      {"effective_expire_time desc",
       [](const v1::Token& t) {
         return t.has_expire_time() ? std::optional(Digits(t.expire_time().seconds()))
                                    : std::nullopt;
       },
       true},
  };
  return *orders;
}

std::vector<std::string> SortedUids(std::vector<v1::Token> tokens, const Order& order) {
  std::sort(tokens.begin(), tokens.end(), [&](const v1::Token& a, const v1::Token& b) {
    const auto x = order.key(a);
    const auto y = order.key(b);
    if (x.has_value() != y.has_value()) return x.has_value();
    if (x.has_value() && *x != *y) return order.descending ? *y < *x : *x < *y;
    return a.uid() < b.uid();
  });
  std::vector<std::string> uids;
  for (const v1::Token& token : tokens) uids.push_back(token.uid());
  return uids;
}

TEST(ListOrderTest, PagesAreAPlainSortForwardsAndBackwards) {
  std::mt19937_64 random(1);
  SnapshotMaker maker;
  maker.Source("acme").Source("beta");
  std::vector<v1::Token> tokens;
  for (int row = 1; row <= 400; ++row) {
    tokens.push_back(RandomListed(random, absl::StrCat(row)));
    maker.Put(row, tokens.back());
  }
  const auto snapshot = maker.Build();
  for (const Order& order : Orders()) {
    for (const int page_size : {1, 7, 399, 400, 401}) {
      SCOPED_TRACE(absl::StrCat(order.text, " by ", page_size));
      v1::ListTokensRequest request;
      request.set_parent("sources/-");
      request.set_order_by(order.text);
      request.set_page_size(page_size);
      std::vector<std::vector<std::string>> pages;
      std::string previous;
      do {
        const auto page = List(*snapshot, request);
        pages.emplace_back();
        for (const v1::Token& token : page.tokens()) pages.back().push_back(token.uid());
        previous = page.previous_page_token();
        request.set_page_token(page.next_page_token());
      } while (!request.page_token().empty());
      std::vector<std::string> uids;
      for (const auto& page : pages) uids.insert(uids.end(), page.begin(), page.end());
      EXPECT_EQ(uids, SortedUids(tokens, order));
      // And back.
      for (std::size_t i = pages.size() - 1; i-- > 0;) {
        ASSERT_FALSE(previous.empty());
        request.set_page_token(previous);
        const auto page = List(*snapshot, request);
        std::vector<std::string> back;
        for (const v1::Token& token : page.tokens()) back.push_back(token.uid());
        EXPECT_THAT(back, ElementsAreArray(pages[i]));
        previous = page.previous_page_token();
      }
      EXPECT_THAT(previous, IsEmpty());
    }
  }
}

TEST(ListOrderTest, AnIndexFollowsEveryChange) {
  std::mt19937_64 random(2);
  SnapshotMaker maker;
  maker.Source("acme").Source("beta");
  std::map<std::int64_t, v1::Token> rows;
  std::int64_t next_row = 1;
  for (int step = 0; step < 60; ++step) {
    for (int edit = 0; edit < 40; ++edit) {
      if (rows.empty() || random() % 2 == 0) {
        rows[next_row] = RandomListed(random, absl::StrCat(next_row));
        maker.Put(next_row, rows[next_row]);
        ++next_row;
        continue;
      }
      auto it = rows.lower_bound(
          static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(next_row)));
      if (it == rows.end()) it = rows.begin();
      if (random() % 2 == 0) {
        maker.Purge(it->first);
        rows.erase(it);
      } else {
        // The same token with another expiry; its index has the old one no more.
        const v1::Token old = it->second;
        it->second = RandomListed(random, absl::StrCat(it->first));
        it->second.set_name(old.name());
        it->second.set_source(old.source());
        it->second.set_uid(old.uid());
        maker.Put(it->first, it->second);
      }
    }
    const auto snapshot = maker.Build();
    std::vector<v1::Token> tokens;
    for (const auto& [row, token] : rows) tokens.push_back(token);
    for (const Order& order : Orders()) {
      v1::ListTokensRequest request;
      request.set_parent("sources/-");
      request.set_order_by(order.text);
      request.set_page_size(1000);
      std::vector<std::string> uids;
      do {
        const auto page = List(*snapshot, request);
        for (const v1::Token& token : page.tokens()) uids.push_back(token.uid());
        request.set_page_token(page.next_page_token());
      } while (!request.page_token().empty());
      ASSERT_EQ(uids, SortedUids(tokens, order)) << order.text;
    }
  }
}

TEST(ListOrderTest, ATokenThatDoesNotChangeIsSeenExactlyOnceInEveryOrder) {
  for (const Order& order : Orders()) {
    SCOPED_TRACE(order.text);
    std::mt19937_64 random(3);
    SnapshotMaker maker;
    maker.Source("acme").Source("beta");
    std::set<std::string> steady;
    std::int64_t next_row = 1;
    std::vector<std::int64_t> churning;
    for (int i = 0; i < 600; ++i) {
      const v1::Token token = RandomListed(random, absl::StrCat(next_row));
      maker.Put(next_row, token);
      if (i % 2 == 0) {
        steady.insert(token.uid());
      } else {
        churning.push_back(next_row);
      }
      ++next_row;
    }
    auto snapshot = maker.Build();
    std::map<std::string, int> seen;
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    request.set_order_by(order.text);
    int pages = 0;
    do {
      request.set_page_size(static_cast<std::int32_t>(1 + random() % 40));
      const auto page = List(*snapshot, request);
      for (const v1::Token& token : page.tokens()) ++seen[token.uid()];
      request.set_page_token(page.next_page_token());
      // The cursor's own token goes, too.
      for (int i = 0; i < 10 && !churning.empty(); ++i) {
        const std::size_t at = random() % churning.size();
        maker.Purge(churning[at]);
        churning.erase(churning.begin() + static_cast<std::ptrdiff_t>(at));
        if (pages > 200) continue;
        maker.Put(next_row, RandomListed(random, absl::StrCat(next_row)));
        churning.push_back(next_row++);
      }
      snapshot = maker.Build();
      ++pages;
    } while (!request.page_token().empty());
    for (const std::string& uid : steady) EXPECT_EQ(seen[uid], 1) << uid;
    for (const auto& [uid, times] : seen) EXPECT_LE(times, 1) << uid;
  }
}

}  // namespace
}  // namespace tokeninventory::testing
