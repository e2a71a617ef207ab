#include "connectors/credentials.h"

#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kMaxSecretBytes = 64 * 1024;

absl::StatusOr<SecretString> Checked(std::string raw, absl::string_view where) {
  const SecretString wiped(raw);
  absl::StripAsciiWhitespace(&raw);
  if (raw.empty()) return absl::FailedPreconditionError(absl::StrCat(where, " is empty"));
  for (const char c : raw) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return absl::FailedPreconditionError(
          absl::StrCat(where, " has a line break or another control character"));
    }
  }
  return SecretString(std::move(raw));
}

// What was taken out of the environment.
class TakenVariables {
 public:
  // The value of a variable; false when it is not set.
  bool Read(const std::string& name, SecretString& value) {
    MutexLock lock(mutex_);
    // NOLINTNEXTLINE: the bytes are the environment's own, and are meant
    char* const bytes = std::getenv(name.c_str());
    if (bytes == nullptr) return false;
    if (*bytes != '\0') {
      taken_[name] = SecretString(bytes);
      // In place: the block that /proc shows is this one, and unsetenv would move what
      // other threads may be reading.
      explicit_bzero(bytes, std::strlen(bytes));
    }
    const auto found = taken_.find(name);
    if (found != taken_.end()) value = found->second;
    return true;
  }

 private:
  Mutex mutex_;
  std::map<std::string, SecretString> taken_ ABSL_GUARDED_BY(mutex_);
};

std::atomic<bool> take_variables{false};

TakenVariables& Taken() {
  static auto* const taken = new TakenVariables();
  return *taken;
}

}  // namespace

std::string WarnOfPermissions(const std::string& file) {
  struct stat found;
  if (stat(file.c_str(), &found) != 0) return std::string();
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::StrCat("file ", file, " can be written by others than its owner");
  }
  if ((found.st_mode & S_IROTH) != 0) {
    return absl::StrCat("file ", file, " can be read by everybody on this machine");
  }
  return std::string();
}

void SecretSource::TakeFromEnvironment() { take_variables = true; }

SecretSource::SecretSource(const v1::SecretRef& ref, absl::string_view base_dir)
    : env_(ref.env()), file_(ref.file()) {
  if (!file_.empty() && !absl::StartsWith(file_, "/") && !base_dir.empty()) {
    file_ = absl::StrCat(base_dir, "/", file_);
  }
}

absl::StatusOr<SecretString> SecretSource::Read() const {
  if (!env_.empty()) {
    const std::string where = absl::StrCat("environment variable ", env_);
    if (take_variables) {
      SecretString value;
      if (!Taken().Read(env_, value)) {
        return absl::FailedPreconditionError(absl::StrCat(where, " is not set"));
      }
      return Checked(std::string(value.Reveal()), where);
    }
    const char* value = std::getenv(env_.c_str());
    if (value == nullptr) return absl::FailedPreconditionError(absl::StrCat(where, " is not set"));
    return Checked(value, where);
  }
  const std::string where = absl::StrCat("file ", file_);
  std::ifstream in(file_, std::ios::binary);
  if (!in) return absl::FailedPreconditionError(absl::StrCat(where, " cannot be read"));
  std::string text(kMaxSecretBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof())) {
    return absl::FailedPreconditionError(absl::StrCat(where, " cannot be read"));
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxSecretBytes) {
    return absl::FailedPreconditionError(absl::StrCat(where, " is larger than 64 KiB"));
  }
  return Checked(std::move(text), where);
}

std::string SecretSource::PermissionWarning() const {
  return file_.empty() ? std::string() : WarnOfPermissions(file_);
}

std::string SecretSource::Advice() const {
  return env_.empty() ? absl::StrCat("put a valid one into ", file_)
                      : absl::StrCat("set ", env_, " to a valid one and restart");
}

}  // namespace tokeninventory
