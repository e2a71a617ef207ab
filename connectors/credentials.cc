#include "connectors/credentials.h"

#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

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

}  // namespace

SecretSource::SecretSource(const v1::SecretRef& ref, absl::string_view base_dir)
    : env_(ref.env()), file_(ref.file()) {
  if (!file_.empty() && !absl::StartsWith(file_, "/") && !base_dir.empty()) {
    file_ = absl::StrCat(base_dir, "/", file_);
  }
}

absl::StatusOr<SecretString> SecretSource::Read() const {
  if (!env_.empty()) {
    const std::string where = absl::StrCat("environment variable ", env_);
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

std::string SecretSource::Advice() const {
  return env_.empty() ? absl::StrCat("put a valid one into ", file_)
                      : absl::StrCat("set ", env_, " to a valid one and restart");
}

}  // namespace tokeninventory
