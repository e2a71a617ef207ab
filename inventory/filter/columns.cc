#include "inventory/filter/columns.h"

#include <algorithm>

#include "absl/hash/hash.h"
#include "base/prefetch.h"
#include "inventory/field_reader.h"
#include "inventory/token_bytes.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {
namespace {

std::int64_t ReadTime(absl::string_view timestamp) {
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
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

std::uint16_t TokenColumns::HashOf(absl::string_view text) {
  if (text.empty()) return kEmptyHash;
  const std::size_t hash = absl::HashOf(text);
  return static_cast<std::uint16_t>(std::max<std::size_t>(hash & 0xFFFF, kEmptyHash + 1));
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

void TokenColumns::Set(int row, absl::string_view token) {
  Clear(row);
  const std::size_t i = Index(row);
  for (FieldReader reader(token); reader.Next() && reader.number() < kFirstFullOnlyField;) {
    const auto set_time = [&](Time column) { times_[column][i] = ReadTime(reader.payload()); };
    const auto set_enum = [&](Enum column) { enums_[column][i] = ReadEnum(reader.varint()); };
    const auto set_text = [&](Text column) {
      text_numbers_[column][i] = TextsOf(column).Of(reader.payload());
    };
    const auto set_hash = [&](Hashed column) { hashes_[column][i] = HashOf(reader.payload()); };
    switch (reader.number()) {
      case v1::Token::kNameFieldNumber:
        set_hash(kName);
        break;
      case v1::Token::kUidFieldNumber:
        set_hash(kUid);
        break;
      case v1::Token::kSourceFieldNumber:
        set_text(kSource);
        break;
      case v1::Token::kProviderFieldNumber:
        set_text(kProvider);
        break;
      case v1::Token::kProviderTokenIdFieldNumber:
        set_hash(kProviderTokenId);
        break;
      case v1::Token::kDisplayNameFieldNumber:
        set_hash(kDisplayName);
        break;
      case v1::Token::kKindFieldNumber:
        set_text(kKind);
        break;
      case v1::Token::kHintFieldNumber:
        set_hash(kHint);
        break;
      case v1::Token::kOwnerFieldNumber:
        SetOwner(i, reader.payload());
        break;
      case v1::Token::kAccessLevelFieldNumber:
        set_enum(kAccessLevel);
        break;
      case v1::Token::kRoleFieldNumber:
        set_text(kRole);
        break;
      case v1::Token::kCreateTimeFieldNumber:
        set_time(kCreateTime);
        break;
      case v1::Token::kExpireTimeFieldNumber:
        set_time(kExpireTime);
        break;
      case v1::Token::kExpiryFieldNumber:
        set_enum(kExpiry);
        break;
      case v1::Token::kExpireTimePrecisionFieldNumber:
        set_enum(kExpireTimePrecision);
        break;
      case v1::Token::kLastUsedTimeFieldNumber:
        set_time(kLastUsedTime);
        break;
      case v1::Token::kLastUseFieldNumber:
        set_enum(kLastUse);
        break;
      case v1::Token::kInactivityDeadlineFieldNumber:
        set_time(kInactivityDeadline);
        break;
      case v1::Token::kEffectiveExpireTimeFieldNumber:
        set_time(kEffectiveExpireTime);
        break;
      case v1::Token::kStateFieldNumber:
        set_enum(kState);
        break;
      case v1::Token::kProviderStateFieldNumber:
        set_text(kProviderState);
        break;
      case v1::Token::kPresenceFieldNumber:
        set_enum(kPresence);
        break;
      case v1::Token::kDeleteCauseFieldNumber:
        set_enum(kDeleteCause);
        break;
      case v1::Token::kFirstSeenTimeFieldNumber:
        set_time(kFirstSeenTime);
        break;
      case v1::Token::kUpdateTimeFieldNumber:
        set_time(kUpdateTime);
        break;
      case v1::Token::kDeleteTimeFieldNumber:
        set_time(kDeleteTime);
        break;
      case v1::Token::kRevisionFieldNumber:
        revisions_[i] = static_cast<std::int64_t>(reader.varint());
        break;
      default:
        break;
    }
  }
}

}  // namespace tokeninventory
