#include "connectors/check_manifest.h"

#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "connectors/json_value.h"
#include "connectors/local_page_reader.h"
#include "connectors/manifest.h"
#include "connectors/manifest_catalog.h"
#include "connectors/page_request.h"

namespace tokeninventory {
namespace {

constexpr int kGood = 0;
constexpr int kBad = 1;
constexpr int kBadOption = 2;

// `k=v` each, as an object of texts; nothing when one is not.
std::optional<JsonValue> ReadPairs(const std::vector<std::string>& pairs, absl::string_view option,
                                   std::ostream& out) {
  JsonValue object = JsonValue::Object();
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      out << option << " " << pair << ": expected NAME=VALUE\n";
      return std::nullopt;
    }
    object.Set(pair.substr(0, equals), JsonValue::String(pair.substr(equals + 1)));
  }
  return object;
}

// The stream that a page is of; null after saying why not.
const CompiledStream* ChooseStream(const CompiledManifest& manifest, const std::string& name,
                                   std::ostream& out) {
  std::vector<std::string> names;
  const CompiledStream* only = nullptr;
  int with_tokens = 0;
  for (const CompiledStream& stream : manifest.streams) {
    names.push_back(stream.spec->name());
    if (stream.spec->name() == name) return &stream;
    if (stream.token == kNoProgram) continue;
    ++with_tokens;
    only = &stream;
  }
  if (name.empty() && with_tokens == 1) return only;
  out << "--stream: " << (name.empty() ? "which one is the page of?" : "there is no such stream")
      << " There are " << absl::StrJoin(names, ", ") << ".\n";
  return nullptr;
}

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) {
    json = "(cannot be shown)\n";
  }
  return json;
}

int ShowPage(const CompiledManifest& manifest, const CompiledStream& stream,
             const PageContent& content, const PageRequest& request, std::ostream& out) {
  int tokens = 0;
  for (const PageRow& row : content.rows) {
    for (const ObservedToken& token : row.tokens) {
      ++tokens;
      out << token.id << " " << ToJson(token.token);
    }
    if (!row.item.is_null()) out << "item " << row.item.Dump() << "\n";
  }
  out << manifest.spec.vendor() << " " << stream.spec->name() << ": " << content.row_count
      << " records, " << tokens << " tokens, " << content.bad_rows << " records cannot be read\n";
  if (content.bad_rows > 0) out << "the first: " << content.first_bad_row << "\n";
  if (stream.total != kNoProgram) {
    out << "total: " << (content.total ? absl::StrCat(*content.total) : "not told") << "\n";
  }
  if (content.next.is_null()) {
    out << "next: none, this is the last page\n";
  } else {
    const absl::StatusOr<PageRequest> next = NextRequest(request, content.next);
    if (!next.ok()) {
      out << "next: " << next.status().message() << "\n";
      return kBad;
    }
    out << "next: " << next->ToJson().Dump() << "\n";
  }
  return content.bad_rows > 0 ? kBad : kGood;
}

}  // namespace

int CheckManifest(const CheckManifestOptions& options, std::ostream& out) {
  const absl::StatusOr<std::string> text = ReadManifestFile(options.manifest_file);
  if (!text.ok()) {
    out << text.status().message() << "\n";
    return kBadOption;
  }
  const ManifestReport report = LoadManifest(options.manifest_file, *text);
  for (const std::string& problem : report.problems) out << problem << "\n";
  for (const std::string& warning : report.warnings) out << warning << " (warning)\n";
  if (!report.ok()) return kBad;
  const CompiledManifest& manifest = *report.manifest;
  if (options.page_file.empty()) {
    out << options.manifest_file << ": good; vendor " << manifest.spec.vendor() << ", "
        << manifest.streams.size() << " streams, " << manifest.programs.size() << " programs\n";
    return kGood;
  }

  const CompiledStream* stream = ChooseStream(manifest, options.stream, out);
  if (stream == nullptr) return kBadOption;
  const std::optional<JsonValue> given = ReadPairs(options.params, "--param", out);
  const std::optional<JsonValue> parent = ReadPairs(options.parent, "--parent", out);
  if (!given || !parent) return kBadOption;
  TemplateValues values;
  values.param = JsonValue::Object();
  for (const v1::ManifestParam& param : manifest.spec.params()) {
    JsonValue value = given->Get(param.name());
    if (value.is_null() && !param.default_().empty()) value = JsonValue::String(param.default_());
    values.param.Set(param.name(), value);
  }
  if (stream->parent >= 0) values.parent = *parent;
  const absl::StatusOr<PageRequest> request = FirstRequest(manifest, *stream, values);
  if (!request.ok()) {
    out << "the request of this page needs more: " << request.status().message()
        << " (--parent NAME=VALUE, --param NAME=VALUE)\n";
    return kBadOption;
  }

  std::ifstream in(options.page_file, std::ios::binary);
  if (!in) {
    out << options.page_file << ": cannot be read\n";
    return kBadOption;
  }
  HttpResponse response;
  response.status = 200;
  response.body.assign(std::istreambuf_iterator<char>(in), {});
  const std::unique_ptr<JqPrograms> programs = manifest.NewPrograms({});
  LocalPageReader pages(&manifest, programs.get());
  const absl::StatusOr<PageVerdict> verdict =
      pages.Take(response, request->ToJson(), JqContext{values.param, values.parent});
  if (verdict.ok() && !verdict->body.ok()) {
    out << options.page_file << ": " << verdict->body.message() << "\n";
    return kBad;
  }
  if (!verdict.ok() || !verdict->error_word.empty()) {
    out << "error: "
        << (verdict.ok() ? absl::StrCat("the page is ", verdict->error_word)
                         : std::string(verdict.status().message()))
        << "\n";
    return kBad;
  }
  MappingNotes notes;
  const absl::StatusOr<PageContent> content = pages.ReadPage(*stream, 0, notes);
  if (!content.ok()) {
    out << content.status().message() << "\n";
    return kBad;
  }
  const int code = ShowPage(manifest, *stream, *content, *request, out);
  if (notes.dropped_secrets > 0) {
    out << "left out because they look like whole secrets: " << notes.dropped_secrets << " texts\n";
  }
  return code;
}

}  // namespace tokeninventory
