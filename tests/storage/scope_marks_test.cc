#include "storage/scope_marks.h"

#include <limits>

#include "gtest/gtest.h"

namespace tokeninventory {
namespace {

TEST(ScopeMarksTest, RoundTrip) {
  const std::vector<ScopeMark> cases[] = {
      {},
      {{1, 0}},
      {{127, 127}, {128, 128}, {1'000'000'000'000, 1}},
      {{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int32_t>::max()},
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int32_t>::min()},
       {0, -1}},
  };
  for (const std::vector<ScopeMark>& marks : cases) {
    std::string encoded = "left over";
    EncodeScopeMarks(marks, encoded);
    std::vector<ScopeMark> decoded = {{7, 7}};
    const absl::Status status = DecodeScopeMarks(encoded, decoded);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(decoded, marks);
  }
}

TEST(ScopeMarksTest, SmallOnesAreTwoBytes) {
  std::string encoded;
  EncodeScopeMarks({{100, 2}}, encoded);
  EXPECT_EQ(encoded.size(), 2u);
}

TEST(ScopeMarksTest, DamageIsDataLoss) {
  for (const std::string& damaged :
       {std::string("\x01"), std::string("\x80"), std::string("\x01\x80"), std::string(11, '\xff'),
        std::string("\x01\xff\xff\xff\xff\x7f")}) {
    std::vector<ScopeMark> decoded;
    EXPECT_EQ(DecodeScopeMarks(damaged, decoded).code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace tokeninventory
