// Running a built-in manifest on saved bodies.
#pragma once

#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "connectors/embedded.h"
#include "connectors/local_page_reader.h"
#include "connectors/manifest.h"
#include "connectors/page_request.h"

namespace tokeninventory::testing {

inline std::string ReadTestData(const std::string& name) {
  std::ifstream in(std::string(TI_TESTDATA) + "/" + name, std::ios::binary);
  if (!in) throw std::runtime_error("no test data " + name);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

inline std::string BuiltInText(const std::string& vendor) {
  for (const EmbeddedManifest& embedded : BuiltInManifests()) {
    if (std::string(embedded.file) == vendor + ".yaml") return std::string(embedded.text);
  }
  throw std::runtime_error("no manifest for " + vendor);
}

inline JsonValue Texts(const std::vector<std::pair<std::string, std::string>>& members) {
  JsonValue object = JsonValue::Object();
  for (const auto& [key, value] : members) object.Set(key, JsonValue::String(value));
  return object;
}

// A manifest with its programs.
class ManifestFixture {
 public:
  explicit ManifestFixture(const std::string& text, const std::string& file = "m.yaml") {
    ManifestReport report = LoadManifest(file, text);
    std::string all;
    for (const std::string& problem : report.problems) all += problem + "\n";
    if (!report.ok()) throw std::runtime_error(all);
    manifest_ = report.manifest;
    programs_ = manifest_->NewPrograms({});
    pages_ = std::make_unique<LocalPageReader>(manifest_.get(), programs_.get());
    param_ = JsonValue::Object();
    for (const v1::ManifestParam& param : manifest_->spec.params()) {
      param_.Set(param.name(),
                 param.default_().empty() ? JsonValue() : JsonValue::String(param.default_()));
    }
  }

  const CompiledManifest& manifest() const { return *manifest_; }
  std::shared_ptr<const CompiledManifest> shared() const { return manifest_; }
  const CompiledStream& stream(const std::string& name) const {
    return manifest_->streams.at(static_cast<std::size_t>(manifest_->FindStream(name)));
  }
  PageReader& pages() { return *pages_; }
  JqPrograms& programs() { return *programs_; }
  void SetParam(const std::string& name, const std::string& value) {
    param_.Set(name, JsonValue::String(value));
  }
  const JsonValue& param() const { return param_; }

  absl::StatusOr<PageContent> Read(const std::string& stream_name, const std::string& body,
                                   const JsonValue& parent = JsonValue(),
                                   std::vector<std::pair<std::string, std::string>> headers = {}) {
    const CompiledStream& of = stream(stream_name);
    TemplateValues values;
    values.param = param_;
    values.parent = parent;
    absl::StatusOr<PageRequest> request = FirstRequest(*manifest_, of, values);
    if (!request.ok()) return request.status();
    HttpResponse response;
    response.status = 200;
    response.headers = std::move(headers);
    response.body = body;
    const absl::StatusOr<PageVerdict> verdict =
        pages_->Take(response, request->ToJson(), JqContext{param_, parent});
    if (!verdict.ok()) return verdict.status();
    if (!verdict->body.ok()) return verdict->body;
    return pages_->ReadPage(of, 0, notes_);
  }
  const MappingNotes& notes() const { return notes_; }

 private:
  std::shared_ptr<const CompiledManifest> manifest_;
  std::unique_ptr<JqPrograms> programs_;
  std::unique_ptr<LocalPageReader> pages_;
  JsonValue param_;
  MappingNotes notes_;
};

}  // namespace tokeninventory::testing
