// Every fault of the simulator on every stream of every built-in manifest, one sentence about each:
// what was known is still there, nothing is DELETED that the vendor still has, and clean passes
// find back to exactly the vendor's truth. Streams come from the manifests and faults from the
// catalogue, so a new one of either is in here by itself.
//
// Prints a table: in what state the last faulty pass ended, and how many clean passes it took.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <regex>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sync/sync_world.h"
#include "tests/vendor_sim/credentials.h"
#include "tests/vendor_sim/fault_catalogue.h"

namespace tokeninventory::testing {
namespace {

using vendor_sim::Fault;
using vendor_sim::FaultCatalogue;
using vendor_sim::FaultKind;
using vendor_sim::NamedFault;

// A token that is gone from a stream whose vendor cannot be asked for one token is believed gone
// after two clean passes; a third may be needed where a fault hid a parent.
constexpr int kMostCleanPasses = 4;

// How a fault is put on a stream's requests, in each of three passes in a row: one more than makes
// a token DELETED.
struct Spread {
  const char* title;
  // Only the last request of a pass: what it would have shown is little enough for the mass-drop
  // guard to let it go.
  bool only_the_end = false;
  // Nobody can be asked for one token: what saves it is that nothing was proven. Lists that are
  // short without a sign of it are left out: nothing but a look-up tells them from deletions.
  bool no_look_ups = false;
};

constexpr int kPasses = 3;

const char* ShortName(v1::Source::State state) {
  switch (state) {
    case v1::Source::OK:
      return "ok";
    case v1::Source::DEGRADED:
      return "degr";
    case v1::Source::AUTH_FAILED:
      return "auth";
    case v1::Source::RATE_LIMITED:
      return "rate";
    case v1::Source::UNREACHABLE:
      return "unre";
    case v1::Source::FAILED:
      return "fail";
    case v1::Source::SUSPICIOUS:
      return "susp";
    default:
      return "?";
  }
}

// One vendor's streams, and the world in which they are tried.
struct Columns {
  std::unique_ptr<SyncWorld> world;
  std::vector<const CompiledStream*> streams;
};

std::vector<Columns> MakeColumns() {
  std::vector<Columns> all;
  for (const std::string& vendor : BuiltInVendors()) {
    for (const bool off : {false, true}) {
      const std::shared_ptr<const CompiledManifest> manifest = BuiltInManifest(vendor);
      const auto belongs = [off](const CompiledStream& stream) {
        return (stream.spec->default_() == "off") == off;
      };
      if (std::none_of(manifest->streams.begin(), manifest->streams.end(), belongs)) continue;
      Columns columns;
      columns.world = std::make_unique<SyncWorld>(SyncWorld::Options{vendor, /*all_streams=*/off});
      for (const CompiledStream& stream : columns.world->manifest().streams) {
        if (belongs(stream)) columns.streams.push_back(&stream);
      }
      all.push_back(std::move(columns));
    }
  }
  return all;
}

class FaultMatrixTest : public ::testing::Test {
 protected:
  // What the vendor ever had is what may be shown.
  void Remember(const TokenFacts& truth) {
    for (const auto& [id, facts] : truth) names_[id].insert(facts.substr(0, facts.find('|')));
  }

  // What must hold after any pass, whatever the vendor answered.
  void CheckNothingIsLost(SyncWorld& world, const std::map<std::string, KnownToken>& before,
                          FaultKind kind) {
    const TokenFacts truth = world.Truth();
    const std::map<std::string, KnownToken> now = world.Known();
    Remember(truth);
    for (const auto& [id, facts] : truth) {
      const auto was = before.find(id);
      if (was == before.end()) continue;
      const auto is = now.find(id);
      ASSERT_NE(is, now.end()) << id;
      EXPECT_NE(is->second.presence, v1::Token::DELETED) << id << " exists";
      if (kind == FaultKind::kFailure) {
        EXPECT_EQ(is->second.presence, was->second.presence) << id << " exists";
      }
      EXPECT_EQ(is->second.uid, was->second.uid) << id << " was taken for another";
    }
    for (const auto& [id, token] : now) {
      ASSERT_EQ(names_.count(id), 1U) << id << " never existed";
      EXPECT_EQ(names_[id].count(token.display_name), 1U) << id << ": " << token.display_name;
    }
  }

