// Any bytes as a URL and as what a page refers to: refused, or a URL that means to
// curl what it means to us, so that whom we check is whom curl asks.
//
// Input: two lines, the page's URL and the reference.
#include <curl/curl.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "connectors/http/url.h"
#include "tests/fuzz/check.h"

namespace tokeninventory {
namespace {

using CurlUrl = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string CurlPart(const CurlUrl& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return std::string();
  std::string copy(text);
  curl_free(text);
  return copy;
}

void CheckUrl(const Url& url) {
  const std::string text = url.Text();
  const absl::StatusOr<Url> back = ParseUrl(text);
  TI_FUZZ_CHECK(back.ok());
  TI_FUZZ_CHECK(back->Text() == text && SameOrigin(*back, url));
  TI_FUZZ_CHECK(back->path == url.path && back->query == url.query);
  TI_FUZZ_CHECK(absl::StartsWith(text, url.Origin() + "/"));
  for (const char c : text) TI_FUZZ_CHECK(absl::ascii_isgraph(static_cast<unsigned char>(c)));

  const CurlUrl curl(curl_url(), &curl_url_cleanup);
  // What curl refuses it does not ask.
  if (curl_url_set(curl.get(), CURLUPART_URL, text.c_str(), CURLU_PATH_AS_IS) != CURLUE_OK) return;
  TI_FUZZ_CHECK(CurlPart(curl, CURLUPART_SCHEME) == url.scheme);
  TI_FUZZ_CHECK(absl::AsciiStrToLower(CurlPart(curl, CURLUPART_HOST)) == url.host);
  TI_FUZZ_CHECK(CurlPart(curl, CURLUPART_PORT) == std::to_string(url.port));
  TI_FUZZ_CHECK(CurlPart(curl, CURLUPART_PATH) == url.path);
  TI_FUZZ_CHECK(CurlPart(curl, CURLUPART_QUERY) == url.query);
  TI_FUZZ_CHECK(CurlPart(curl, CURLUPART_USER).empty());
}

void Resolve(absl::string_view base_text, absl::string_view reference) {
  const absl::StatusOr<Url> base = ParseUrl(base_text);
  if (!base.ok()) {
    TI_FUZZ_CHECK(base.status().message().size() < 100);
    return;
  }
  CheckUrl(*base);
  const absl::StatusOr<Url> url = ResolveUrl(*base, reference);
  if (!url.ok()) {
    TI_FUZZ_CHECK(url.status().message().size() < 100);
    return;
  }
  CheckUrl(*url);
  TI_FUZZ_CHECK(SameOrigin(*base, *url) == (base->Origin() == url->Origin()));
  // Only a reference that names a host can lead to another.
  if (!absl::StrContains(reference, "//")) TI_FUZZ_CHECK(SameOrigin(*base, *url));
}

}  // namespace
}  // namespace tokeninventory

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\n');
  tokeninventory::Resolve(input.substr(0, end), end == absl::string_view::npos
                                                    ? absl::string_view()
                                                    : input.substr(end + 1));
  return 0;
}
