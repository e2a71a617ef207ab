#include "tests/testing/secret_search.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory::testing {
namespace {

constexpr std::size_t kSecretLength = 32;

std::string MakeCore(std::size_t number) {
  constexpr absl::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string core;
  std::uint64_t state = 0x9E3779B97F4A7C15 * (number + 1);
  while (core.size() < kSecretLength) {
    state = state * 6364136223846793005 + 1442695040888963407;
    core += kLetters[(state >> 33) % kLetters.size()];
  }
  return core;
}

std::string Each(absl::string_view text, absl::string_view before, bool upper) {
  std::string out;
  for (const char c : text) {
    const std::string hex = absl::BytesToHexString(std::string(1, c));
    absl::StrAppend(&out, before, upper ? absl::AsciiStrToUpper(hex) : hex);
  }
  return out;
}

// The characters of a base64 text that depend on `text` alone when `offset` bytes stand
// before it.
std::string Base64At(absl::string_view text, std::size_t offset) {
  std::string encoded;
  absl::Base64Escape(absl::StrCat(std::string(offset, 'x'), text), &encoded);
  const std::size_t begin = (offset * 8 + 5) / 6;
  const std::size_t end = (offset + text.size()) * 8 / 6;
  return encoded.substr(begin, end - begin);
}

}  // namespace

std::string SecretSearch::Plant(const std::string& where, const std::string& prefix) {
  static std::atomic<std::size_t> planted = 0;
  const std::string core = MakeCore(planted++);
  for (const std::string& half :
       {core.substr(0, kSecretLength / 2), core.substr(kSecretLength / 2)}) {
    const auto form = [&](const char* what, std::string text) {
      // In digits only, both cases of hexadecimal are one.
      if (!forms_.empty() && forms_.back().text == text) return;
      forms_.push_back({absl::StrCat(where, " ", what), std::move(text)});
    };
    form("in plain", half);
    form("in lower case", absl::AsciiStrToLower(half));
    form("in upper case", absl::AsciiStrToUpper(half));
    form("in hexadecimal", Each(half, "", false));
    form("in hexadecimal", Each(half, "", true));
    form("percent-encoded", Each(half, "%", false));
    form("percent-encoded", Each(half, "%", true));
    form("in JSON escapes", Each(half, "\\u00", false));
    form("in JSON escapes", Each(half, "\\u00", true));
    // Letters and digits have no character in base64 in which the alphabets differ.
    for (std::size_t offset = 0; offset < 3; ++offset) form("in base64", Base64At(half, offset));
  }
  return prefix + core;
}

void SecretSearch::Look(const std::string& place, absl::string_view text) {
  looked_at_ += text.size();
  for (const Form& form : forms_) {
    const std::size_t at = text.find(form.text);
    if (at == absl::string_view::npos) continue;
    const std::size_t begin = at < 60 ? 0 : at - 60;
    found_.push_back(absl::StrCat(form.what, ": in ", place, ": ",
                                  absl::CHexEscape(std::string(text.substr(begin, 140)))));
  }
}

void SecretSearch::LookAtFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  Look(path, text.str());
}

void SecretSearch::LookAtFolder(const std::string& path) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(path)) {
    if (file.is_regular_file()) LookAtFile(file.path().string());
    Look("a file's name", file.path().filename().string());
  }
}

}  // namespace tokeninventory::testing
