#include "base/secret_string.h"

#include <sstream>
#include <utility>

#include "gtest/gtest.h"

namespace tokeninventory::testing {
namespace {

TEST(SecretStringTest, PrintsWithoutItsValue) {
  std::ostringstream out;
  out << SecretString("hunter2");
  EXPECT_EQ(out.str(), "[redacted]");
  EXPECT_EQ(::testing::PrintToString(SecretString("hunter2")), "[redacted]");
}

TEST(SecretStringTest, RevealsItsValueAlsoAfterCopiesAndMoves) {
  const SecretString first("a credential that is too long to be stored inline");
  SecretString copy = first;
  const SecretString moved = std::move(copy);
  EXPECT_EQ(moved.Reveal(), first.Reveal());
  EXPECT_FALSE(moved.empty());
  EXPECT_TRUE(SecretString().empty());
}

}  // namespace
}  // namespace tokeninventory::testing
