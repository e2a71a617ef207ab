// What fuzzers demand of the reading of a vendor's page, whatever the page is.
#pragma once

#include <google/protobuf/util/json_util.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "connectors/page_reader.h"
#include "connectors/page_request.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "tests/fuzz/check.h"

namespace tokeninventory::testing {

// Stands for what a vendor says and nobody else may see. Short, because jq quotes
// the first few bytes of a value; not a plain word, because a key that a program
// took from the record may be named when it is one.
inline constexpr absl::string_view kMarker = "q7%Z";

// Every `~` becomes a marker: mutations move and copy it as they do any byte.
inline std::string WithMarkers(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"~", kMarker}});
}

// Texts that reach logs, `unreachable` and Sources: one short line, without the
// vendor's values.
inline void CheckReason(absl::string_view reason) {
  TI_FUZZ_CHECK(!absl::StrContains(reason, kMarker));
  TI_FUZZ_CHECK(!reason.empty() && reason.size() < 1000);
  for (const char c : reason) TI_FUZZ_CHECK(!absl::ascii_iscntrl(static_cast<unsigned char>(c)));
}

// A token that the Ledger can take, the store can keep and every client can read.
inline void CheckToken(const ObservedToken& observed) {
  v1::Token token = observed.token;
  TI_FUZZ_CHECK(!observed.id.empty() && absl::EndsWith(observed.id, token.provider_token_id()));
  TI_FUZZ_CHECK(observed.id.size() <= kMaxTokenIdBytes);
  TI_FUZZ_CHECK(token.name().empty() && token.uid().empty() && token.revision() == 0);
  TI_FUZZ_CHECK(token.ByteSizeLong() <= kMaxMappedTokenBytes);
  TI_FUZZ_CHECK(token.attributes().ByteSizeLong() <= kMaxAttributesBytes);
  TI_FUZZ_CHECK((token.expiry() == v1::Token::AT) == token.has_expire_time());
  TI_FUZZ_CHECK((token.last_use() == v1::Token::USED) == token.has_last_used_time());

  // As the Ledger names it.
  token.set_name(TokenName(std::string(63, 's'), observed.id));
  token.set_uid(std::string(36, 'u'));
  TI_FUZZ_CHECK(CheckTokenName(token.name(), "name").ok());
  const std::string bytes = SerializeToken(token);
  v1::Token back;
  TI_FUZZ_CHECK(back.ParseFromString(bytes));
  TI_FUZZ_CHECK(SerializeToken(back) == bytes);
  TI_FUZZ_CHECK(ReadTokenFacts(bytes).valid);
  std::string json;
  TI_FUZZ_CHECK(google::protobuf::util::MessageToJsonString(token, &json).ok());
}

// `request` can be sent, and goes where `first`, the listing's own, does.
inline void CheckRequest(const PageRequest& request, const PageRequest& first) {
  TI_FUZZ_CHECK(SameOrigin(request.url, first.url));
  TI_FUZZ_CHECK(request.is_post == first.is_post);
  const absl::StatusOr<HttpRequest> http = request.ToHttp();
  if (!http.ok()) return CheckReason(http.status().message());
  TI_FUZZ_CHECK(http->url.Origin() == first.url.Origin());
}

// What was read of a page of `stream`, asked for by `request`.
inline void CheckContent(const CompiledManifest& manifest, const CompiledStream& stream,
                         const PageContent& content, const PageRequest& request,
                         const TemplateValues& values) {
  TI_FUZZ_CHECK(static_cast<std::int64_t>(content.rows.size()) + content.bad_rows ==
                content.row_count);
  TI_FUZZ_CHECK((content.bad_rows == 0) == content.first_bad_row.empty());
  if (content.bad_rows > 0) CheckReason(content.first_bad_row);
  TI_FUZZ_CHECK(!content.total || *content.total >= 0);
  if (!content.next.is_null()) {
    const absl::StatusOr<PageRequest> next = NextRequest(request, content.next);
    if (next.ok()) {
      CheckRequest(*next, request);
    } else {
      CheckReason(next.status().message());
    }
  }
  for (const PageRow& row : content.rows) {
    TI_FUZZ_CHECK(!row.identity.empty());
    for (const ObservedToken& token : row.tokens) CheckToken(token);
    if (row.item.is_null()) continue;
    // The listings below: the item says what is asked, never whom.
    for (const CompiledStream& child : manifest.streams) {
      if (child.parent < 0 ||
          &manifest.streams[static_cast<std::size_t>(child.parent)] != &stream) {
        continue;
      }
      TI_FUZZ_CHECK(ScopeKey(child, row.item).ok());
      TemplateValues plain = values;
      plain.parent = JsonValue::Object();
      for (const std::string& member : child.key_members) {
        plain.parent.Set(member, JsonValue::String("x"));
      }
      TemplateValues below = values;
      below.parent = row.item;
      const absl::StatusOr<PageRequest> expected = FirstRequest(manifest, child, plain);
      const absl::StatusOr<PageRequest> first = FirstRequest(manifest, child, below);
      if (!first.ok()) {
        CheckReason(first.status().message());
      } else if (expected.ok()) {
        CheckRequest(*first, *expected);
      }
    }
  }
}

}  // namespace tokeninventory::testing
