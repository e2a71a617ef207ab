#include "inventory/snapshot.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/inventory/snapshot_maker.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a Snapshot should show.
struct Model {
  struct Row {
    std::string source;
    v1::Token token;
    std::string bytes;
  };
  std::vector<std::string> sources;
  std::map<std::int64_t, Row> rows;

  const Row* Find(const std::string& name) const {
    for (const auto& [number, row] : rows) {
      if (row.token.name() == name) return &row;
    }
    return nullptr;
  }
};

std::vector<std::int64_t> ScannedRows(const Snapshot& snapshot, std::int64_t after,
                                      const ScanFilter& filter) {
  std::vector<std::int64_t> rows;
  snapshot.Scan(after, filter, [&](const TokenRef& token) {
    rows.push_back(token.row);
    return true;
  });
  return rows;
}

std::vector<std::int64_t> ModelRows(const Model& model, std::int64_t after,
                                    const std::string& source, bool show_deleted) {
  std::vector<std::int64_t> rows;
  for (const auto& [number, row] : model.rows) {
    if (number <= after || (!source.empty() && row.source != source)) continue;
    if (show_deleted || IsShown(row.token.presence())) rows.push_back(number);
  }
  return rows;
}

std::vector<SortedEntry> EntriesOf(const SortedIndex& index) {
  std::vector<SortedEntry> entries;
  index.Scan(SortedEntry{std::numeric_limits<std::int64_t>::min(), 0, 0},
             [&](const SortedEntry& entry) {
               entries.push_back(entry);
               return true;
             });
  return entries;
}

