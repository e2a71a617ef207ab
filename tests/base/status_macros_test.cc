#include "base/status_macros.h"

#include <memory>
#include <utility>

#include "gtest/gtest.h"

namespace tokeninventory::testing {
namespace {

absl::Status Check(const absl::Status& status, bool& went_on) {
  TI_RETURN_IF_ERROR(status);
  went_on = true;
  return absl::OkStatus();
}

TEST(StatusMacrosTest, ReturnIfErrorReturnsTheErrorAndNothingElse) {
  bool went_on = false;
  EXPECT_EQ(Check(absl::DataLossError("torn"), went_on), absl::DataLossError("torn"));
  EXPECT_FALSE(went_on);
  EXPECT_TRUE(Check(absl::OkStatus(), went_on).ok());
  EXPECT_TRUE(went_on);
}

absl::StatusOr<int> Sum(const absl::StatusOr<int>& a, const absl::StatusOr<int>& b) {
  TI_ASSIGN_OR_RETURN(const int x, a);
  int y = 0;
  TI_ASSIGN_OR_RETURN(y, b);
  return x + y;
}

TEST(StatusMacrosTest, AssignOrReturnAssignsToDeclarationsAndVariables) {
  EXPECT_EQ(Sum(2, 3).value(), 5);
  EXPECT_EQ(Sum(absl::NotFoundError("a"), 3).status(), absl::NotFoundError("a"));
  EXPECT_EQ(Sum(2, absl::NotFoundError("b")).status(), absl::NotFoundError("b"));
}

absl::StatusOr<std::unique_ptr<int>> MakePointer(int value) { return std::make_unique<int>(value); }

absl::StatusOr<int> Unwrap(int value) {
  TI_ASSIGN_OR_RETURN(const std::unique_ptr<int> pointer, MakePointer(value));
  return *pointer;
}

TEST(StatusMacrosTest, AssignOrReturnMovesTheValue) { EXPECT_EQ(Unwrap(7).value(), 7); }

}  // namespace
}  // namespace tokeninventory::testing
