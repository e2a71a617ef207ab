// The two readers of JSON texts give the same value, or only one gives any.
#include "connectors/json_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

using namespace std::string_literals;

std::string Nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

// More keys than are shared between objects.
std::string ManyKeys(int count) {
  std::string object = "{";
  for (int i = 0; i < count; ++i) absl::StrAppend(&object, i == 0 ? "" : ",", "\"k", i, "\":", i);
  return object + "}";
}

TEST(JsonReaderTest, BothReadersGiveTheSameValue) {
  for (const std::string& text : {
           "null"s,
           " \r\n\ttrue "s,
           "[false, true, null]"s,
           "0"s,
           "-1"s,
           "3.5"s,
           "1E+2"s,
           "-0.5e-3"s,
           "1e-400"s,
           "0.1"s,
           "1.7976931348623157e308"s,
           "5e-324"s,
           "9007199254740993"s,
           "9223372036854775807"s,
           "-9223372036854775808"s,
           "9223372036854775808"s,
           "18446744073709551615"s,
           "\"\""s,
           R"("\"\\\/\b\f\n\r\t")"s,
           R"("a\u0000b\u00e9\u20ac\ud83d\ude00")"s,
           "\"\u00e9\u20ac\U0001F600\""s,
           "[]"s,
           "{}"s,
           "[[], {}, [[1]], {\"a\": {\"b\": [{}]}}]"s,
           R"({"": 1, "a\u0000": 2, "\u00e9": 3})"s,
           R"({"a": 1, "b": 2, "a": 3})"s,
           R"([{"id": "1", "owner": {"id": "x"}}, {"id": "2", "owner": {"id": "y"}}])"s,
           "[" + ManyKeys(3000) + "," + ManyKeys(3000) + "]",
           Nested(200),
       }) {
    const std::optional<JsonValue> plain = ReadPlainJson(text);
    ASSERT_TRUE(plain) << text;
    const absl::StatusOr<JsonValue> any = ReadAnyJson(text);
    ASSERT_TRUE(any.ok()) << text << ": " << any.status();
    EXPECT_EQ(plain->Dump(), any->Dump()) << text;
    EXPECT_EQ(JsonValue::Parse(text)->Dump(), any->Dump()) << text;
  }
}

TEST(JsonReaderTest, WhatJqHasAnAnswerToIsLeftToIt) {
  for (const std::string& text : {
           "\xEF\xBB\xBF[1]"s,
           "\"a\xff\""s,
           "{\"a\xc0\x80\": 1}"s,
           R"("\ude00x")"s,
           "1e400"s,
           "-1e400"s,
           "18446744073709551616"s,
           "-9223372036854775809"s,
           "123456789012345678901234567890"s,
           Nested(201),
           std::string(kMaxPlainJsonBytes, ' ') + "[1]",
       }) {
    EXPECT_FALSE(ReadPlainJson(text)) << text.substr(0, 100);
    const absl::StatusOr<JsonValue> any = ReadAnyJson(text);
    ASSERT_TRUE(any.ok()) << text.substr(0, 100) << ": " << any.status();
    EXPECT_EQ(JsonValue::Parse(text)->Dump(), any->Dump()) << text.substr(0, 100);
  }
}

TEST(JsonReaderTest, WhatJqRefusesToo) {
  for (const std::string& text : {R"("\ud800")"s, Nested(300), Nested(2000)}) {
    EXPECT_FALSE(ReadPlainJson(text)) << text.substr(0, 100);
    EXPECT_EQ(ReadAnyJson(text).status().message(),
              "JSON that is nested too deeply, or with half a surrogate pair");
  }
}

TEST(JsonReaderTest, TheLargestPlainText) {
  const std::string value = R"(["x"])";
  const std::optional<JsonValue> read =
      ReadPlainJson(std::string(kMaxPlainJsonBytes - value.size(), ' ') + value);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->Dump(), value);
}

// simdjson tells integers without the sign of a zero.
TEST(JsonReaderTest, MinusZeroIsZero) {
  EXPECT_EQ(ReadPlainJson("-0")->Dump(), "0");
  EXPECT_EQ(ReadPlainJson("-0.0")->Dump(), ReadAnyJson("-0.0")->Dump());
}

// A value outlives the text, and the objects that its keys were shared with.
TEST(JsonReaderTest, ValuesStandAlone) {
  JsonValue kept;
  {
    std::string text = R"([{"name": "a"}, {"name": "b"}])";
    const std::optional<JsonValue> list = ReadPlainJson(text);
    ASSERT_TRUE(list);
    kept = list->At(1);
    text.assign(text.size(), '#');
  }
  kept.Set("name", JsonValue::String("c"));
  EXPECT_EQ(kept.Dump(), R"({"name":"c"})");
}

}  // namespace
}  // namespace tokeninventory