std::vector<SortedEntry> ModelByExpireTime(const Model& model) {
  std::vector<SortedEntry> entries;
  for (const auto& [number, row] : model.rows) {
    const std::int64_t time = row.token.has_expire_time()
                                  ? row.token.expire_time().seconds() * 1'000'000'000
                                  : TokenColumns::kNoTime;
    entries.push_back({time, UidTie(row.bytes), static_cast<std::uint32_t>(number)});
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

// `names`: all that ever were.
void ExpectShows(const Snapshot& snapshot, const Model& model, const std::set<std::string>& names) {
  std::int64_t bytes = 0;
  for (const auto& [number, row] : model.rows) {
    const TokenRef ref = snapshot.At(number);
    ASSERT_EQ(ref.full, row.bytes);
    v1::ListTokensResponse as_field;
    *as_field.add_tokens() = row.token;
    ASSERT_EQ(ref.field(), as_field.SerializeAsString());
    EXPECT_EQ(ref.row, number);
    EXPECT_EQ(ref.presence, row.token.presence());
    EXPECT_EQ(ref.basic_size, ReadTokenFacts(row.bytes).basic_size);
    EXPECT_EQ(snapshot.sources()[ref.source].id, row.source);
    bytes += static_cast<std::int64_t>(row.bytes.size());
  }
  EXPECT_EQ(snapshot.token_bytes(), bytes);
  for (const std::string& name : names) {
    const Model::Row* row = model.Find(name);
    const TokenRef ref = snapshot.Find(name);
    ASSERT_EQ(ref.full, row == nullptr ? absl::string_view() : absl::string_view(row->bytes))
        << name;
  }
  EXPECT_TRUE(snapshot.Find("sources/none/tokens/x").full.empty());
  EXPECT_EQ(EntriesOf(snapshot.by_expire_time()), ModelByExpireTime(model));
  for (const bool show_deleted : {false, true}) {
    const auto all = ModelRows(model, 0, "", show_deleted);
    EXPECT_EQ(ScannedRows(snapshot, 0, {ScanFilter::kAllSources, show_deleted}), all);
    EXPECT_EQ(snapshot.Count({ScanFilter::kAllSources, show_deleted}),
              static_cast<std::int64_t>(all.size()));
    for (const std::string& source : model.sources) {
      const int index = snapshot.FindSource(source);
      ASSERT_GE(index, 0);
      const auto own = ModelRows(model, 0, source, show_deleted);
      EXPECT_EQ(ScannedRows(snapshot, 0, {index, show_deleted}), own);
      EXPECT_EQ(snapshot.Count({index, show_deleted}), static_cast<std::int64_t>(own.size()));
    }
  }
}

TEST(SnapshotTest, IsEmptyAtFirst) {
  const Snapshot snapshot;
  EXPECT_EQ(snapshot.revision(), 0);
  EXPECT_EQ(snapshot.Count({}), 0);
  EXPECT_EQ(snapshot.FindSource("acme"), -1);
  for (const std::int64_t row : {-1, 0, 1, 63, 64, 1'000'000}) {
    EXPECT_TRUE(snapshot.At(row).full.empty());
  }
  EXPECT_TRUE(snapshot.Find("x").full.empty());
  EXPECT_THAT(ScannedRows(snapshot, 0, {}), IsEmpty());
}

TEST(SnapshotTest, ViewsAreTheBytesOfTheToken) {
  SnapshotMaker maker;
  const v1::Token token = MakeToken("acme", "t");
  const auto snapshot = maker.Source("acme").Put(1, token).Build();
  const TokenRef ref = snapshot->Find(token.name());
  EXPECT_EQ(ref.bytes(v1::FULL), SerializeToken(token));
  v1::Token basic = token;
  basic.clear_permissions();
  EXPECT_EQ(ref.bytes(v1::BASIC), SerializeToken(basic));
}

TEST(SnapshotTest, ScanContinuesBehindARowAndStopsWhenTold) {
  SnapshotMaker maker;
  maker.Source("acme");
  for (const std::int64_t row : {1, 2, 63, 64, 65, 130, 5000}) {
    maker.Put(row, MakeToken("acme", absl::StrCat(row)));
  }
  const auto snapshot = maker.Build();
  EXPECT_THAT(ScannedRows(*snapshot, 0, {}), ElementsAre(1, 2, 63, 64, 65, 130, 5000));
  EXPECT_THAT(ScannedRows(*snapshot, 63, {}), ElementsAre(64, 65, 130, 5000));
  EXPECT_THAT(ScannedRows(*snapshot, 64, {}), ElementsAre(65, 130, 5000));
  EXPECT_THAT(ScannedRows(*snapshot, 4999, {}), ElementsAre(5000));
  EXPECT_THAT(ScannedRows(*snapshot, 5000, {}), IsEmpty());
  std::vector<std::int64_t> rows;
  snapshot->Scan(0, {}, [&](const TokenRef& token) {
    rows.push_back(token.row);
    return rows.size() < 3;
  });
  EXPECT_THAT(rows, ElementsAre(1, 2, 63));
}

TEST(SnapshotTest, ScanBehindTheLastPossibleRowVisitsNothing) {
  SnapshotMaker maker;
  const auto snapshot = maker.Source("acme").Put(1, MakeToken("acme", "t")).Build();
  EXPECT_THAT(ScannedRows(*snapshot, std::numeric_limits<std::int64_t>::max(), {}), IsEmpty());
}

TEST(SnapshotTest, AReusedNameFindsTheLowerRow) {
  SnapshotMaker maker;
  maker.Source("acme").Put(5, MakeToken("acme", "t"));
  maker.Build();
  v1::Token old = MakeToken("acme", "t", v1::Token::DELETED);
  old.set_uid("old");
  v1::Token now = MakeToken("acme", "t");
  now.set_uid("now");
  auto snapshot = maker.Put(9, old).Put(5, now).Build();
  EXPECT_EQ(ReadTokenFacts(snapshot->Find(now.name()).full).uid, "now");
  // Also after the index was made anew, and when the lower one is gone.
  for (std::int64_t row = 10; row < 1000; ++row) {
    maker.Put(row, MakeToken("acme", absl::StrCat("other-", row)));
  }
  snapshot = maker.Build();
  EXPECT_EQ(ReadTokenFacts(snapshot->Find(now.name()).full).uid, "now");
  snapshot = maker.Purge(5).Build();
  EXPECT_EQ(ReadTokenFacts(snapshot->Find(now.name()).full).uid, "old");
}

// Sources beyond 64 share bits of the blocks' source sets.
TEST(SnapshotTest, ScansOneOfManySources) {
  SnapshotMaker maker;
  constexpr int kSources = 200;
  Model model;
  for (int i = 0; i < kSources; ++i) {
    model.sources.push_back(absl::StrCat("s", i));
    maker.Source(model.sources.back());
  }
  std::set<std::string> names;
  for (std::int64_t row = 1; row <= 1000; ++row) {
    const std::string source = absl::StrCat("s", (row * 7) % kSources);
    const v1::Token token = MakeToken(source, absl::StrCat(row));
    maker.Put(row, token);
    model.rows[row] = {source, token, SerializeToken(token)};
    names.insert(token.name());
  }
  ExpectShows(*maker.Build(), model, names);
}

// More than the builder keeps before it makes blocks of them.
TEST(SnapshotTest, OfManyEditsTheLastOneOfEachRowCounts) {
  std::mt19937_64 random(1);
  SnapshotMaker maker;
  Model model;
  std::set<std::string> names;
  model.sources = {"s"};
  maker.Source("s");
  for (int revision = 0; revision < 3; ++revision) {
    for (int edit = 0; edit < 10'000; ++edit) {
      const auto row = static_cast<std::int64_t>(1 + random() % 300);
      if (random() % 10 == 0) {
        maker.Purge(row);
        model.rows.erase(row);
        continue;
      }
      v1::Token token = MakeToken("s", absl::StrCat(row));
      token.mutable_expire_time()->set_seconds(static_cast<std::int64_t>(random() % 50));
      maker.Put(row, token);
      model.rows[row] = {"s", token, SerializeToken(token)};
      names.insert(token.name());
    }
    ASSERT_NO_FATAL_FAILURE(ExpectShows(*maker.Build(), model, names));
  }
}

// What a start makes is what the commits made, and what comes after is the same.
TEST(SnapshotTest, AppendedTokensAreAsThoseThatWerePut) {
  std::mt19937_64 random(3);
  SnapshotMaker maker;
  Model model;
  std::set<std::string> names;
  model.sources = {"s", "t"};
  maker.Source("s").Source("t");
  const Snapshot nothing;
  SnapshotBuilder builder(nothing);
  for (const std::string& source : model.sources) {
    builder.PutSource(source, std::make_shared<v1::Source>());
  }
  std::int64_t row = 0;
  for (int i = 0; i < 3000; ++i) {
    row += random() % 100 == 0 ? static_cast<std::int64_t>(random() % 5000) : 1;
    const std::string source = model.sources[random() % 2];
    // Some names are there twice.
    v1::Token token = MakeToken(source, absl::StrCat(random() % 20'000),
                                random() % 5 == 0 ? v1::Token::DELETED : v1::Token::LISTED);
    if (random() % 4 != 0) {
      token.mutable_expire_time()->set_seconds(static_cast<std::int64_t>(random() % 50));
      *token.mutable_effective_expire_time() = token.expire_time();
    }
    if (random() % 10 == 0) {
      token.mutable_effective_expire_time()->set_seconds(static_cast<std::int64_t>(random() % 50));
    }
    model.rows[row] = {source, token, SerializeToken(token)};
    names.insert(token.name());
    maker.Put(row, token);
    const absl::StatusOr<TokenRef> appended = builder.Append(row, model.rows[row].bytes);
    ASSERT_TRUE(appended.ok()) << appended.status();
    EXPECT_EQ(appended->row, row);
    EXPECT_EQ(appended->full, model.rows[row].bytes);
    EXPECT_EQ(appended->presence, token.presence());
  }
  const auto put = maker.Build();
  const auto appended = builder.Build(1);
  ASSERT_NO_FATAL_FAILURE(ExpectShows(*appended, model, names));
  EXPECT_EQ(EntriesOf(appended->by_effective_expire_time()),
            EntriesOf(put->by_effective_expire_time()));
  EXPECT_EQ(appended->end_row(), put->end_row());

  // The next commits.
  SnapshotBuilder next(*appended);
  int edits = 0;
  for (auto it = model.rows.begin(); it != model.rows.end() && edits < 200; ++edits) {
    if (edits % 3 == 0) {
      next.Purge(it->first);
      maker.Purge(it->first);
      it = model.rows.erase(it);
      continue;
    }
    Model::Row& changed = it->second;
    changed.token.mutable_effective_expire_time()->set_seconds(edits);
    changed.bytes = SerializeToken(changed.token);
    next.PutToken(it->first, changed.bytes);
    maker.Put(it->first, changed.token);
    ++it;
  }
  const auto after = next.Build(2);
  ASSERT_NO_FATAL_FAILURE(ExpectShows(*after, model, names));
  EXPECT_EQ(EntriesOf(after->by_effective_expire_time()),
            EntriesOf(maker.Build()->by_effective_expire_time()));
}

TEST(SnapshotTest, AppendRefusesWhatAStoreMustNotHold) {
  const Snapshot nothing;
  const std::string good = SerializeToken(MakeToken("s", "1"));
  const struct {
    const char* what;
    std::int64_t row;
    std::string token;
  } cases[] = {{"a row before the last", 4, good},
               {"the last row again", 5, good},
               {"row 0", 0, good},
               {"a negative row", -3, good},
               {"no bytes", 6, ""},
               {"cut bytes", 6, good.substr(0, good.size() - 1)},
               {"another source", 6, SerializeToken(MakeToken("other", "1"))}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.what);
    SnapshotBuilder builder(nothing);
    builder.PutSource("s", std::make_shared<v1::Source>());
    ASSERT_TRUE(builder.Append(5, good).ok());
    EXPECT_EQ(builder.Append(each.row, each.token).status().code(), absl::StatusCode::kDataLoss);
  }
}

// Random edits against a plain map; old snapshots must stay as they were.
class SnapshotModelTest : public ::testing::TestWithParam<unsigned> {};

TEST_P(SnapshotModelTest, ShowsWhatAPlainMapShows) {
  std::mt19937_64 random(GetParam());
  SnapshotMaker maker;
  Model model;
  std::set<std::string> names;
  std::vector<std::pair<std::shared_ptr<const Snapshot>, Model>> history;
  std::int64_t next_row = 1;
  const auto put = [&](std::int64_t row, const std::string& source, const std::string& id) {
    constexpr v1::Token::Presence kPresences[] = {v1::Token::LISTED, v1::Token::MISSING,
                                                  v1::Token::DELETED, v1::Token::DETACHED};
    v1::Token token = MakeToken(source, id, kPresences[random() % 4]);
    token.set_display_name(std::string(random() % 200, 'd'));
    if (random() % 4 != 0)
      token.mutable_expire_time()->set_seconds(static_cast<std::int64_t>(random() % 5));
    maker.Put(row, token);
    model.rows[row] = {source, token, SerializeToken(token)};
    names.insert(token.name());
  };
  for (int step = 0; step < 60; ++step) {
    if (step == 0 || random() % 8 == 0) {
      model.sources.push_back(absl::StrCat("s", model.sources.size()));
      maker.Source(model.sources.back());
    }
    const std::uint64_t edits = random() % 80;
    for (std::uint64_t i = 0; i < edits; ++i) {
      const std::uint64_t what = random() % 10;
      if (what < 5 || model.rows.empty()) {
        // Sometimes far away, in another node of the tree.
        next_row += random() % 50 == 0 ? static_cast<std::int64_t>(random() % 10'000) : 1;
        const std::string& source = model.sources[random() % model.sources.size()];
        // Few ids, so that names come back after a purge, and are there twice.
        put(next_row, source, absl::StrCat(random() % 2000));
        continue;
      }
      auto it = model.rows.lower_bound(
          static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(next_row)));
      if (it == model.rows.end()) it = model.rows.begin();
      if (what < 8) {
        const Model::Row row = it->second;
        put(it->first, row.source, row.token.provider_token_id());
      } else {
        maker.Purge(it->first);
        model.rows.erase(it);
      }
    }
    history.emplace_back(maker.Build(), model);
    ASSERT_NO_FATAL_FAILURE(ExpectShows(*history.back().first, model, names));
  }
  for (const auto& [snapshot, then] : history) {
    ASSERT_NO_FATAL_FAILURE(ExpectShows(*snapshot, then, names));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SnapshotModelTest, ::testing::Range(1u, 9u));

TEST(SnapshotScanTest, AFilteredScanVisitsWhatTheFilterLetsPass) {
  std::mt19937_64 random(4);
  SnapshotMaker maker;
  maker.Source("acme").Source("beta");
  constexpr v1::Token::Presence kPresences[] = {v1::Token::LISTED, v1::Token::MISSING,
                                                v1::Token::DELETED};
  // Whole blocks, halves and single rows are without a token.
  for (std::int64_t row = 1; row < 700; ++row) {
    if (row / 64 == 3 || row / 32 == 9 || random() % 9 == 0) continue;
    v1::Token token =
        MakeToken(random() % 8 == 0 ? "beta" : "acme", absl::StrCat(row), kPresences[random() % 3]);
    token.set_state(random() % 2 == 0 ? v1::Token::ACTIVE : v1::Token::EXPIRED);
    maker.Put(row, token);
  }
  const auto snapshot = maker.Build();
  for (const char* text : {"", "state = ACTIVE", "provider_token_id = \"1*\"", "permissions:x",
                           "state = ACTIVE AND permissions:\"read:everything\""}) {
    const Filter matching = Filter::Compile(text, {}).value();
    for (const ScanFilter& filter : {ScanFilter{}, ScanFilter{snapshot->FindSource("beta"), false},
                                     ScanFilter{snapshot->FindSource("acme"), true}}) {
      for (const std::int64_t after : {0, 1, 62, 63, 64, 200, 698, 699, 5000}) {
        SCOPED_TRACE(absl::StrCat(text, " after ", after));
        std::vector<std::int64_t> want;
        snapshot->Scan(after, filter, [&](const TokenRef& token) {
          if (matching.Matches(token.filter_row())) want.push_back(token.row);
          return true;
        });
        std::vector<std::int64_t> got;
        snapshot->Scan(after, filter, matching, [&](const TokenRef& token) {
          got.push_back(token.row);
          return true;
        });
        EXPECT_EQ(got, want);
        // And stops when told to.
        if (!want.empty()) {
          got.clear();
          snapshot->Scan(after, filter, matching, [&](const TokenRef& token) {
            got.push_back(token.row);
            return false;
          });
          EXPECT_THAT(got, ElementsAre(want.front()));
        }
      }
    }
  }
}

}  // namespace
}  // namespace tokeninventory::testing
