#include "bench/lib/filled_store.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/lib/fed_ledger.h"
#include "bench/lib/sample_tokens.h"
#include "bench/lib/service.h"
#include "inventory/snapshot.h"

namespace tokeninventory::bench {
namespace {

constexpr int kSeed = 1;
constexpr std::uint8_t kTokensTag = 0x0a;  // ListTokensResponse.tokens

void WriteTokens(const Snapshot& snapshot, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  snapshot.Scan(0, {ScanFilter::kAllSources, true}, [&](const TokenRef& token) {
    std::uint8_t head[6] = {kTokensTag};
    const std::uint8_t* end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(
        static_cast<std::uint32_t>(token.full.size()), head + 1);
    file.write(reinterpret_cast<const char*>(head), end - head);
    file.write(token.full.data(), static_cast<std::streamsize>(token.full.size()));
    return true;
  });
  file.close();
  if (!file) Fail("cannot write " + path);
}

void WriteConfig(const std::string& path) {
  std::ofstream file(path);
  file << "sources:\n";
  for (const SampleSource& source : kSampleSources) {
    // Nobody listens there: what was observed stays as it is.
    file << SourceConfig(source.id, source.vendor, "http://127.0.0.1:9");
  }
}

void Fill(const std::string& folder, int tokens) {
  FedLedger fed(folder + "/inventory.db", Clock::Real());
  std::mt19937_64 random(kSeed);
  int left = tokens;
  int sources = std::size(kSampleSources);
  for (const SampleSource& source : kSampleSources) {
    const int part = left / sources--;
    std::vector<ObservedToken> observed;
    for (int i = 0; i < part; ++i) observed.push_back(SampleToken(random, source, absl::Now()));
    fed.Show(source, observed);
    left -= part;
  }
  WriteTokens(*fed.inventory().Current(), folder + "/tokens.bin");
  WriteConfig(folder + "/config.yaml");
}

}  // namespace

FilledStore::FilledStore(const Setup& setup, int tokens)
    : folder_(std::filesystem::absolute(absl::StrCat(setup.data, "/", tokens)).string()) {
  if (std::filesystem::exists(folder_)) return;
  Note(absl::StrCat("filling a store with ", tokens, " tokens"));
  const std::string unfinished = folder_ + ".part";
  std::filesystem::remove_all(unfinished);
  std::filesystem::create_directories(unfinished);
  Fill(unfinished, tokens);
  std::filesystem::rename(unfinished, folder_);
}

std::vector<ObservedToken> ShownAgain(int tokens, int count) {
  const int part = tokens / static_cast<int>(std::size(kSampleSources));
  const int step = std::max(part / count, 1);
  std::mt19937_64 random(kSeed);
  std::vector<ObservedToken> shown;
  for (int i = 0; i < part; ++i) {
    ObservedToken token = SampleToken(random, kSampleSources[0], absl::Now());
    if (i % step == 0) shown.push_back(std::move(token));
  }
  return shown;
}

TokenFile::TokenFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  text_ = text.str();
  for (std::size_t at = 0; at < text_.size();) {
    std::uint32_t size = 0;
    google::protobuf::io::CodedInputStream input(
        reinterpret_cast<const std::uint8_t*>(text_.data()) + at + 1, 5);
    if (!input.ReadVarint32(&size)) Fail(path + " is damaged");
    at += 1 + static_cast<std::size_t>(input.CurrentPosition());
    tokens_.push_back(absl::string_view(text_).substr(at, size));
    at += size;
    ends_.push_back(at);
    bytes_ += size;
  }
  if (tokens_.empty()) Fail(path + " holds no tokens");
}

absl::string_view TokenFile::Frames(std::size_t first, std::size_t count) const {
  const std::size_t begin = first == 0 ? 0 : ends_[first - 1];
  return absl::string_view(text_).substr(begin, ends_[first + count - 1] - begin);
}

TokenKey KeyOf(absl::string_view bytes) {
  v1::Token token;
  if (!token.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) Fail("a bad token");
  TokenKey key;
  key.name = token.name();
  key.uid = token.uid();
  key.expire = token.has_expire_time() ? token.expire_time().seconds()
                                       : std::numeric_limits<std::int64_t>::max();
  return key;
}

}  // namespace tokeninventory::bench
