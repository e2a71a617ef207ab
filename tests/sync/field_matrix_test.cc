// Every member of every record of every stream, as null, left out, and as another type: a vendor
// that changes its schema loses nobody a token and makes nobody another one, and when it changes
// back, all is as before.
//
// Prints a table: the state in which the last of two such passes ended.
#include <gtest/gtest.h>

#include <cstdio>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sync/sync_world.h"
#include "tests/vendor_sim/spoilers.h"

namespace tokeninventory::testing {
namespace {

using vendor_sim::Fault;
using vendor_sim::Request;
using vendor_sim::Response;

using Edit = void (*)(Response&, const std::string&);

struct Spoiler {
  const char* name;
  Edit edit;
};
constexpr Spoiler kSpoilers[] = {{"null", vendor_sim::NullMember},
                                 {"absent", vendor_sim::DropMember},
                                 {"retyped", vendor_sim::RetypeMember}};

Fault OnStream(SyncWorld& world, const CompiledStream& stream,
               std::function<void(Response&)> edit) {
  Fault fault;
  fault.target_matches = world.TargetsOf(stream);
  fault.count = std::numeric_limits<int>::max();
  fault.edit_response = [edit = std::move(edit)](const Request&, Response& response) {
    edit(response);
  };
  return fault;
}

std::vector<std::string> MembersOf(SyncWorld& world, const CompiledStream& stream) {
  std::vector<std::string> names;
  world.sim().AddFault(OnStream(world, stream, [&](Response& response) {
    if (names.empty()) names = vendor_sim::MemberNames(response);
  }));
  EXPECT_EQ(world.Pass().state(), v1::Source::OK);
  world.sim().ClearFaults();
  return names;
}

std::string Try(SyncWorld& world, const CompiledStream& stream, const std::string& member,
                Edit edit) {
  v1::Source::State state = v1::Source::OK;
  for (int pass = 0; pass < 2; ++pass) {
    world.ChangeALittle();
    const std::map<std::string, KnownToken> before = world.Known();
    world.sim().AddFault(
        OnStream(world, stream, [&](Response& response) { edit(response, member); }));
    state = world.Pass().state();
    world.sim().ClearFaults();
    const TokenFacts truth = world.Truth();
    const std::map<std::string, KnownToken> now = world.Known();
    for (const auto& [id, was] : before) {
      if (truth.count(id) == 0) continue;
      EXPECT_NE(now.at(id).presence, v1::Token::DELETED) << id << " exists";
      EXPECT_EQ(now.at(id).uid, was.uid) << id << " was taken for another";
    }
  }
  EXPECT_GT(world.Converge(4), 0) << world.Difference() << world.Status().ShortDebugString();
  std::string name = v1::Source::State_Name(state);
  return name;
}

TEST(FieldMatrixTest, ASchemaThatChangesLosesNothing) {
  std::string table = absl::StrFormat("%-45s %-12s %-12s %s\n", "", "null", "absent", "retyped");
  int cells = 0;
  for (const std::string& vendor : BuiltInVendors()) {
    SyncWorld world({.vendor = vendor, .all_streams = true});
    ASSERT_EQ(world.Converge(1), 1) << world.Difference();
    for (const CompiledStream& stream : world.manifest().streams) {
      const std::vector<std::string> members = MembersOf(world, stream);
      EXPECT_FALSE(members.empty()) << stream.spec->name();
      for (const std::string& member : members) {
        const std::string field = absl::StrCat(stream.spec->name(), ".", member);
        absl::StrAppendFormat(&table, "%-45s", field);
        for (const Spoiler& spoiler : kSpoilers) {
          SCOPED_TRACE(absl::StrCat(vendor, " ", field, " ", spoiler.name));
          absl::StrAppendFormat(&table, " %-12s", Try(world, stream, member, spoiler.edit));
          ++cells;
        }
        absl::StrAppend(&table, "\n");
      }
    }
  }
  std::printf("%s%d cells\n", table.c_str(), cells);
}

}  // namespace
}  // namespace tokeninventory::testing
