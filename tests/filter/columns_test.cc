#include "inventory/filter/columns.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "inventory/filter/filter.h"
#include "inventory/token_bytes.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {
namespace {

std::string ProviderAt(const TokenColumns& columns, int row) {
  return TokenColumns::texts(
      TokenColumns::kProvider)[columns.text_number(TokenColumns::kProvider, row)];
}

TEST(TokenColumnsTest, NewRowsAreEmpty) {
  const TokenColumns columns;
  for (int row = 0; row < TokenColumns::kRows; ++row) {
    EXPECT_EQ(columns.time(TokenColumns::kExpireTime, row), TokenColumns::kNoTime);
    EXPECT_FALSE(columns.has_owner(row));
    EXPECT_EQ(columns.enumerator(TokenColumns::kState, row), 0);
    EXPECT_EQ(ProviderAt(columns, row), "");
  }
}

TEST(TokenColumnsTest, SetReplacesAndClearEmpties) {
  v1::Token token;
  token.set_provider("opal");
  token.mutable_owner()->set_email("a@example.com");
  token.mutable_expire_time()->set_seconds(5);
  token.mutable_expire_time()->set_nanos(7);
  token.set_state(v1::Token::ACTIVE);
  token.set_revision(9);
  TokenColumns columns;
  columns.Set(3, SerializeToken(token));
  EXPECT_EQ(columns.time(TokenColumns::kExpireTime, 3), 5'000'000'007);
  EXPECT_EQ(columns.enumerator(TokenColumns::kState, 3), v1::Token::ACTIVE);
  EXPECT_EQ(columns.revision(3), 9);
  EXPECT_TRUE(columns.has_owner(3));
  EXPECT_EQ(columns.hash(TokenColumns::kOwnerId, 3), TokenColumns::kEmptyHash);
  EXPECT_EQ(columns.hash(TokenColumns::kOwnerEmail, 3), TokenColumns::HashOf("a@example.com"));
  EXPECT_EQ(ProviderAt(columns, 3), "opal");
  EXPECT_FALSE(columns.has_owner(2));

  columns.Set(3, SerializeToken(v1::Token()));
  EXPECT_FALSE(columns.has_owner(3));
  EXPECT_EQ(columns.time(TokenColumns::kExpireTime, 3), TokenColumns::kNoTime);
  columns.Set(3, SerializeToken(token));
  columns.Clear(3);
  EXPECT_FALSE(columns.has_owner(3));
  EXPECT_EQ(columns.revision(3), 0);
}

// More kinds than there are numbers, or a kind that is too long for one, cost speed and
// nothing else.
TEST(TokenColumnsTest, MoreTextsThanNumbers) {
  TokenColumns columns;
  const int kinds = static_cast<int>(TextNumbers::kMost) + 100;
  int in_bytes = 0;
  for (int i = 0; i < kinds; ++i) {
    const int row = i % TokenColumns::kRows;
    v1::Token token;
    token.set_kind(absl::StrCat("kind-", i));
    if (i == 0) token.set_kind(std::string(TextNumbers::kMostBytes + 1, 'k'));
    const std::string bytes = SerializeToken(token);
    columns.Set(row, bytes);
    const bool has_number =
        columns.text_number(TokenColumns::kKind, row) != TokenColumns::kTextInBytes;
    if (!has_number) ++in_bytes;
    if (has_number && i % 100 != 1) continue;  // enough of those
    FilterRow at;
    at.bytes = bytes;
    at.columns = &columns;
    at.row = row;
    EXPECT_TRUE(Filter::Compile(absl::StrCat("kind = ", token.kind()), {})->Matches(at));
    EXPECT_FALSE(Filter::Compile(absl::StrCat("kind != ", token.kind()), {})->Matches(at));
    EXPECT_FALSE(Filter::Compile("kind = kind-x", {})->Matches(at));
  }
  EXPECT_GE(in_bytes, 100);
}

TEST(TokenColumnsTest, UnknownEnumValuesAreAskedOfTheBytes) {
  for (const int value : {253, 254, 255, 256, 1'000'000, -1}) {
    v1::Token token;
    token.set_state(static_cast<v1::Token::State>(value));
    const std::string bytes = SerializeToken(token);
    TokenColumns columns;
    columns.Set(0, bytes);
    FilterRow row;
    row.bytes = bytes;
    row.columns = &columns;
    EXPECT_TRUE(Filter::Compile("state:*", {})->Matches(row)) << value;
    EXPECT_TRUE(Filter::Compile("state != ACTIVE", {})->Matches(row)) << value;
  }
}

}  // namespace
}  // namespace tokeninventory
