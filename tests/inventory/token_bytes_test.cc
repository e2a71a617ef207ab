#include "inventory/token_bytes.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/message_differencer.h>

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/random_token.h"

namespace tokeninventory::testing {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Token Parse(absl::string_view bytes) {
  v1::Token token;
  EXPECT_TRUE(token.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return token;
}

// The token with one field left.
std::string OnlyField(v1::Token token, int number) {
  const auto& reflection = *token.GetReflection();
  for (int i = 0; i < v1::Token::descriptor()->field_count(); ++i) {
    const auto* field = v1::Token::descriptor()->field(i);
    if (field->number() != number) reflection.ClearField(&token, field);
  }
  return SerializeToken(token);
}

TEST(TokenBytesTest, FactsAreWhatTheParsedMessageSays) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 2000; ++i) {
    const v1::Token token = RandomToken(random);
    const std::string bytes = SerializeToken(token);
    const TokenFacts facts = ReadTokenFacts(bytes);
    ASSERT_TRUE(facts.valid);
    EXPECT_EQ(facts.name, token.name());
    EXPECT_EQ(facts.uid, token.uid());
    EXPECT_EQ(facts.source, token.source());
    EXPECT_EQ(facts.presence, token.presence());
    EXPECT_EQ(facts.state, token.state());
    EXPECT_EQ(facts.revision, token.revision());
    EXPECT_EQ(ReadTokenName(bytes), token.name());
  }
}

TEST(TokenBytesTest, TheBasicViewIsAPrefix) {
  std::mt19937_64 random(12);
  for (int i = 0; i < 2000; ++i) {
    v1::Token token = RandomToken(random);
    const std::string bytes = SerializeToken(token);
    const v1::Token basic = Parse(bytes.substr(0, ReadTokenFacts(bytes).basic_size));
    for (int f = 0; f < v1::Token::descriptor()->field_count(); ++f) {
      const auto* field = v1::Token::descriptor()->field(f);
      if (field->number() >= kFirstFullOnlyField) token.GetReflection()->ClearField(&token, field);
    }
    EXPECT_TRUE(MessageDifferencer::Equals(basic, token));
  }
}

TEST(TokenBytesTest, EqualTokensHaveEqualBytes) {
  std::mt19937_64 random(13);
  for (int i = 0; i < 300; ++i) {
    const v1::Token token = RandomToken(random);
    v1::Token other;
    // The map in another order.
    for (const auto& [key, value] : token.attributes().fields()) {
      (*other.mutable_attributes()->mutable_fields())[key] = value;
    }
    v1::Token rest = token;
    rest.clear_attributes();
    other.MergeFrom(rest);
    if (!token.has_attributes()) other.clear_attributes();
    EXPECT_EQ(SerializeToken(other), SerializeToken(token));
    EXPECT_EQ(SerializeToken(Parse(SerializeToken(token))), SerializeToken(token));
  }
}

TEST(TokenBytesTest, ChangedFieldsAreThoseThatDiffer) {
  std::mt19937_64 random(14);
  for (int i = 0; i < 1000; ++i) {
    const v1::Token before = RandomToken(random);
    v1::Token after = random() % 4 == 0 ? RandomToken(random) : before;
    if (random() % 2 == 0) after.set_display_name("another");
    if (random() % 2 == 0) after.clear_owner();
    if (random() % 2 == 0) after.add_permissions("more");
    std::vector<int> expected;
    for (int f = 0; f < v1::Token::descriptor()->field_count(); ++f) {
      const int number = v1::Token::descriptor()->field(f)->number();
      if (number == v1::Token::kRevisionFieldNumber ||
          number == v1::Token::kUpdateTimeFieldNumber) {
        continue;
      }
      if (OnlyField(before, number) != OnlyField(after, number)) expected.push_back(number);
    }
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(ChangedFields(SerializeToken(before), SerializeToken(after)), expected);
  }
}

TEST(TokenBytesTest, RevisionAndUpdateTimeAreNotNamedAsChanged) {
  v1::Token before;
  before.set_name("n");
  before.set_revision(1);
  v1::Token after = before;
  after.set_revision(2);
  after.mutable_update_time()->set_seconds(5);
  EXPECT_THAT(ChangedFields(SerializeToken(before), SerializeToken(after)), IsEmpty());
}

TEST(TokenBytesTest, FieldNamesAreThoseOfTheProto) {
  EXPECT_THAT(FieldNames({v1::Token::kNameFieldNumber, v1::Token::kExpireTimeFieldNumber,
                          v1::Token::kAttributesFieldNumber, 39}),
              ElementsAre("name", "expire_time", "attributes"));
}

TEST(TokenBytesTest, CutBytesNeverCrashAndAreMarked) {
  std::mt19937_64 random(15);
  for (int i = 0; i < 50; ++i) {
    const std::string bytes = SerializeToken(RandomToken(random));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      // On the heap and exactly this long, so that a sanitizer sees a read beyond.
      const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const absl::string_view view(cut.data(), cut.size());
      const TokenFacts facts = ReadTokenFacts(view);
      EXPECT_LE(facts.basic_size, size);
      v1::Token token;
      if (facts.valid && facts.basic_size == size) {
        EXPECT_TRUE(token.ParseFromArray(cut.data(), static_cast<int>(size)));
      }
      ReadTokenName(view);
      ChangedFields(view, bytes);
      ChangedFields(bytes, view);
    }
  }
}

TEST(TokenBytesTest, DamagedBytesNeverCrash) {
  std::mt19937_64 random(16);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = SerializeToken(RandomToken(random));
    for (int n = 0; n < 3; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    const TokenFacts facts = ReadTokenFacts(bytes);
    EXPECT_LE(facts.basic_size, bytes.size());
    ReadTokenName(bytes);
    ChangedFields(bytes, bytes);
  }
}

TEST(TokenBytesTest, BytesWithoutNameOrUidAreNotValid) {
  EXPECT_FALSE(ReadTokenFacts("").valid);
  v1::Token token;
  token.set_uid("u");
  EXPECT_FALSE(ReadTokenFacts(SerializeToken(token)).valid);
  EXPECT_EQ(ReadTokenName(SerializeToken(token)), "");
  token.set_name("n");
  EXPECT_TRUE(ReadTokenFacts(SerializeToken(token)).valid);
  token.clear_uid();
  EXPECT_FALSE(ReadTokenFacts(SerializeToken(token)).valid);
}

TEST(TokenBytesTest, ListShowsListedAndMissingTokens) {
  EXPECT_TRUE(IsShown(v1::Token::LISTED));
  EXPECT_TRUE(IsShown(v1::Token::MISSING));
  EXPECT_FALSE(IsShown(v1::Token::DELETED));
  EXPECT_FALSE(IsShown(v1::Token::DETACHED));
  EXPECT_FALSE(IsShown(v1::Token::PRESENCE_UNSPECIFIED));
}

}  // namespace
}  // namespace tokeninventory::testing
