#include "base/uuid.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tokeninventory::testing {
namespace {

using ::testing::MatchesRegex;
using ::testing::SizeIs;

TEST(UuidTest, IsARandomUuidInItsTextForm) {
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(RandomUuid(), MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                           "[0-9a-f]{12}"));
  }
}

TEST(UuidTest, DoesNotRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(RandomUuid());
  EXPECT_THAT(seen, SizeIs(1000));
}

TEST(RandomBytesTest, GivesAsManyAsAskedFor) {
  for (const std::size_t count : {0u, 1u, 16u, 255u, 4096u}) {
    EXPECT_THAT(RandomBytes(count), SizeIs(count));
  }
  EXPECT_NE(RandomBytes(16), RandomBytes(16));
}

}  // namespace
}  // namespace tokeninventory::testing
