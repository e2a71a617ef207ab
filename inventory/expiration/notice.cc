#include "inventory/expiration/notice.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "inventory/cursor.h"
#include "inventory/field_reader.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "inventory/wire.h"

namespace tokeninventory {
namespace {

constexpr int kTokenField = v1::Expiration::kTokenFieldNumber;

// What stays while a token's notice tightens.
absl::string_view FamilyOf(v1::Expiration::Kind kind) {
  switch (kind) {
    case v1::Expiration::SOURCE_UNHEALTHY:
      return "unhealthy";
    case v1::Expiration::DIGEST:
      return "digest";
    default:
      return "end";
  }
}

// Of a notice that is stored as `bytes`, of which `head_size` are before the token.
std::shared_ptr<const Notice> NoticeOf(const v1::Expiration& head, std::string bytes,
                                       std::size_t head_size) {
  auto notice = std::make_shared<Notice>();
  notice->bytes = std::move(bytes);
  notice->head_size = head_size;
  notice->source = std::string(SourceIdOf(head.source()));
  notice->kind = head.kind();
  notice->state = head.state();
  notice->digested = head.digested();
  notice->lead = FromProto(head.lead());
  if (head.has_effective_expire_time()) notice->end = FromProto(head.effective_expire_time());
  notice->tie = StableHash(head.uid());
  return notice;
}

}  // namespace

absl::string_view Notice::token() const {
  if (head_size == bytes.size()) return absl::string_view();
  // Tag and length come before it.
  const std::size_t tag = wire::VarintSize((std::uint64_t{kTokenField} << 3) | 2);
  std::size_t begin = head_size + tag;
  while ((static_cast<unsigned char>(bytes[begin]) & 0x80) != 0) ++begin;
  return absl::string_view(bytes).substr(begin + 1);
}

absl::StatusOr<std::shared_ptr<const Notice>> ParseNotice(std::string bytes) {
  std::size_t head_size = bytes.size();
  // The token is stored last, and most of it all: only what is before it is parsed.
  for (FieldReader reader(bytes); reader.Next();) {
    if (reader.number() != kTokenField) continue;
    FieldReader token(reader.payload());
    while (token.Next()) {
    }
    if (!token.ok() || reader.position() != bytes.data() + bytes.size()) {
      return absl::DataLossError("unreadable notice");
    }
    head_size -= reader.whole().size();
  }
  v1::Expiration parsed;
  if (!parsed.ParseFromArray(bytes.data(), static_cast<int>(head_size))) {
    return absl::DataLossError("unreadable notice");
  }
  return NoticeOf(parsed, std::move(bytes), head_size);
}

std::shared_ptr<const Notice> MakeNotice(const v1::Expiration& notice, absl::string_view token) {
  std::string bytes = SerializeNotice(notice, token);
  const std::size_t token_size =
      token.empty() ? 0 : wire::BytesFieldSize(kTokenField, token.size());
  const std::size_t head_size = bytes.size() - token_size;
  return NoticeOf(notice, std::move(bytes), head_size);
}

std::string SerializeNotice(const v1::Expiration& notice, absl::string_view token) {
  std::string bytes;
  if (notice.has_token()) {
    v1::Expiration head = notice;
    head.clear_token();
    bytes = head.SerializeAsString();
  } else {
    bytes = notice.SerializeAsString();
  }
  if (!token.empty()) wire::AppendBytesField(bytes, kTokenField, token);
  return bytes;
}

void AppendNoticeMessage(std::string& out, int field, absl::string_view head,
                         absl::string_view token) {
  const absl::string_view basic = token.substr(0, ReadTokenFacts(token).basic_size);
  const std::size_t rest = token.empty() ? 0 : wire::BytesFieldSize(kTokenField, basic.size());
  wire::AppendHeader(out, field, head.size() + rest);
  out.append(head.data(), head.size());
  if (rest > 0) wire::AppendBytesField(out, kTokenField, basic);
}

std::string NoticeUid(absl::string_view about, v1::Expiration::Kind kind, std::int64_t generation) {
  return StableDigest(absl::StrCat("notice|", about, "|", FamilyOf(kind), "|", generation));
}

std::string NoticeEventId(const v1::Expiration& notice) {
  // A notice is resolved once, whatever it said before.
  const bool resolved =
      notice.state() == v1::Expiration::RESOLVED && notice.kind() != v1::Expiration::DIGEST;
  std::string said = resolved ? "resolved" : absl::StrCat(static_cast<int>(notice.kind()));
  if (!resolved && notice.kind() == v1::Expiration::LEAD) {
    absl::StrAppend(&said, "|", absl::ToInt64Milliseconds(FromProto(notice.lead())));
  }
  return StableDigest(absl::StrCat("event|", notice.uid(), "|", said));
}

std::string NoticeName(absl::string_view source_name, absl::string_view uid) {
  return absl::StrCat(source_name, "/expirations/", uid);
}

}  // namespace tokeninventory
