// Prints nanoseconds per token for typical filters over 1 M synthetic tokens,
// from the bytes alone, with columns, for blocks of rows, and as a list scans them.
// Not a test: it asserts nothing.
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/numeric/bits.h"
#include "absl/strings/str_cat.h"
#include "inventory/filter/filter.h"
#include "inventory/filter/order.h"
#include "inventory/snapshot.h"
#include "inventory/token_bytes.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {
namespace {

constexpr int kTokens = 1'000'000;
constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kDay = 24 * 3600;

std::string Uuid(std::mt19937_64& random) {
  std::string hex =
      absl::StrCat(absl::Hex(random(), absl::kZeroPad16), absl::Hex(random(), absl::kZeroPad16));
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

// About 750 bytes, as DESIGN 10 has it.
std::string MakeToken(std::mt19937_64& random) {
  const char* const providers[] = {"deepset", "opal", "buildkite"};
  const char* const kinds[] = {"api_token", "registry_token", "service", "personal"};
  v1::Token token;
  const std::uint64_t which = random() % 3;
  const std::string id = Uuid(random);
  token.set_name(absl::StrCat("sources/", providers[which], "-prod/tokens/", id));
  token.set_uid(Uuid(random));
  token.set_source(absl::StrCat("sources/", providers[which], "-prod"));
  token.set_provider(providers[which]);
  token.set_provider_token_id(id);
  token.set_display_name(absl::StrCat("Deploy bot of team ", random() % 500));
  token.set_kind(kinds[random() % 4]);
  token.set_hint("tok_…abcd");
  v1::Principal& owner = *token.mutable_owner();
  owner.set_id(Uuid(random));
  const std::uint64_t person = random() % 20'000;
  owner.set_display_name(absl::StrCat("Person Number ", person));
  owner.set_email(absl::StrCat("person.number.", person, "@example.com"));
  owner.set_kind(v1::Principal::USER);
  *token.mutable_creator() = owner;
  token.set_access_level(static_cast<v1::Token::AccessLevel>(1 + random() % 3));
  token.set_role("workspace-editor");
  const auto time = [&](google::protobuf::Timestamp& at, std::int64_t from, std::int64_t days) {
    at.set_seconds(kNow + from * kDay +
                   static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(days * kDay)));
  };
  time(*token.mutable_create_time(), -400, 400);
  if (random() % 4 != 0) {
    time(*token.mutable_expire_time(), 0, 400);
    *token.mutable_effective_expire_time() = token.expire_time();
    token.set_expiry(v1::Token::AT);
  } else {
    token.set_expiry(v1::Token::NEVER);
  }
  time(*token.mutable_last_used_time(), -200, 200);
  token.set_last_use(v1::Token::USED);
  token.set_state(random() % 5 == 0 ? v1::Token::DISABLED : v1::Token::ACTIVE);
  token.set_provider_state("enabled");
  token.set_presence(v1::Token::LISTED);
  time(*token.mutable_first_seen_time(), -10, 10);
  time(*token.mutable_update_time(), -10, 10);
  token.set_revision(static_cast<std::int64_t>(random() % 1'000'000));
  for (int i = 0; i < 2; ++i) {
    v1::TokenScope& scope = *token.add_scopes();
    scope.set_type("workspace");
    scope.set_id(Uuid(random));
    scope.set_display_name(absl::StrCat("workspace ", random() % 100));
  }
  token.add_permissions("read");
  token.add_permissions("write");
  token.set_provider_uri(absl::StrCat("https://vendor.example.com/tokens/", id));
  auto& attributes = *token.mutable_attributes()->mutable_fields();
  attributes["region"].set_string_value(random() % 2 == 0 ? "eu-west-1" : "us-east-1");
  attributes["rotation"].set_bool_value(true);
  return SerializeToken(token);
}

struct Table {
  std::string bytes;
  std::vector<std::size_t> offsets;  // one more than tokens
  std::vector<std::size_t> basic_sizes;
  std::vector<TokenColumns> columns;

