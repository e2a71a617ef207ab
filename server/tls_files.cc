#include "server/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

// A certificate that ends sooner is told about.
constexpr absl::Duration kSoon = absl::Hours(24 * 14);
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;

template <auto kFree>
struct Freer {
  template <typename Object>
  void operator()(Object* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("missing");
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file) {
    return absl::InvalidArgumentError(absl::StrCat(path, " cannot be read"));
  }
  if (text.str().size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is larger than 1 MiB"));
  }
  return text.str();
}

Bio Open(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The first certificate of `text`; null when there is none.
Certificate ReadCertificate(const std::string& text) {
  const Bio bio = Open(text);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

// An encrypted key is none: nobody is there to type a passphrase.
Key ReadKey(const std::string& text) {
  const Bio bio = Open(text);
  return Key(PEM_read_bio_PrivateKey(
      bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

}  // namespace

TlsReport CheckTlsFiles(const TlsFiles& files, absl::Time now) {
  TlsReport report;
  const auto problem = [&](const char* field, const std::string& what) {
    report.problems.emplace_back(field, what);
  };
  const absl::StatusOr<std::string> chain = ReadPem(files.certificate_file);
  const absl::StatusOr<std::string> key_text = ReadPem(files.key_file);
  Certificate certificate;
  if (!chain.ok()) {
    problem("certificate_file", std::string(chain.status().message()));
  } else if (certificate = ReadCertificate(*chain); certificate == nullptr) {
    problem("certificate_file",
            absl::StrCat(files.certificate_file, " holds no certificate in PEM"));
  } else {
    report.expire_time = TimeOf(X509_get0_notAfter(certificate.get()));
    if (report.expire_time <= now) {
      problem("certificate_file", absl::StrCat(files.certificate_file, " ended at ",
                                               absl::FormatTime(report.expire_time)));
    } else if (report.expire_time - now < kSoon) {
      report.warnings.push_back(
          absl::StrCat(files.certificate_file, " ends at ", absl::FormatTime(report.expire_time)));
    }
    if (TimeOf(X509_get0_notBefore(certificate.get())) > now) {
      problem("certificate_file", absl::StrCat(files.certificate_file, " is not valid yet"));
    }
  }
  if (!key_text.ok()) {
    problem("key_file", std::string(key_text.status().message()));
  } else if (const Key key = ReadKey(*key_text); key == nullptr) {
    problem("key_file",
            absl::StrCat(files.key_file, " holds no private key in PEM without a passphrase"));
  } else if (certificate != nullptr && X509_check_private_key(certificate.get(), key.get()) != 1) {
    problem("key_file",
            absl::StrCat(files.key_file, " is not the key of ", files.certificate_file));
  }
  struct stat mode {};
  if (key_text.ok() && stat(files.key_file.c_str(), &mode) == 0 && (mode.st_mode & 0007) != 0) {
    report.warnings.push_back(absl::StrCat(files.key_file, " can be used by every user"));
  }
  if (!files.client_ca_file.empty()) {
    const absl::StatusOr<std::string> authorities = ReadPem(files.client_ca_file);
    if (!authorities.ok()) {
      problem("client_ca_file", std::string(authorities.status().message()));
    } else if (ReadCertificate(*authorities) == nullptr) {
      problem("client_ca_file", absl::StrCat(files.client_ca_file, " holds no certificate in PEM"));
    }
  }
  ERR_clear_error();
  return report;
}

}  // namespace tokeninventory