  static void CheckWhatIsSaid(SyncWorld& world, const CompiledStream& stream,
                              const NamedFault& named) {
    const v1::Source status = world.Status();
    std::string all = status.error();
    bool named_stream = false;
    for (const v1::IncompleteScope& scope : status.incomplete_scopes()) {
      absl::StrAppend(&all, "\n", scope.stream(), " ", scope.scope(), " ", scope.reason());
      named_stream |= scope.stream() == stream.spec->name() && !scope.reason().empty();
    }
    for (const char* secret :
         {vendor_sim::kPlantedText, vendor_sim::kDeepsetKey, vendor_sim::kOpalToken,
          vendor_sim::kBuildkiteToken, "other.example", "http://", "cursor="}) {
      EXPECT_FALSE(absl::StrContains(all, secret)) << all;
    }
    const bool ok = status.state() == v1::Source::OK;
    EXPECT_EQ(status.error().empty(), ok) << all;
    EXPECT_EQ(status.incomplete_scopes_size() == 0, ok) << all;
    if (named.kind == FaultKind::kFailure) {
      EXPECT_FALSE(ok);
      EXPECT_TRUE(named_stream) << all;
    }
    if (named.kind == FaultKind::kPlausible) {
      EXPECT_TRUE(ok) << all;
    }
  }

  // How many requests for the stream's listings a clean pass makes.
  static int CountRequests(SyncWorld& world, const CompiledStream& stream) {
    const std::regex pattern(world.TargetsOf(stream));
    world.sim().ClearRequests();
    world.WaitForNextPass();
    EXPECT_EQ(world.Pass().state(), v1::Source::OK);
    int count = 0;
    for (const vendor_sim::LoggedRequest& request : world.sim().Requests()) {
      if (std::regex_match(request.target, pattern)) ++count;
    }
    return count;
  }

  // One cell of the table.
  std::string Try(SyncWorld& world, const CompiledStream& stream, const NamedFault& named,
                  const Spread& spread) {
    Fault fault = named.fault;
    fault.target_matches = world.TargetsOf(stream);
    fault.count = std::numeric_limits<int>::max();
    if (spread.only_the_end) fault.skip = CountRequests(world, stream) - 1;
    Fault no_look_ups;
    no_look_ups.status = 500;
    no_look_ups.count = std::numeric_limits<int>::max();
    v1::Source::State state = v1::Source::OK;
    for (int pass = 0; pass < kPasses; ++pass) {
      world.ChangeALittle();
      Remember(world.Truth());
      const std::map<std::string, KnownToken> before = world.Known();
      world.BeHasty(fault.delivery == vendor_sim::Delivery::kStall ||
                    fault.delivery == vendor_sim::Delivery::kStallInBody);
      world.WaitForNextPass();
      world.sim().AddFault(fault);
      if (spread.no_look_ups) {
        for (const CompiledStream& asked : world.manifest().streams) {
          no_look_ups.target_matches = world.LookUpsOf(asked);
          if (!no_look_ups.target_matches.empty()) world.sim().AddFault(no_look_ups);
        }
      }
      state = world.Pass().state();
      world.sim().ClearFaults();
      world.BeHasty(false);
      CheckNothingIsLost(world, before, named.kind);
      if (!spread.only_the_end) CheckWhatIsSaid(world, stream, named);
    }
    const int passes = world.Converge(kMostCleanPasses);
    EXPECT_GT(passes, 0) << world.Difference() << world.Status().ShortDebugString();
    return absl::StrCat(ShortName(state), " ", passes);
  }

  void TryAll(const Spread& spread) {
    std::vector<Columns> all = MakeColumns();
    std::string table = absl::StrFormat("%-17s", spread.title);
    for (const Columns& columns : all) {
      EXPECT_GT(columns.world->Converge(1), 0) << columns.world->Difference();
      Remember(columns.world->Truth());
      for (const CompiledStream* stream : columns.streams) {
        absl::StrAppend(&table, " | ", columns.world->source(), "/", stream->spec->name());
      }
    }
    int cells = 0;
    for (const NamedFault& named : FaultCatalogue()) {
      if (spread.no_look_ups && named.kind == FaultKind::kShort) continue;
      absl::StrAppendFormat(&table, "\n%-17s", named.name);
      for (Columns& columns : all) {
        for (const CompiledStream* stream : columns.streams) {
          const std::string header =
              absl::StrCat(columns.world->source(), "/", stream->spec->name());
          SCOPED_TRACE(absl::StrCat(named.name, " on ", header, ", ", spread.title));
          const std::string cell = Try(*columns.world, *stream, named, spread);
          absl::StrAppendFormat(&table, " | %-*s", static_cast<int>(header.size()), cell);
          ++cells;
        }
      }
    }
    std::printf("%s\n%d cells: state after the last faulty pass, clean passes until all is true\n",
                table.c_str(), cells);
  }

  std::map<std::string, std::set<std::string>> names_;  // by id
};

TEST_F(FaultMatrixTest, OnEveryRequest) { TryAll({.title = "every request"}); }

TEST_F(FaultMatrixTest, OnTheLastRequestWhenNobodyCanBeAsked) {
  TryAll({.title = "the last request", .only_the_end = true, .no_look_ups = true});
}

}  // namespace
}  // namespace tokeninventory::testing