  FilterRow Row(int i, bool with_columns) const {
    const auto at = static_cast<std::size_t>(i);
    FilterRow row;
    row.bytes = absl::string_view(bytes).substr(offsets[at], offsets[at + 1] - offsets[at]);
    row.full_offset = basic_sizes[at];
    if (with_columns) {
      row.columns = &columns[at / TokenColumns::kRows];
      row.row = i % TokenColumns::kRows;
    }
    return row;
  }
};

double CpuNanos() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// CPU time of this thread, the best of some rounds.
template <typename Each>
double NanosEach(Each each) {
  double best = 1e18;
  for (int round = 0; round < 5; ++round) {
    const double begin = CpuNanos();
    for (int i = 0; i < kTokens; ++i) each(i);
    best = std::min(best, (CpuNanos() - begin) / kTokens);
  }
  return best;
}

// The same tokens as readers see them.
std::shared_ptr<const Snapshot> MakeSnapshot(const Table& table) {
  constexpr int kAtOnce = 50'000;
  auto snapshot = std::make_shared<const Snapshot>();
  for (int begin = 0; begin < kTokens; begin += kAtOnce) {
    SnapshotBuilder builder(*snapshot);
    for (const char* source : {"deepset-prod", "opal-prod", "buildkite-prod"}) {
      builder.PutSource(source, std::make_shared<const v1::Source>());
    }
    for (int i = begin; i < std::min(begin + kAtOnce, kTokens); ++i) {
      builder.PutToken(i + 1, std::string(table.Row(i, false).bytes));
    }
    snapshot = builder.Build(snapshot->revision() + 1);
  }
  return snapshot;
}

void Run() {
  std::mt19937_64 random(1);
  Table table;
  table.columns.resize(kTokens / TokenColumns::kRows + 1);
  table.offsets.push_back(0);
  for (int i = 0; i < kTokens; ++i) {
    const std::string token = MakeToken(random);
    table.bytes += token;
    table.offsets.push_back(table.bytes.size());
    table.basic_sizes.push_back(ReadTokenFacts(token).basic_size);
  }
  std::printf("%d tokens, %zu bytes each\n", kTokens,
              table.bytes.size() / static_cast<std::size_t>(kTokens));
  std::printf("columns: %.1f bytes/token, set in %.0f ns\n\n",
              static_cast<double>(sizeof(TokenColumns)) / TokenColumns::kRows,
              NanosEach([&](int i) {
                table.columns[static_cast<std::size_t>(i) / TokenColumns::kRows].Set(
                    i % TokenColumns::kRows, table.Row(i, false).bytes);
              }));

  const std::shared_ptr<const Snapshot> snapshot = MakeSnapshot(table);
  FilterOptions options;
  options.now = absl::FromUnixSeconds(kNow);
  std::printf("%9s %8s %8s %8s %8s  filter\n", "matches", "bytes", "columns", "blocks", "scan");
  for (const char* text : {
           // What people ask most.
           "state = ACTIVE AND expire_time < now+30d",
           "provider = \"opal\" AND last_used_time < now-90d",
           "expiry = NEVER AND access_level = (WRITE OR ADMIN)",
           "owner.email = \"person.number.77@example.com\"",
           "display_name:\"team 77\"",
           // Single terms: columns, then others.
           "expire_time < now+30d",
           "state != ACTIVE",
           "provider = \"opal\"",
           "kind = \"*_token\"",
           "source = \"sources/opal-prod\"",
           "uid = \"00000000-0000-0000-0000-000000000000\"",
           "owner.id = \"x\"",
           "owner:*",
           "revision > 500000",
           "zzz",
           "bot",
           "creator.email = \"person.number.77@example.com\"",
           "scopes.id:\"x\"",
           "permissions:\"admin\"",
           "inactivity_window > 90d",
           "attributes.region = \"eu-west-1\"",
       }) {
    const auto compiled = Filter::Compile(text, options);
    if (!compiled.ok()) {
      std::printf("%s\n", std::string(compiled.status().message()).c_str());
      continue;
    }
    int matches = 0;
    const auto measure = [&](bool with_columns) {
      return NanosEach(
          [&](int i) { matches += compiled->Matches(table.Row(i, with_columns)) ? 1 : 0; });
    };
    const double bytes = measure(false);
    const double columns = measure(true);
    const double blocks = NanosEach([&](int i) {
      if (i % TokenColumns::kRows != 0) return;
      matches += absl::popcount(compiled->MatchRows(
          table.columns[static_cast<std::size_t>(i / TokenColumns::kRows)],
          ~std::uint64_t{0} >> (TokenColumns::kRows - std::min(TokenColumns::kRows, kTokens - i)),
          [&](int row) { return table.Row(i + row, false); }));
    });
    const double scan = NanosEach([&](int i) {
      if (i != 0) return;
      snapshot->Scan(0, ScanFilter(), *compiled, [&](const TokenRef&) {
        ++matches;
        return true;
      });
    });
    std::printf("%8.3f%% %8.1f %8.1f %8.1f %8.1f  %s\n", matches / 20.0 / (kTokens / 100.0), bytes,
                columns, blocks, scan, text);
  }

  std::printf("\n%8s %8s  sort key\n", "bytes", "columns");
  for (const char* text : {"expire_time", "owner.email, expire_time desc"}) {
    const auto order = OrderBy::Compile(text);
    std::size_t size = 0;
    const double bytes =
        NanosEach([&](int i) { size += order->SortKey(table.Row(i, false)).size(); });
    const double columns =
        NanosEach([&](int i) { size += order->SortKey(table.Row(i, true)).size(); });
    std::printf("%8.1f %8.1f  %s%s\n", bytes, columns, text, size == 0 ? "!" : "");
  }
}

}  // namespace
}  // namespace tokeninventory

int main() { tokeninventory::Run(); }
