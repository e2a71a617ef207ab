#include "inventory/filter/term.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "absl/numeric/bits.h"
#include "absl/strings/strip.h"
#include "base/prefetch.h"
#include "inventory/field_reader.h"
#include "inventory/token_bytes.h"

namespace tokeninventory::filter {
namespace {

int CompareInteger(std::int64_t value, const Term& term) {
  if (value == term.integer) return term.fraction ? -1 : 0;
  return value < term.integer ? -1 : 1;
}

Instant ReadInstant(absl::string_view message) {
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  for (FieldReader reader(message); reader.Next();) {
    if (reader.number() == 1) seconds = static_cast<std::int64_t>(reader.varint());
    if (reader.number() == 2) nanos = static_cast<std::int32_t>(reader.varint());
  }
  return Instant::Of(seconds, nanos);
}

// google.protobuf.Value, Struct and ListValue.
enum ValueField : int { kNumber = 2, kString = 3, kBool = 4, kStruct = 5, kList = 6 };
constexpr int kEntries = 1;  // of a Struct; values of a list
constexpr int kKey = 1;
constexpr int kValue = 2;

// A value that is no list and no struct.
bool MatchesScalar(const Term& term, const FieldReader& value) {
  const bool equality = term.mask == kEqualMask;
  const bool inequality = term.mask == (kLessMask | kGreaterMask);
  const auto other_type = [&] { return inequality; };
  switch (value.number()) {
    case kString:
      return term.text.Matches(value.payload());
    case kNumber:
      if (term.quoted || !term.number) return other_type();
      return Satisfies(CompareValues(DoubleOf(value.payload()), term.real), term.mask);
    case kBool:
      if (term.quoted || !term.boolean.has_value()) return other_type();
      return (equality || inequality) && ((value.varint() != 0) == *term.boolean) == equality;
    default:
      return false;
  }
}

bool MatchesStruct(const Term& term, std::size_t key, absl::string_view fields);

// A value that `key` keys lead to.
bool MatchesValue(const Term& term, std::size_t key, absl::string_view bytes) {
  FieldReader value(bytes);
  const bool present = value.Next();
  const bool last = key == term.keys.size();
  if (last && term.any) return true;
  if (!present) return false;
  if (!last && value.number() == kStruct) return MatchesStruct(term, key, value.payload());
  if (value.number() != kList) return last && MatchesScalar(term, value);
  if (!term.has) return false;
  for (FieldReader list(value.payload()); list.Find(kEntries);) {
    FieldReader element(list.payload());
    if (!element.Next()) continue;
    if (last ? MatchesScalar(term, element)
             : element.number() == kStruct && MatchesStruct(term, key, element.payload())) {
      return true;
    }
  }
  return false;
}

bool MatchesStruct(const Term& term, std::size_t key, absl::string_view fields) {
  for (FieldReader entries(fields); entries.Find(kEntries);) {
    FieldReader entry(entries.payload());
    if (!entry.Next() || entry.number() != kKey || entry.payload() != term.keys[key]) continue;
    return MatchesValue(term, key + 1, entry.Find(kValue) ? entry.payload() : absl::string_view());
  }
  return false;
}

bool MatchesLeaf(const Term& term, std::uint64_t varint, absl::string_view payload) {
  switch (term.test) {
    case Term::Test::kAny:
      return true;
    case Term::Test::kInteger:
      return Satisfies(CompareInteger(static_cast<std::int64_t>(varint), term), term.mask);
    case Term::Test::kReal:
      return Satisfies(CompareValues(DoubleOf(payload), term.real), term.mask);
    case Term::Test::kText:
      return term.text.Matches(payload);
    case Term::Test::kInstant:
      return Satisfies(CompareValues(ReadInstant(payload), term.instant), term.mask);
    case Term::Test::kDynamic:
      return MatchesStruct(term, 0, payload);
    case Term::Test::kSearch:
      return false;
  }
  return false;
}

// Recurses once a step.
bool MatchesFrom(const Term& term, std::size_t at, absl::string_view message) {
  const Step& step = term.steps[at];
  const bool last = at + 1 == term.steps.size();
  const auto matches = [&](const FieldReader& reader) {
    return last ? MatchesLeaf(term, reader.varint(), reader.payload())
                : MatchesFrom(term, at + 1, reader.payload());
  };
  FieldReader reader(message);
  switch (step.kind) {
    case Step::Kind::kScalar:
      return reader.Find(step.number) ? matches(reader) : MatchesLeaf(term, 0, {});
    case Step::Kind::kMessage:
      return reader.Find(step.number) && matches(reader);
    case Step::Kind::kRepeated:
      while (reader.Find(step.number)) {
        if (matches(reader)) return true;
      }
      return false;
    case Step::Kind::kMapEntry:
      while (reader.Find(step.number)) {
        FieldReader key(reader.payload());
        if ((key.Find(kKey) ? key.payload() : absl::string_view()) != step.key) continue;
        FieldReader value(reader.payload());
        if (value.Find(kValue)) return matches(value);
        return last && MatchesLeaf(term, 0, {});
      }
      return false;
  }
  return false;
}

// Looks at no text that ends before `from`.
bool MatchesSearch(const Term& term, absl::string_view message, const char* from) {
  const SearchScope& scope = term.search;
  const auto within = [](std::uint64_t fields, int number) {
    return number < 64 && (fields >> number & 1) != 0;
  };
  for (FieldReader reader(message); reader.Next() && reader.number() <= scope.last;) {
    absl::string_view text = reader.payload();
    if (text.data() + text.size() <= from) continue;
    if (reader.number() == scope.nested) {
      for (FieldReader nested(text); nested.Next();) {
        if (within(scope.nested_fields, nested.number()) && term.text.Matches(nested.payload())) {
          return true;
        }
      }
    } else if (within(scope.fields, reader.number())) {
      if (reader.number() == scope.source) absl::ConsumePrefix(&text, "sources/");
      if (term.text.Matches(text)) return true;
    }
  }
  return false;
}

enum class Verdict : std::uint8_t { kNo = 0, kYes = 1, kAskBytes = 2 };  // bits of RowBits

Verdict Of(bool matches) { return matches ? Verdict::kYes : Verdict::kNo; }

// Calls `use` with the function that decides row by row what the column says.
template <typename Use>
auto WithColumn(const Term& term, const TokenColumns& columns, Use use) {
  switch (term.column.kind) {
    case ColumnRef::Kind::kNone:
      break;
    case ColumnRef::Kind::kTime:
      return use([&](int row) {
        const std::int64_t time = columns.time(term.column.time(), row);
        if (time == TokenColumns::kNoTime) return Verdict::kNo;
        const bool matches = time >= term.first_time && time <= term.last_time;
        if (!matches && time == TokenColumns::kTimeInBytes) return Verdict::kAskBytes;
        return Of(matches != term.times_negated);
      });
    case ColumnRef::Kind::kRevision:
      return use([&](int row) {
        return Of(Satisfies(CompareInteger(columns.revision(row), term), term.mask));
      });
    case ColumnRef::Kind::kEnum:
      return use([&](int row) {
        const std::uint8_t value = columns.enumerator(term.column.enumerator(), row);
        return static_cast<Verdict>(term.enum_verdicts[value]);
      });
    case ColumnRef::Kind::kText:
      return use([&](int row) {
        const TextNumbers::Number number = columns.text_number(term.column.text(), row);
        if (number == TokenColumns::kTextInBytes) return Verdict::kAskBytes;
        return Of(term.text.Matches(TokenColumns::texts(term.column.text())[number]));
      });
    case ColumnRef::Kind::kHash:
      return use([&](int row) {
        const std::uint16_t hash = columns.hash(term.column.hashed(), row);
        if (hash == TokenColumns::kNoHash) return Verdict::kNo;
        if (hash == TokenColumns::kEmptyHash) return Of(term.text.Matches({}));
        if (term.hash == TokenColumns::kNoHash || hash == term.hash) return Verdict::kAskBytes;
        return Of(term.text.negated());
      });
    case ColumnRef::Kind::kOwner:
      return use([&](int row) { return Of(columns.has_owner(row)); });
  }
  return use([](int) { return Verdict::kAskBytes; });
}

Verdict TryColumn(const Term& term, const TokenColumns& columns, int row) {
  return WithColumn(term, columns, [row](auto verdict_of) { return verdict_of(row); });
}

struct RowBits {
  std::uint64_t yes = 0;
  std::uint64_t ask = 0;  // the bytes
};

constexpr int kManyRows = 12;  // from which on all rows together are faster

std::uint64_t Bit(int row) { return std::uint64_t{1} << row; }

template <typename Each>
void ForEachBit(std::uint64_t bits, Each each) {
  for (; bits != 0; bits &= bits - 1) each(absl::countr_zero(bits));
}

// Bit `bit` of each byte, gathered.
std::uint64_t LowBits(const std::array<std::uint8_t, TokenColumns::kRows>& bytes, int bit) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t bits = 0;
  for (int i = 0; i < TokenColumns::kRows; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data() + i, sizeof(eight));
    // The factor moves byte n's bit to place 56 + n; what else it makes stays below.
    bits |= ((eight >> bit & 0x0101010101010101) * 0x0102040810204080 >> 56) << i;
  }
  return bits;
}

