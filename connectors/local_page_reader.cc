#include "connectors/local_page_reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "connectors/digest.h"
#include "connectors/link_header.h"
#include "connectors/secret_text.h"

namespace tokeninventory {
namespace {

// An item is stored with its scope.
constexpr int kMaxItemMembers = 16;
constexpr std::size_t kMaxItemBytes = 4096;

// The item without members that are null: what only decorates may be missing, what
// tells listings apart must not.
absl::StatusOr<JsonValue> CheckedItem(const JsonValue& item, const std::vector<std::string>& needed,
                                      MappingNotes& notes) {
  if (!item.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected an object or null, got ", item.kind_name()));
  }
  if (item.size() > kMaxItemMembers) return absl::InvalidArgumentError("too many members");
  JsonValue checked = JsonValue::Object();
  absl::Status status;
  std::size_t bytes = 0;
  item.ForEachMember([&](absl::string_view key, const JsonValue& value) {
    if (value.is_null()) return true;
    // Before anything is said of it.
    if (LooksLikeSecret(key)) {
      ++notes.dropped_secrets;
      return true;
    }
    if (!value.is_string()) {
      status = absl::InvalidArgumentError(
          absl::StrCat("member ", key, ": expected text, got ", value.kind_name()));
      return false;
    }
    if (LooksLikeSecret(value.string_value())) {
      // What a listing is told apart by is asked for and stored with it.
      if (std::find(needed.begin(), needed.end(), key) != needed.end()) {
        status = absl::InvalidArgumentError(absl::StrCat("member ", key, ": looks like a secret"));
        return false;
      }
      ++notes.dropped_secrets;
      return true;
    }
    bytes += key.size() + value.string_value().size();
    checked.Set(key, value);
    return true;
  });
  TI_RETURN_IF_ERROR(status);
  if (bytes > kMaxItemBytes) return absl::InvalidArgumentError("larger than 4 KiB");
  for (const std::string& member : needed) {
    if (!checked.Has(member)) {
      return absl::InvalidArgumentError(absl::StrCat("member ", member, ": missing"));
    }
  }
  return checked;
}

// A response as page programs see it. `body` is null when it is no JSON.
JsonValue MakePage(const CompiledManifest& manifest, const HttpResponse& response,
                   const JsonValue& body, const JsonValue& request) {
  JsonValue headers = JsonValue::Object();
  JsonValue links = JsonValue::Object();
  for (const auto& [name, value] : response.headers) {
    if (!manifest.ReadsHeader(name)) continue;
    headers.Set(name, JsonValue::String(value));
    if (name != "link") continue;
    for (const auto& [relation, target] : ParseLinkHeader(value)) {
      links.Set(relation, JsonValue::String(target));
    }
  }
  JsonValue page = JsonValue::Object();
  page.Set("status", JsonValue::Number(response.status));
  page.Set("headers", std::move(headers));
  page.Set("links", std::move(links));
  page.Set("body", body);
  page.Set("request", request);
  return page;
}

absl::Status NothingToRead() { return absl::FailedPreconditionError("there is no page to read"); }

}  // namespace

absl::StatusOr<JsonValue> LocalPageReader::Run(int program, const JsonValue& input) {
  const auto index = static_cast<std::size_t>(program);
  absl::StatusOr<JsonValue> result = programs_->Run(index, input, context_);
  if (!result.ok()) {
    return absl::Status(result.status().code(), absl::StrCat(manifest_->programs[index].name, ": ",
                                                             result.status().message()));
  }
  return result;
}

absl::StatusOr<JsonValue> LocalPageReader::RunForRows(int program, const JsonValue& page) {
  absl::StatusOr<JsonValue> rows = Run(program, page);
  if (rows.ok() && !rows->is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(manifest_->programs[static_cast<std::size_t>(program)].name,
                     ": expected an array, got ", rows->kind_name()));
  }
  return rows;
}

absl::StatusOr<PageVerdict> LocalPageReader::Take(const HttpResponse& response,
                                                  const JsonValue& request,
                                                  const JqContext& context) {
  page_ = JsonValue();
  context_ = context;
  PageVerdict verdict;
  const absl::StatusOr<JsonValue> body = JsonValue::Parse(response.body);
  verdict.body = body.status();
  JsonValue page = MakePage(*manifest_, response, body.ok() ? *body : JsonValue(), request);
  if (manifest_->error != kNoProgram) {
    TI_ASSIGN_OR_RETURN(const JsonValue word, Run(manifest_->error, page));
    if (!word.is_null() && !word.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("error: expected text or null, got ", word.kind_name()));
    }
    if (word.is_string()) verdict.error_word = std::string(word.string_value());
  }
  if (body.ok()) page_ = std::move(page);
  return verdict;
}

