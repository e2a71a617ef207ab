#include "inventory/filter/columns.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/prefetch.h"
#include "inventory/field_reader.h"
#include "inventory/token_bytes.h"
#include "inventory/token_walk.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {
namespace {

// The seconds of a time from 1978 to 3058 are a tag and five bytes.
constexpr std::size_t kUsualSecondsSize = 6;

bool ReadUsualSeconds(absl::string_view timestamp, std::int64_t& seconds) {
  if (timestamp.size() < kUsualSecondsSize || timestamp[0] != (1 << 3)) return false;
  static_assert(std::endian::native == std::endian::little);
  std::uint32_t low = 0;  // four bytes, of which seven bits each count
  std::memcpy(&low, timestamp.data() + 1, sizeof(low));
  const auto high = static_cast<unsigned char>(timestamp[5]);
  if ((low & 0x80808080) != 0x80808080 || high >= 0x80) return false;
  seconds = (low & 0x7F) | (low >> 1 & 0x3F80) | (low >> 2 & 0x1FC000) | (low >> 3 & 0xFE00000) |
            static_cast<std::int64_t>(high) << 28;
  return true;
}

std::int64_t ReadTime(absl::string_view timestamp) {
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  if (ReadUsualSeconds(timestamp, seconds)) timestamp.remove_prefix(kUsualSecondsSize);
  for (FieldReader reader(timestamp); reader.Next();) {
    if (reader.number() == 1) seconds = static_cast<std::int64_t>(reader.varint());
    if (reader.number() == 2) nanos = static_cast<std::int32_t>(reader.varint());
  }
  std::int64_t time = 0;
  if (__builtin_mul_overflow(seconds, std::int64_t{1'000'000'000}, &time) ||
      __builtin_add_overflow(time, nanos, &time) || time >= TokenColumns::kNoTime - 1 ||
      time <= TokenColumns::kTimeInBytes + 1) {
    return TokenColumns::kTimeInBytes;
  }
  return time;
}

std::uint8_t ReadEnum(std::uint64_t varint) {
  return varint < TokenColumns::kNoEnum ? static_cast<std::uint8_t>(varint)
                                        : TokenColumns::kEnumInBytes;
}

// Where a field's value goes.
struct Place {
  enum Kind : std::uint8_t { kNowhere, kTime, kEnum, kText, kHash, kOwner, kRevision };
  Kind kind = kNowhere;
  std::uint8_t column = 0;  // of that kind
};

// By field number.
constexpr std::array<Place, kFirstFullOnlyField> kPlaces = [] {
  using C = TokenColumns;
  using T = v1::Token;
  std::array<Place, kFirstFullOnlyField> places{};
  places[T::kNameFieldNumber] = {Place::kHash, C::kName};
  places[T::kUidFieldNumber] = {Place::kHash, C::kUid};
  places[T::kSourceFieldNumber] = {Place::kText, C::kSource};
  places[T::kProviderFieldNumber] = {Place::kText, C::kProvider};
  places[T::kProviderTokenIdFieldNumber] = {Place::kHash, C::kProviderTokenId};
  places[T::kDisplayNameFieldNumber] = {Place::kHash, C::kDisplayName};
  places[T::kKindFieldNumber] = {Place::kText, C::kKind};
  places[T::kHintFieldNumber] = {Place::kHash, C::kHint};
  places[T::kOwnerFieldNumber] = {Place::kOwner};
  places[T::kAccessLevelFieldNumber] = {Place::kEnum, C::kAccessLevel};
  places[T::kRoleFieldNumber] = {Place::kText, C::kRole};
  places[T::kCreateTimeFieldNumber] = {Place::kTime, C::kCreateTime};
  places[T::kExpireTimeFieldNumber] = {Place::kTime, C::kExpireTime};
  places[T::kExpiryFieldNumber] = {Place::kEnum, C::kExpiry};
  places[T::kExpireTimePrecisionFieldNumber] = {Place::kEnum, C::kExpireTimePrecision};
  places[T::kLastUsedTimeFieldNumber] = {Place::kTime, C::kLastUsedTime};
  places[T::kLastUseFieldNumber] = {Place::kEnum, C::kLastUse};
  places[T::kInactivityDeadlineFieldNumber] = {Place::kTime, C::kInactivityDeadline};
  places[T::kEffectiveExpireTimeFieldNumber] = {Place::kTime, C::kEffectiveExpireTime};
  places[T::kStateFieldNumber] = {Place::kEnum, C::kState};
  places[T::kProviderStateFieldNumber] = {Place::kText, C::kProviderState};
  places[T::kPresenceFieldNumber] = {Place::kEnum, C::kPresence};
  places[T::kDeleteCauseFieldNumber] = {Place::kEnum, C::kDeleteCause};
  places[T::kFirstSeenTimeFieldNumber] = {Place::kTime, C::kFirstSeenTime};
  places[T::kUpdateTimeFieldNumber] = {Place::kTime, C::kUpdateTime};
  places[T::kDeleteTimeFieldNumber] = {Place::kTime, C::kDeleteTime};
  places[T::kRevisionFieldNumber] = {Place::kRevision};
  return places;
}();

template <typename Column>
void PrefetchColumn(const Column& column) {
  PrefetchBytes({reinterpret_cast<const char*>(column.data()), sizeof(column)});
}

}  // namespace

TokenColumns::TokenColumns() {
  // Column after column, all rows as the first one.
  Clear(0);
  const auto spread = [](auto& columns) {
    for (auto& column : columns) column.fill(column.front());
  };
  spread(times_);
  revisions_.fill(revisions_.front());
  spread(hashes_);
  spread(enums_);
  spread(text_numbers_);
}

void TokenColumns::Clear(int row) {
  const std::size_t i = Index(row);
  for (auto& column : times_) column[i] = kNoTime;
  revisions_[i] = 0;
  for (auto& column : hashes_) column[i] = kEmptyHash;
  for (auto& column : enums_) column[i] = 0;
  for (auto& column : text_numbers_) column[i] = TextNumbers::kEmpty;
  for (const Hashed column : {kOwnerId, kOwnerDisplayName, kOwnerEmail}) {
    hashes_[column][i] = kNoHash;
  }
  enums_[kOwnerKind][i] = kNoEnum;
}

void TokenColumns::Prefetch(Time column) const { PrefetchColumn(times_[column]); }

void TokenColumns::Prefetch(Enum column) const { PrefetchColumn(enums_[column]); }

void TokenColumns::Prefetch(Text column) const { PrefetchColumn(text_numbers_[column]); }

void TokenColumns::Prefetch(Hashed column) const { PrefetchColumn(hashes_[column]); }

// Quicker than absl::Hash (a start hashes eight texts of each token), and weaker: who makes
// up texts of one hash gets filters that read more bytes.
std::uint16_t TokenColumns::HashOf(absl::string_view text) {
  if (text.empty()) return kEmptyHash;
  std::uint64_t hash = text.size();
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
  };
  std::uint64_t word = 0;
  if (text.size() < sizeof(word)) {
    std::memcpy(&word, text.data(), text.size());
  } else {
    const char* const last = text.data() + text.size() - sizeof(word);
    for (const char* at = text.data(); at < last; at += sizeof(word)) {
      std::memcpy(&word, at, sizeof(word));
      mix(word);
    }
    std::memcpy(&word, last, sizeof(word));
  }
  mix(word);
  return std::max<std::uint16_t>(static_cast<std::uint16_t>(hash ^ hash >> 16), kEmptyHash + 1);
}

TextNumbers& TokenColumns::TextsOf(Text column) {
  static auto* const texts = new std::array<TextNumbers, kTexts>;
  return (*texts)[column];
}

void TokenColumns::SetOwner(std::size_t row, absl::string_view owner) {
  for (const Hashed column : {kOwnerId, kOwnerDisplayName, kOwnerEmail}) {
    hashes_[column][row] = kEmptyHash;
  }
  enums_[kOwnerKind][row] = 0;
  for (FieldReader reader(owner); reader.Next();) {
    switch (reader.number()) {
      case v1::Principal::kIdFieldNumber:
        hashes_[kOwnerId][row] = HashOf(reader.payload());
        break;
      case v1::Principal::kDisplayNameFieldNumber:
        hashes_[kOwnerDisplayName][row] = HashOf(reader.payload());
        break;
      case v1::Principal::kEmailFieldNumber:
        hashes_[kOwnerEmail][row] = HashOf(reader.payload());
        break;
      case v1::Principal::kKindFieldNumber:
        enums_[kOwnerKind][row] = ReadEnum(reader.varint());
        break;
      default:
        break;
    }
  }
}

// All that it calls becomes part of it, so that the reader's state stays in registers.
[[gnu::flatten]] TokenFacts TokenColumns::Set(int row, absl::string_view token) {
  Clear(row);
  const std::size_t i = Index(row);
  return WalkBasicFields(token, [this, i](const FieldReader& reader) {
    const Place place = kPlaces[static_cast<std::size_t>(reader.number())];
    switch (place.kind) {
      case Place::kNowhere:
        break;
      case Place::kTime:
        times_[place.column][i] = ReadTime(reader.payload());
        break;
      case Place::kEnum:
        enums_[place.column][i] = ReadEnum(reader.varint());
        break;
      case Place::kText:
        text_numbers_[place.column][i] =
            TextsOf(static_cast<Text>(place.column)).Of(reader.payload());
        break;
      case Place::kHash:
        hashes_[place.column][i] = HashOf(reader.payload());
        break;
      case Place::kOwner:
        SetOwner(i, reader.payload());
        break;
      case Place::kRevision:
        revisions_[i] = static_cast<std::int64_t>(reader.varint());
        break;
    }
  });
}

}  // namespace tokeninventory