// No branch: what a block's times say is hard to foresee.
RowBits TryTimesOfAll(const Term& term, const TokenColumns& columns) {
  std::uint64_t within = 0;
  std::uint64_t absent = 0;
  std::uint64_t in_bytes = 0;
  for (int row = 0; row < TokenColumns::kRows; ++row) {
    const std::int64_t time = columns.time(term.column.time(), row);
    const int after = time >= term.first_time ? 1 : 0;
    const int before = time <= term.last_time ? 1 : 0;
    within |= static_cast<std::uint64_t>(after & before) << row;
    absent |= static_cast<std::uint64_t>(time == TokenColumns::kNoTime ? 1 : 0) << row;
    in_bytes |= static_cast<std::uint64_t>(time == TokenColumns::kTimeInBytes ? 1 : 0) << row;
  }
  const std::uint64_t ask = in_bytes & ~within;
  return RowBits{(term.times_negated ? ~within : within) & ~absent & ~ask, ask};
}

// Every row of the block, asked for or not.
RowBits TryColumnOfAll(const Term& term, const TokenColumns& columns) {
  // Two loops without a branch, where one with shifts would mispredict.
  const auto collect = [](auto verdict_of) {
    std::array<std::uint8_t, TokenColumns::kRows> verdicts;
    for (int row = 0; row < TokenColumns::kRows; ++row) {
      verdicts[static_cast<std::size_t>(row)] = static_cast<std::uint8_t>(verdict_of(row));
    }
    return RowBits{LowBits(verdicts, 0), LowBits(verdicts, 1)};
  };
  if (term.column.kind == ColumnRef::Kind::kTime) return TryTimesOfAll(term, columns);
  if (term.column.kind != ColumnRef::Kind::kText) return WithColumn(term, columns, collect);
  // Of the few distinct strings, each is mostly tried once.
  struct Tried {
    TextNumbers::Number number = TokenColumns::kTextInBytes;
    Verdict verdict = Verdict::kAskBytes;
  };
  std::array<Tried, 16> tried;
  const TextNumbers& texts = TokenColumns::texts(term.column.text());
  return collect([&](int row) {
    const TextNumbers::Number number = columns.text_number(term.column.text(), row);
    Tried& last = tried[number % tried.size()];
    if (last.number != number) {
      last = number == TokenColumns::kTextInBytes
                 ? Tried{}
                 : Tried{number, Of(term.text.Matches(texts[number]))};
    }
    return last.verdict;
  });
}

}  // namespace

