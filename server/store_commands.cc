#include "server/store_commands.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "storage/copy_store.h"
#include "storage/verify_store.h"

namespace tokeninventory {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;

int Fail(const absl::Status& status, absl::string_view advice, std::ostream& errors) {
  errors << status.message();
  if (!advice.empty()) errors << "; " << advice;
  errors << "\n";
  return kFailed;
}

void Describe(const StoreReport& report, std::ostream& out) {
  out << "  revision " << report.head.revision << ", epoch "
      << absl::BytesToHexString(report.head.epoch)
      << (report.is_backup ? ", a backup: whoever opens it gives it another" : "") << "\n"
      << "  sources " << report.sources << ", scopes " << report.scopes << ", tokens "
      << report.tokens - report.tombstones << " and " << report.tombstones << " deleted, notices "
      << report.notices << " (" << report.open_notices << " open)\n"
      << "  log: " << report.log_changes << " changes, " << report.log_bytes << " bytes, revisions "
      << report.head.oldest_revision + 1 << " to " << report.head.revision << "\n";
}

}  // namespace

int VerifyStoreCommand(const std::string& store, std::ostream& out, std::ostream& errors) {
  const absl::StatusOr<StoreReport> report = VerifyStore(store);
  if (!report.ok()) return Fail(report.status(), "", errors << store << ": ");
  out << store << ": ";
  if (report->sound()) {
    out << "sound\n";
  } else {
    out << report->problem_count << " problem(s)\n";
  }
  Describe(*report, out);
  for (const std::string& problem : report->problems) out << "problem: " << problem << "\n";
  const auto shown = static_cast<std::int64_t>(report->problems.size());
  if (report->problem_count > shown) {
    out << "and " << report->problem_count - shown << " more\n";
  }
  return report->sound() ? kOk : kFailed;
}

int BackupCommand(const std::string& store, const std::string& file, bool overwrite,
                  std::ostream& out, std::ostream& errors) {
  const absl::StatusOr<StoreReport> report = BackupStore(store, file, overwrite);
  if (!report.ok()) {
    const bool is_there = report.status().code() == absl::StatusCode::kAlreadyExists;
    return Fail(report.status(), is_there ? "--overwrite replaces it" : "",
                errors << "no backup: ");
  }
  std::error_code unknown;
  out << file << ": a backup, verified, " << std::filesystem::file_size(file, unknown)
      << " bytes\n";
  Describe(*report, out);
  return kOk;
}

int RestoreCommand(const std::string& file, const std::string& store, bool replace,
                   std::ostream& out, std::ostream& errors) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(store).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  const absl::StatusOr<RestoredStore> restored = RestoreStore(file, store, replace);
  if (!restored.ok()) {
    const bool is_there = restored.status().code() == absl::StatusCode::kAlreadyExists;
    return Fail(restored.status(),
                is_there ? "--replace puts the backup in its place and keeps it" : "",
                errors << "not restored: ");
  }
  out << store << ": restored from " << file << "\n";
  Describe(restored->report, out);
  if (!restored->kept.empty()) out << "  what was there is kept: " << restored->kept << "\n";
  return kOk;
}

}  // namespace tokeninventory
