// Any bytes as an order: a short error, or an order whose keys agree with it.
#include <string>

#include "inventory/filter/order.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/sample_tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tokeninventory::FilterRow;
  static const auto& tokens = *new auto(tokeninventory::testing::SampleTokens());
  static auto& columns = *new tokeninventory::TokenColumns;
  static const auto& rows = *new auto(tokeninventory::testing::RowsOf(tokens, columns));

  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto order = tokeninventory::OrderBy::Compile(text);
  if (!order.ok()) {
    TI_FUZZ_CHECK(order.status().code() == absl::StatusCode::kInvalidArgument);
    TI_FUZZ_CHECK(order.status().message().size() < 500);
    return 0;
  }
  const auto sign = [](int value) { return (value > 0) - (value < 0); };
  for (const FilterRow& a : rows) {
    FilterRow bare;
    bare.bytes = a.bytes;
    const std::string key = order->SortKey(a);
    TI_FUZZ_CHECK(key == order->SortKey(bare));
    for (const FilterRow& b : rows) {
      TI_FUZZ_CHECK(sign(key.compare(order->SortKey(b))) == sign(order->Compare(a, b)));
    }
  }
  return 0;
}
