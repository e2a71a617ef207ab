// The filter language of ListTokens, SummarizeTokens, WatchTokens and expiry
// rules: AIP-160, https://google.aip.dev/160. For users: docs/filter.md. This
// comment is the reference.
//
// Syntax. Conditions are joined by AND, OR and NOT (or `-` right before a term).
// OR binds tighter than AND: `a AND b OR c` is `a AND (b OR c)`. Terms side by
// side mean AND. An empty filter lets everything pass. At most 8 KiB, 32 levels
// of parentheses, 100 terms. Keywords are in capitals; every name, word and
// value is read as written.
//
// Terms:
//   word, "some words"   a search: the text is in the source's id, provider,
//                        provider_token_id, display_name, kind, hint, role, or the
//                        owner's id, display_name or email; in `name` as well
//                        when it has a `/`. Small and capital ASCII letters match.
//   field = value        also != < <= > >=. Values may be a list: `state = (ACTIVE
//                        OR DISABLED)`.
//   field:value          "has", see below.      field:*   the field is set.
//
// Values, quoted ("…" or '…') or bare:
//   strings      compared byte by byte, so case counts. With = and != an asterisk
//                stands for any text, anywhere; `\*` in quotes for itself.
//   numbers      `1`, `-2.5`, `7e1`; never quoted.        booleans   true, false.
//   enums        the value's name, in capitals; = and != only.
//   times        RFC 3339; a date alone is its midnight in UTC; `now`, `now+30d`,
//                `now-90d` unless FilterOptions says no. Also timestamp("…").
//   durations    `20s`, `1.5s`, `90d`, `4h30m` (s m h d w). Also duration("…").
//   attributes.… a quoted value means a string; a bare one means what the
//                attribute's own type makes of it.
//
// What `:` means:
//   string field           the text is in it, small or capital; `*` as above.
//   list of strings        an element equals the value; `*` as above.
//   list of messages       `scopes.id:x`: an element's field equals the value. A
//                          field of a list's elements knows no other operator.
//   message                `owner:email`: that field of it is set.
//   map, attributes        `attributes:region`: the key is there (`.region:*` too);
//                          `attributes.region:x`: its value equals, or is a list
//                          that has, x.
//   anything else          the same as =.
//
// What is not there:
//   `field:*` is false for what is not set: the empty string, zero, false, an
//   UNSPECIFIED enum, an absent time or message, an empty list or map.
//   A comparison with an absent time, duration, map key or attribute, or with
//   a field of an absent message, is false, != too; its NOT is true.
//   A string, number, boolean or enum of a message that is there is compared as
//   its default value when unset: `role != "admin"` is true for an empty role.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "inventory/filter/filter_row.h"

namespace tokeninventory {

namespace filter {
struct Program;
}

struct FilterOptions {
  // What `now` means for as long as the filter lives.
  absl::Time now = absl::UnixEpoch();
  // False where time passing must not change what matches (WatchTokens).
  bool allow_now = true;
  // The message that is filtered; null: v1::Token. Any other has no columns,
  // and a bare word is looked for in its own strings.
  const google::protobuf::Descriptor* type = nullptr;
};

// A compiled filter. Cheap to copy. Immutable, so thread-safe.
class Filter {
 public:
  // Lets every token pass.
  Filter() = default;

  // INVALID_ARGUMENT for field `filter`, its description beginning with "column
  // N: " (characters, from 1), with one of the reasons FILTER_SYNTAX (the text is
  // no filter), FILTER_UNKNOWN_FIELD (the nearest name is told),
  // FILTER_TYPE_MISMATCH and FILTER_TOO_COMPLEX (beyond the caps).
  static absl::StatusOr<Filter> Compile(absl::string_view text, const FilterOptions& options);

  // Never fails, never allocates but for searches of more than 32 bytes.
  bool Matches(const FilterRow& row) const;

  // The same for a block of rows: the bits of `rows` whose rows pass, bit i for row
  // i of `columns`. Much faster where columns tell; `row_of` is asked for the rows
  // where they do not.
  std::uint64_t MatchRows(const TokenColumns& columns, std::uint64_t rows, RowSource row_of) const;

  // Has the processor fetch the columns that MatchRows is going to read.
  void Prefetch(const TokenColumns& columns) const;

  // Every token passes.
  bool matches_all() const { return program_ == nullptr; }
  // What matches depends on FilterOptions::now: pages of one list must agree on it.
  bool uses_now() const;
  // Some term asks for more than columns tell; else a row with columns needs no
  // bytes unless a value lies beyond what columns hold.
  bool reads_bytes() const;

 private:
  explicit Filter(std::shared_ptr<const filter::Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const filter::Program> program_;
};

}  // namespace tokeninventory