int Term::Cost() const {
  if (test == Test::kSearch) return 200;
  if (column.kind == ColumnRef::Kind::kHash && hash == 0) return 40;
  if (column.kind == ColumnRef::Kind::kText) return 4;
  if (column.kind != ColumnRef::Kind::kNone) return 2;
  return test == Test::kDynamic ? 150 : 100;
}

bool Term::Matches(const FilterRow& row) const {
  if (row.columns != nullptr) {
    const Verdict verdict = TryColumn(*this, *row.columns, row.row);
    if (verdict != Verdict::kAskBytes) return verdict == Verdict::kYes;
  }
  return MatchesBytes(row);
}

std::uint64_t Term::MatchRows(const TokenColumns& columns, std::uint64_t rows,
                              RowSource row_of) const {
  RowBits bits;
  bits.ask = rows;
  if (absl::popcount(rows) >= kManyRows) {
    bits = TryColumnOfAll(*this, columns);
  } else if (column.kind != ColumnRef::Kind::kNone) {
    bits.ask = 0;
    ForEachBit(rows, [&](int row) {
      const Verdict verdict = TryColumn(*this, columns, row);
      if (verdict == Verdict::kYes) bits.yes |= Bit(row);
      if (verdict == Verdict::kAskBytes) bits.ask |= Bit(row);
    });
  }
  return (bits.yes & rows) | MatchBytesOf(bits.ask & rows, row_of);
}

