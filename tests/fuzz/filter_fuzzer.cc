// Any bytes as a filter: an error that is short and fit for a log line, or a
// filter that says the same by bytes, by columns and by blocks.
#include <algorithm>

#include "inventory/filter/filter.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/sample_tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tokeninventory::FilterRow;
  static const auto& tokens = *new auto(tokeninventory::testing::SampleTokens());
  static auto& columns = *new tokeninventory::TokenColumns;
  static const auto& rows = *new auto(tokeninventory::testing::RowsOf(tokens, columns));

  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  tokeninventory::FilterOptions options;
  options.now = absl::FromUnixSeconds(1800000000);
  const auto filter = tokeninventory::Filter::Compile(text, options);
  options.allow_now = false;
  const auto watch = tokeninventory::Filter::Compile(text, options);
  if (!filter.ok()) {
    const absl::string_view message = filter.status().message();
    TI_FUZZ_CHECK(!watch.ok());
    TI_FUZZ_CHECK(filter.status().code() == absl::StatusCode::kInvalidArgument);
    TI_FUZZ_CHECK(message.size() < 500);
    TI_FUZZ_CHECK(std::none_of(message.begin(), message.end(),
                               [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; }));
    return 0;
  }
  TI_FUZZ_CHECK(watch.ok() == !filter->uses_now());
  std::uint64_t matching = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    FilterRow bare;
    bare.bytes = rows[i].bytes;
    const bool matches = filter->Matches(rows[i]);
    TI_FUZZ_CHECK(matches == filter->Matches(bare));
    matching |= std::uint64_t{matches} << i;
    // Damaged bytes: anything but a crash.
    bare.bytes = bare.bytes.substr(0, bare.bytes.size() / 2 + size % 7);
    filter->Matches(bare);
  }
  const std::uint64_t all = (std::uint64_t{1} << rows.size()) - 1;
  TI_FUZZ_CHECK(filter->MatchRows(columns, all, [](int i) {
    return rows[static_cast<std::size_t>(i)];
  }) == matching);
  return 0;
}
