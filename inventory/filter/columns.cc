#include "inventory/filter/columns.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/prefetch.h"
#include "inventory/field_reader.h"
#include "inventory/token_bytes.h"
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

TokenFacts TokenColumns::Set(int row, absl::string_view token) {
  Clear(row);
  const std::size_t i = Index(row);
  TokenFacts facts;
  facts.basic_size = token.size();
  FieldReader reader(token);
  while (reader.Next()) {
    if (reader.number() >= kFirstFullOnlyField) {
      facts.basic_size = static_cast<std::size_t>(reader.whole().data() - token.data());
      break;
    }
    const auto set_time = [&](Time column) { times_[column][i] = ReadTime(reader.payload()); };
    const auto set_enum = [&](Enum column) { enums_[column][i] = ReadEnum(reader.varint()); };
    const auto set_text = [&](Text column) {
      text_numbers_[column][i] = TextsOf(column).Of(reader.payload());
    };
    const auto set_hash = [&](Hashed column) { hashes_[column][i] = HashOf(reader.payload()); };
    switch (reader.number()) {
      case v1::Token::kNameFieldNumber:
        facts.name = reader.payload();
        set_hash(kName);
        break;
      case v1::Token::kUidFieldNumber:
        facts.uid = reader.payload();
        set_hash(kUid);
        break;
      case v1::Token::kSourceFieldNumber:
        facts.source = reader.payload();
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
        facts.effective_expire_time = reader.payload();
        set_time(kEffectiveExpireTime);
        break;
      case v1::Token::kStateFieldNumber:
        facts.state = static_cast<v1::Token::State>(reader.varint());
        set_enum(kState);
        break;
      case v1::Token::kProviderStateFieldNumber:
        set_text(kProviderState);
        break;
      case v1::Token::kPresenceFieldNumber:
        facts.presence = static_cast<v1::Token::Presence>(reader.varint());
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
        facts.revision = static_cast<std::int64_t>(reader.varint());
        revisions_[i] = facts.revision;
        break;
      default:
        break;
    }
  }
  facts.valid = reader.ok() && !facts.name.empty() && !facts.uid.empty();
  return facts;
}

}  // namespace tokeninventory
