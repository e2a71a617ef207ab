#include "inventory/filter/order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "inventory/token_bytes.h"
#include "tests/filter/filter_model.h"
#include "tests/testing/error_details.h"

namespace tokeninventory {
namespace {

int Sign(int order) { return order < 0 ? -1 : (order > 0 ? 1 : 0); }

FilterRow RowOf(const std::string& bytes) {
  FilterRow row;
  row.bytes = bytes;
  return row;
}

// The uids of tokens in an order.
std::string Ordered(const std::string& order_by, std::vector<v1::Token> tokens) {
  const auto order = OrderBy::Compile(order_by);
  EXPECT_TRUE(order.ok()) << order.status();
  std::vector<std::string> rows;
  for (const v1::Token& token : tokens) rows.push_back(SerializeToken(token));
  std::sort(rows.begin(), rows.end(), [&](const std::string& a, const std::string& b) {
    return order->Compare(RowOf(a), RowOf(b)) < 0;
  });
  std::string uids;
  for (const std::string& row : rows) {
    v1::Token token;
    token.ParseFromString(row);
    uids += token.uid();
  }
  return uids;
}

v1::Token Token(const std::string& uid) {
  v1::Token token;
  token.set_uid(uid);
  return token;
}

TEST(OrderByTest, EmptyOrdersByUid) {
  EXPECT_TRUE(OrderBy::Compile(" ")->empty());
  EXPECT_EQ(Ordered("", {Token("b"), Token("a")}), "ab");
}

TEST(OrderByTest, MissingIsLastBothWays) {
  std::vector<v1::Token> tokens = {Token("a"), Token("b"), Token("c"), Token("d")};
  tokens[1].mutable_expire_time()->set_seconds(5);
  tokens[2].mutable_expire_time()->set_seconds(-5);
  tokens[3].mutable_expire_time();
  EXPECT_EQ(Ordered("expire_time", tokens), "cdba");
  EXPECT_EQ(Ordered("expire_time desc", tokens), "bdca");
  tokens[1].mutable_owner()->set_email("x");
  tokens[2].mutable_owner()->set_email("y");
  tokens[3].mutable_owner();
  EXPECT_EQ(Ordered("owner.email", tokens), "bcad");
  EXPECT_EQ(Ordered("owner.email desc", tokens), "cbad");
  tokens[0].set_state(v1::Token::REVOKED);
  tokens[1].set_state(v1::Token::ACTIVE);
  EXPECT_EQ(Ordered("state desc", tokens), "abcd");
  EXPECT_EQ(Ordered("state", tokens), "bacd");
}

TEST(OrderByTest, TiesEndInUid) {
  std::vector<v1::Token> tokens = {Token("c"), Token("a"), Token("b")};
  for (v1::Token& token : tokens) token.set_provider("opal");
  EXPECT_EQ(Ordered("provider desc", tokens), "abc");
  EXPECT_EQ(Ordered("provider, uid desc", tokens), "cba");
}

TEST(OrderByTest, StringsThatStartAlike) {
  std::vector<v1::Token> tokens = {Token("1"), Token("2"), Token("3"), Token("4")};
  tokens[0].set_display_name(std::string("a\0b", 3));
  tokens[1].set_display_name("a");
  tokens[2].set_display_name("ab");
  tokens[3].set_display_name(std::string("a\0", 2));
  EXPECT_EQ(Ordered("display_name", tokens), "2413");
  EXPECT_EQ(Ordered("display_name desc", tokens), "3142");
}

TEST(OrderByTest, KeysOrderLikeCompare) {
  std::mt19937_64 random(132);
  const std::vector<std::string> paths = {"name",         "uid",
                                          "source",       "provider",
                                          "display_name", "owner.email",
                                          "owner.kind",   "access_level",
                                          "role",         "create_time",
                                          "expire_time",  "delete_time",
                                          "revision",     "effective_expire_time",
                                          "state",        "creator.id",
                                          "creator.kind", "inactivity_window",
                                          "provider_uri"};
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> chosen = paths;
    std::shuffle(chosen.begin(), chosen.end(), random);
    chosen.resize(1 + random() % 8);
    std::string text;
    for (const std::string& path : chosen) {
      absl::StrAppend(&text, text.empty() ? "" : ",", path, random() % 2 == 0 ? " desc" : "");
    }
    const auto order = OrderBy::Compile(text);
    ASSERT_TRUE(order.ok()) << text << order.status();

    constexpr int kRows = 40;
    TokenColumns columns;
    std::vector<std::string> tokens;
    std::vector<FilterRow> rows;
    for (int i = 0; i < kRows; ++i) {
      v1::Token token = filter::testing::RandomFilterToken(random, i);
      if (i % 8 == 0) token.set_display_name(std::string(4000, '\0'));
      tokens.push_back(SerializeToken(token));
      columns.Set(i, tokens.back());
    }
    for (int i = 0; i < kRows; ++i) {
      FilterRow& row = rows.emplace_back(RowOf(tokens[static_cast<std::size_t>(i)]));
      row.full_offset = ReadTokenFacts(row.bytes).basic_size;
      row.columns = &columns;
      row.row = i;
    }
    for (const FilterRow& a : rows) {
      const std::string key = order->SortKey(a);
      EXPECT_EQ(key, order->SortKey(RowOf(std::string(a.bytes)))) << "with columns: " << text;
      EXPECT_LE(key.size(), 3000u);
      for (const FilterRow& b : rows) {
        const int want = order->Compare(a, b);
        ASSERT_EQ(Sign(key.compare(order->SortKey(b))), Sign(want)) << text;
        ASSERT_EQ(want == 0, a.bytes == b.bytes);
        ASSERT_EQ(Sign(order->Compare(b, a)), -Sign(want));
      }
    }
  }
}

}  // namespace
}  // namespace tokeninventory
