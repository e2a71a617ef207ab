#include "inventory/filter/columns.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "inventory/filter/filter.h"
#include "inventory/token_bytes.h"
#include "tests/testing/random_token.h"
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

TEST(TokenColumnsTest, TimesOfAllSizes) {
  constexpr std::int64_t kNanos = 1'000'000'000;
  constexpr std::int64_t kFirstOfFiveBytes = std::int64_t{1} << 28;
  constexpr std::int64_t kLastOfFiveBytes = (std::int64_t{1} << 35) - 1;
  for (const std::int64_t seconds :
       {std::int64_t{0}, std::int64_t{1}, kFirstOfFiveBytes - 1, kFirstOfFiveBytes,
        std::int64_t{1'700'000'000}, std::int64_t{0x1'5555'5555}, std::int64_t{9'000'000'000},
        kLastOfFiveBytes, kLastOfFiveBytes + 1, std::int64_t{-1}, std::int64_t{-9'000'000'000},
        std::int64_t{-62'135'596'800}}) {
    for (const int nanos : {0, 1, 127, 128, 999'999'999}) {
      v1::Token token;
      token.mutable_create_time()->set_seconds(seconds);
      token.mutable_create_time()->set_nanos(nanos);
      TokenColumns columns;
      columns.Set(0, SerializeToken(token));
      const bool fits = seconds > -9'223'372'036 && seconds < 9'223'372'036;
      EXPECT_EQ(columns.time(TokenColumns::kCreateTime, 0),
                fits ? seconds * kNanos + nanos : TokenColumns::kTimeInBytes)
          << seconds << " " << nanos;
    }
  }
}

TEST(TokenColumnsTest, HashesTellTextsApart) {
  const std::string text = "0123456789abcdefghijklmnopq";
  std::set<std::uint16_t> hashes;
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string copy = text.substr(0, size);  // elsewhere
    EXPECT_EQ(TokenColumns::HashOf(copy), TokenColumns::HashOf(text.substr(0, size)));
    hashes.insert(TokenColumns::HashOf(copy));
    for (std::size_t i = 0; i < size; ++i) {
      std::string other = copy;
      other[i] = 'X';
      EXPECT_NE(TokenColumns::HashOf(other), TokenColumns::HashOf(copy)) << other;
    }
  }
  EXPECT_EQ(hashes.size(), text.size() + 1);
  EXPECT_EQ(TokenColumns::HashOf(""), TokenColumns::kEmptyHash);
  // Texts that are much alike spread over what there is.
  hashes.clear();
  for (int i = 0; i < 50'000; ++i) hashes.insert(TokenColumns::HashOf(absl::StrCat("bot ", i)));
  EXPECT_GT(hashes.size(), 30'000u);  // 35 000 of random ones
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

// Also of bytes that are cut or damaged.
TEST(TokenColumnsTest, SetReadsTheFactsOfAToken) {
  std::mt19937_64 random(7);
  TokenColumns columns;
  for (int i = 0; i < 200; ++i) {
    std::string bytes = SerializeToken(testing::RandomToken(random));
    if (i % 3 == 1) bytes.resize(random() % bytes.size());
    if (i % 3 == 2) bytes[random() % bytes.size()] = static_cast<char>(random());
    const TokenFacts want = ReadTokenFacts(bytes);
    const TokenFacts got = columns.Set(0, bytes);
    EXPECT_EQ(got.valid, want.valid);
    EXPECT_EQ(got.basic_size, want.basic_size);
    EXPECT_EQ(got.name, want.name);
    EXPECT_EQ(got.uid, want.uid);
    EXPECT_EQ(got.source, want.source);
    EXPECT_EQ(got.presence, want.presence);
    EXPECT_EQ(got.state, want.state);
    EXPECT_EQ(got.revision, want.revision);
    EXPECT_EQ(got.effective_expire_time, want.effective_expire_time);
  }
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
