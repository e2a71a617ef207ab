#include "inventory/cursor.h"

#include <limits>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;

const std::string& Epoch() {
  static const auto* const epoch = new std::string("\x00\x01 sixteen bytes", 16);
  return *epoch;
}

internal::v1::PageCursor MakePage(std::int64_t after) {
  internal::v1::PageCursor cursor;
  cursor.set_epoch(Epoch());
  cursor.set_request_hash(0xFEDCBA9876543210u);
  cursor.set_after(after);
  cursor.set_first_revision(17);
  cursor.set_total_size(4);
  return cursor;
}

constexpr std::uint64_t kHash = 0xFEDCBA9876543210u;

TEST(ResumeTokenTest, GoesThereAndBack) {
  for (const std::int64_t revision : {std::int64_t{0}, std::int64_t{1}, std::int64_t{300},
                                      std::numeric_limits<std::int64_t>::max()}) {
    const auto back = DecodeResumeToken(EncodeResumeToken(Epoch(), revision), Epoch());
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, revision);
  }
}

TEST(ResumeTokenTest, IsTextThatAUrlCanCarry) {
  for (std::int64_t revision = 0; revision < 2000; revision += 7) {
    for (const char c : EncodeResumeToken(Epoch(), revision)) {
      EXPECT_TRUE(absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_') << c;
    }
  }
}

TEST(ResumeTokenTest, OfAnotherStoreIsAFailedPrecondition) {
  const auto back = DecodeResumeToken(EncodeResumeToken(Epoch(), 5), "another epoch!!!");
  EXPECT_EQ(back.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(back), "STORE_EPOCH_CHANGED");
}

TEST(ResumeTokenTest, EveryOtherByteAtEveryPlaceIsRefused) {
  // Lengths that leave 0, 1 and 2 bytes in the last group of base64.
  for (const std::int64_t revision : {std::int64_t{5}, std::int64_t{500}, std::int64_t{50'000}}) {
    const std::string token = EncodeResumeToken(Epoch(), revision);
    for (std::size_t i = 0; i < token.size(); ++i) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string damaged = token;
        damaged[i] = static_cast<char>(byte);
        if (damaged == token) continue;
        const auto back = DecodeResumeToken(damaged, Epoch());
        EXPECT_EQ(back.status().code(), absl::StatusCode::kInvalidArgument) << i << ": " << byte;
      }
    }
  }
}

TEST(ResumeTokenTest, GarbageIsRefusedWithItsField) {
  const std::string token = EncodeResumeToken(Epoch(), 5);
  const std::string cases[] = {
      "",
      "x",
      "AAAA",
      "AAAAAAAA",
      "not a token",
      token + "A",
      token + "=",
      token + "\n",
      " " + token,
      token.substr(1),
      token.substr(0, token.size() - 1),
      token + token,
      std::string(5000, 'A'),
      std::string(100'000, 'A'),
  };
  for (const std::string& text : cases) {
    SCOPED_TRACE(text.substr(0, 100));
    const auto back = DecodeResumeToken(text, Epoch());
    EXPECT_EQ(back.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(back), "INVALID_RESUME_TOKEN");
    EXPECT_THAT(FieldsOf(back), ElementsAre("resume_token"));
  }
}

TEST(ResumeTokenTest, RandomBytesAreRefused) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 60, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_FALSE(DecodeResumeToken(absl::WebSafeBase64Escape(bytes), Epoch()).ok());
    EXPECT_FALSE(DecodeResumeToken(bytes, Epoch()).ok());
  }
}

TEST(ResumeTokenTest, APageTokenIsNone) {
  const auto back = DecodeResumeToken(EncodePageToken(MakePage(3)), Epoch());
  EXPECT_EQ(ReasonOf(back), "INVALID_RESUME_TOKEN");
}

TEST(PageTokenTest, GoesThereAndBack) {
  const auto back = DecodePageToken(EncodePageToken(MakePage(77)), Epoch(), kHash);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->after(), 77);
  EXPECT_EQ(back->first_revision(), 17);
  EXPECT_EQ(back->total_size(), 4);
}

TEST(PageTokenTest, EveryOtherByteAtEveryPlaceIsRefused) {
  const std::string token = EncodePageToken(MakePage(1234));
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged = token;
      damaged[i] = static_cast<char>(byte);
      if (damaged == token) continue;
      EXPECT_EQ(ReasonOf(DecodePageToken(damaged, Epoch(), kHash)), "INVALID_PAGE_TOKEN")
          << i << ": " << byte;
    }
  }
}

TEST(PageTokenTest, OfAnotherRequestNamesTheField) {
  const auto back = DecodePageToken(EncodePageToken(MakePage(3)), Epoch(), kHash + 1);
  EXPECT_EQ(back.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(back), "PAGE_TOKEN_MISMATCH");
  EXPECT_THAT(FieldsOf(back), ElementsAre("page_token"));
}

TEST(PageTokenTest, OfAnotherStoreOrGarbageIsInvalid) {
  const std::string token = EncodePageToken(MakePage(3));
  EXPECT_EQ(ReasonOf(DecodePageToken(token, "another epoch!!!", kHash)), "INVALID_PAGE_TOKEN");
  EXPECT_EQ(ReasonOf(DecodePageToken(EncodePageToken(MakePage(-1)), Epoch(), kHash)),
            "INVALID_PAGE_TOKEN");
  EXPECT_EQ(ReasonOf(DecodePageToken(EncodeResumeToken(Epoch(), 5), Epoch(), kHash)),
            "INVALID_PAGE_TOKEN");
  for (const std::string& text : {std::string("x"), std::string("2"), std::string(10'000, 'a')}) {
    const auto back = DecodePageToken(text, Epoch(), kHash);
    EXPECT_EQ(ReasonOf(back), "INVALID_PAGE_TOKEN");
    EXPECT_THAT(FieldsOf(back), ElementsAre("page_token"));
  }
}

TEST(StableHashTest, IsTheSameInEveryProcess) {
  EXPECT_EQ(StableHash(""), 14695981039346656037ull);
  EXPECT_EQ(StableHash("foobar"), 0x85944171f73967e8ull);  // FNV-1a's own test vector
}

}  // namespace
}  // namespace tokeninventory::testing