std::uint64_t Term::MatchBytesOf(std::uint64_t rows, RowSource row_of) const {
  // Tokens lie too far apart for the processor to foresee what is read of them.
  constexpr std::size_t kAhead = 6;
  if (rows == 0) return 0;
  std::array<FilterRow, TokenColumns::kRows> asked;
  std::size_t count = 0;
  ForEachBit(rows, [&](int row) {
    FilterRow& at = asked[count++] = row_of(row);
    at.row = row;
  });
  for (std::size_t i = 1; i < std::min(kAhead, count); ++i) PrefetchBytes(asked[i].bytes);
  std::uint64_t matching = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) PrefetchBytes(asked[i + kAhead].bytes);
    if (MatchesBytes(asked[i])) matching |= Bit(asked[i].row);
  }
  return matching;
}

void Term::Prefetch(const TokenColumns& columns) const {
  switch (column.kind) {
    case ColumnRef::Kind::kTime:
      return columns.Prefetch(column.time());
    case ColumnRef::Kind::kEnum:
      return columns.Prefetch(column.enumerator());
    case ColumnRef::Kind::kText:
      return columns.Prefetch(column.text());
    case ColumnRef::Kind::kHash:
      return columns.Prefetch(column.hashed());
    case ColumnRef::Kind::kNone:
    case ColumnRef::Kind::kRevision:
    case ColumnRef::Kind::kOwner:
      return;
  }
}

bool Term::IsFullOnly() const {
  return !steps.empty() && steps.front().number >= kFirstFullOnlyField;
}

bool Term::MatchesBytes(const FilterRow& row) const {
  if (test == Test::kSearch) {
    if (text.Matches({})) return true;  // nothing but wildcards
    const absl::string_view basic =
        row.full_offset == 0 ? row.bytes : row.bytes.substr(0, row.full_offset);
    const std::size_t first = text.FirstPlace(basic);
    return first != absl::string_view::npos &&
           MatchesSearch(*this, row.bytes, row.bytes.data() + first);
  }
  if (!IsFullOnly()) return MatchesFrom(*this, 0, row.bytes);
  const absl::string_view full_only = row.bytes.substr(std::min(row.full_offset, row.bytes.size()));
  // To look for a part in all fields at once is faster than to walk them.
  return text.FirstPlace(full_only) != absl::string_view::npos && MatchesFrom(*this, 0, full_only);
}

void BindColumn(Term& term) {
  // The value of a time that a column can hold, or the nearest beyond.
  constexpr std::int64_t kMost = TokenColumns::kNoTime - 1;
  constexpr std::int64_t kLeast = TokenColumns::kTimeInBytes + 1;
  if (term.test == Term::Test::kSearch) return;
  term.column = ColumnOf(term.steps);
  if (term.column.kind == ColumnRef::Kind::kTime) {
    // All that are there, those in bytes too.
    term.first_time = TokenColumns::kTimeInBytes;
    term.last_time = kMost;
  }
  if (term.column.kind == ColumnRef::Kind::kTime && term.test != Term::Test::kAny) {
    std::int64_t time = 0;
    const bool beyond =
        __builtin_mul_overflow(term.instant.seconds, std::int64_t{1'000'000'000}, &time) ||
        __builtin_add_overflow(time, std::int64_t{term.instant.nanos}, &time);
    // No column holds either end.
    time = !beyond ? std::clamp(time, kLeast, kMost) : term.instant.seconds < 0 ? kLeast : kMost;
    term.times_negated = term.mask == (kLessMask | kGreaterMask);
    const OrderMask mask = term.times_negated ? kEqualMask : term.mask;
    const bool equal = (mask & kEqualMask) != 0;
    term.first_time = (mask & kLessMask) != 0 ? kLeast : equal ? time : time + 1;
    term.last_time = (mask & kGreaterMask) != 0 ? kMost : equal ? time : time - 1;
  }
  if (term.column.kind == ColumnRef::Kind::kEnum) {
    for (int value = 0; value < TokenColumns::kNoEnum; ++value) {
      const Verdict verdict = Of(Satisfies(CompareInteger(value, term), term.mask));
      term.enum_verdicts[static_cast<std::size_t>(value)] = static_cast<std::uint8_t>(verdict);
    }
    term.enum_verdicts[TokenColumns::kNoEnum] = static_cast<std::uint8_t>(Verdict::kNo);
    term.enum_verdicts[TokenColumns::kEnumInBytes] = static_cast<std::uint8_t>(Verdict::kAskBytes);
  }
  if (term.column.kind == ColumnRef::Kind::kHash && term.text.equal_text() != nullptr) {
    term.hash = TokenColumns::HashOf(*term.text.equal_text());
  }
}

}  // namespace tokeninventory::filter