absl::StatusOr<PageContent> LocalPageReader::ReadPage(const CompiledStream& stream,
                                                      std::int64_t rows_before,
                                                      MappingNotes& notes) {
  if (page_.is_null()) return NothingToRead();
  JsonValue page = std::exchange(page_, JsonValue());
  TI_ASSIGN_OR_RETURN(const JsonValue rows, RunForRows(stream.records, page));
  PageContent content;
  content.row_count = rows.size();
  page.Set("seen", JsonValue::Number(static_cast<double>(rows_before + content.row_count)));
  if (stream.total != kNoProgram) {
    TI_ASSIGN_OR_RETURN(const JsonValue total, Run(stream.total, page));
    if (!total.is_null()) {
      if (total.kind() != JsonValue::Kind::kNumber || !std::isfinite(total.number_value()) ||
          total.number_value() < 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(manifest_->programs[static_cast<std::size_t>(stream.total)].name,
                         ": expected a number or null, got ", total.kind_name()));
      }
      content.total = total.number_value();
    }
  }
  if (stream.next != kNoProgram) {
    TI_ASSIGN_OR_RETURN(content.next, Run(stream.next, page));
    if (!content.next.is_null() && !content.next.is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat(manifest_->programs[static_cast<std::size_t>(stream.next)].name,
                       ": expected a request or null, got ", content.next.kind_name()));
    }
  }
  ReadRows(stream, rows, /*want_items=*/true, content, notes);
  return content;
}

absl::StatusOr<PageContent> LocalPageReader::ReadFetched(const CompiledStream& stream,
                                                         MappingNotes& notes) {
  if (page_.is_null()) return NothingToRead();
  const JsonValue page = std::exchange(page_, JsonValue());
  JsonValue rows = JsonValue::Array();
  if (stream.fetch.records == kNoProgram) {
    rows.Append(page.Get("body"));
  } else {
    TI_ASSIGN_OR_RETURN(rows, RunForRows(stream.fetch.records, page));
  }
  PageContent content;
  content.row_count = rows.size();
  ReadRows(stream, rows, /*want_items=*/false, content, notes);
  return content;
}

void LocalPageReader::ReadRows(const CompiledStream& stream, const JsonValue& rows, bool want_items,
                               PageContent& content, MappingNotes& notes) {
  const auto count = static_cast<std::size_t>(rows.size());
  std::vector<PageRow> read(count);
  std::vector<bool> bad(count, false);
  const auto fail = [&](int row, int program, absl::string_view why) {
    const auto index = static_cast<std::size_t>(row);
    if (bad[index]) return;
    bad[index] = true;
    ++content.bad_rows;
    if (content.first_bad_row.empty()) {
      content.first_bad_row =
          absl::StrCat(manifest_->programs[static_cast<std::size_t>(program)].name, ": record ",
                       row + 1, " of the page: ", why);
    }
  };
  // Every row that the program did not come to is bad.
  int visited = 0;
  const auto fail_rest = [&](int program) {
    for (int row = visited; row < static_cast<int>(count); ++row) {
      fail(row, program, "not read");
    }
  };

  if (stream.token != kNoProgram) {
    programs_->RunEach(static_cast<std::size_t>(stream.token), rows, context_,
                       [&](int row, const absl::StatusOr<JsonValue>& result) {
                         visited = row + 1;
                         PageRow& target = read[static_cast<std::size_t>(row)];
                         absl::Status status = result.status();
                         if (status.ok()) {
                           status =
                               MapTokens(*result, stream.spec->id_prefix(), target.tokens, notes);
                         }
                         if (!status.ok()) fail(row, stream.token, status.message());
                         return true;
                       });
    fail_rest(stream.token);
  }
  if (want_items && stream.item != kNoProgram) {
    visited = 0;
    programs_->RunEach(static_cast<std::size_t>(stream.item), rows, context_,
                       [&](int row, absl::StatusOr<JsonValue> result) {
                         visited = row + 1;
                         PageRow& target = read[static_cast<std::size_t>(row)];
                         if (result.ok() && result->is_null()) return true;
                         if (result.ok())
                           result = CheckedItem(*result, stream.needed_members, notes);
                         if (!result.ok()) {
                           fail(row, stream.item, result.status().message());
                           return true;
                         }
                         target.item = *std::move(result);
                         return true;
                       });
    fail_rest(stream.item);
  }
  content.rows.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (bad[i]) continue;
    read[i].identity = IdentityOf(read[i]);
    if (read[i].identity.empty()) {
      const Digest row = DigestOf(rows.At(static_cast<int>(i)).Dump());
      read[i].identity = absl::StrCat("r", absl::string_view(row.data(), row.size()));
    }
    content.rows.push_back(std::move(read[i]));
  }
}

}  // namespace tokeninventory
