#include "connectors/manifest_catalog.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/yaml_proto.h"
#include "connectors/embedded.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kMaxManifestBytes = 1024 * 1024;

}  // namespace

absl::StatusOr<std::string> ReadManifestFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  std::string text(kMaxManifestBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || !in.eof()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be read, or is larger than 1 MiB"));
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

bool ManifestCatalog::AddDirectory(const std::string& dir, std::vector<std::string>& problems,
                                   std::vector<std::string>& warnings) {
  std::error_code error;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".yaml") files.push_back(it->path().string());
  }
  if (error) return false;
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> text = ReadManifestFile(file);
    if (!text.ok()) {
      problems.emplace_back(text.status().message());
      continue;
    }
    ManifestReport report = LoadManifest(file, *text);
    problems.insert(problems.end(), report.problems.begin(), report.problems.end());
    warnings.insert(warnings.end(), report.warnings.begin(), report.warnings.end());
    std::string vendor;
    if (report.ok()) {
      vendor = report.manifest->spec.vendor();
    } else {
      v1::Manifest broken;
      ReadYaml(file, *text, broken);
      vendor = broken.vendor();
      if (vendor.empty()) continue;
    }
    if (!own_.emplace(vendor, report.manifest).second) {
      problems.push_back(absl::StrCat(
          file, ": another manifest of the configured folders is for vendor ", vendor));
    }
  }
  return true;
}

std::shared_ptr<const CompiledManifest> ManifestCatalog::Find(const std::string& vendor,
                                                              std::vector<std::string>& problems) {
  if (const auto own = own_.find(vendor); own != own_.end()) return own->second;
  if (const auto known = built_in_.find(vendor); known != built_in_.end()) return known->second;
  for (const EmbeddedManifest& embedded : BuiltInManifests()) {
    if (absl::StripSuffix(embedded.file, ".yaml") != vendor) continue;
    // The tests have found it good; its programs run in page workers only.
    ManifestReport report =
        ReadCheckedManifest(absl::StrCat("connectors/providers/", embedded.file), embedded.text);
    problems.insert(problems.end(), report.problems.begin(), report.problems.end());
    built_in_.emplace(vendor, report.manifest);
    return report.manifest;
  }
  return nullptr;
}

std::vector<std::string> ManifestCatalog::Vendors() const {
  std::set<std::string> vendors;
  for (const auto& [vendor, manifest] : own_) vendors.insert(vendor);
  for (const EmbeddedManifest& embedded : BuiltInManifests()) {
    vendors.emplace(absl::StripSuffix(embedded.file, ".yaml"));
  }
  return {vendors.begin(), vendors.end()};
}

bool ManifestCatalog::IsBroken(const std::string& vendor) const {
  const auto own = own_.find(vendor);
  return own != own_.end() && own->second == nullptr;
}

}  // namespace tokeninventory
