#include "tests/vendor_sim/fault_catalogue.h"

#include <set>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "tests/vendor_sim/commands.h"
#include "tests/vendor_sim/encoding.h"
#include "tests/vendor_sim/sim_fixture.h"

namespace tokeninventory::vendor_sim {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kAgents[] =
    "/v2/organizations/my_great_org/clusters/e4f44564-d3ea-45eb-87c2-6506643b852a/tokens";

class FaultCatalogueTest : public SimTest {
 protected:
  FaultCatalogueTest() {
    Options options = TestOptions(300);
    options.max_page_size = 5;
    StartSim(options);
  }

  void Spoil(const std::string& name) {
    const std::optional<NamedFault> named = FindFault(name);
    ASSERT_TRUE(named) << name;
    sim().AddFault(named->fault);
  }
  Reply SpoiltOpal(const std::string& name, const std::string& query = "") {
    Spoil(name);
    return Opal("/tokens" + query);
  }
  Reply SpoiltDeepset(const std::string& name) {
    Spoil(name);
    return Deepset("/api/v1/workspaces/default/token?page_number=1");
  }
  static std::string Graphql(const std::string& after) {
    const nlohmann::json body = {
        {"query", "query($org: ID!) { organization(slug: $org) { apiAccessTokens(first: 100) {…"},
        {"variables",
         {{"org", "my_great_org"},
          {"after", after.empty() ? nlohmann::json() : nlohmann::json(after)}}}};
    return body.dump();
  }
};

TEST_F(FaultCatalogueTest, EveryFaultChangesTheAnswerToSomeList) {
  std::set<std::string> names;
  for (const NamedFault& named : FaultCatalogue()) {
    SCOPED_TRACE(named.name);
    EXPECT_TRUE(names.insert(named.name).second);
    if (named.fault.delivery == Delivery::kStall ||
        named.fault.delivery == Delivery::kStallInBody) {
      continue;  // below
    }
    if (named.fault.announce_more != 0) continue;
    // Second pages, as the first look the same when a page mark is lost.
    const std::string cursor = Parse(Opal("/tokens")).at("next");
    const auto ask = [&](int which) {
      switch (which) {
        case 0:
          return Opal("/tokens?cursor=" + PercentEncode(cursor));
        case 1:
          return Deepset("/api/v1/workspaces/default/token?page_number=2");
        default:
          return Buildkite(std::string(kAgents) + "?page=1");
      }
    };
    bool changed = false;
    for (int which = 0; which < 3; ++which) {
      const Reply sound = ask(which);
      EXPECT_EQ(sound.status, 200);
      Fault fault = named.fault;
      fault.count = 2;  // curl asks again by itself when a connection it kept is reset
      sim().AddFault(fault);
      const Reply spoilt = ask(which);
      changed |= spoilt.status != sound.status || spoilt.body != sound.body ||
                 spoilt.headers != sound.headers || spoilt.error != sound.error;
      if (named.fault.remove_shown > 0) changed |= ask(which).body != sound.body;
      sim().ClearFaults();
    }
    EXPECT_TRUE(changed);
    EXPECT_FALSE(FindFault(named.name + "?"));
  }
}

TEST_F(FaultCatalogueTest, AStallEndsWithTheFaultsAndDoesNotHoldUpAStop) {
  for (const char* name : {"stall", "stall-in-body"}) {
    Spoil(name);
    Reply reply;
    std::thread waiting([&] { reply = Opal("/tokens"); });
    while (sim().Requests().empty()) std::this_thread::yield();
    SimClient other;
    EXPECT_EQ(other.Get(sim().OpalBaseUrl() + "/tokens", kOpalToken).status, 200);
    // It may not have begun to stall yet: then the next release frees it.
    std::atomic<bool> done{false};
    std::thread releasing([&] {
      while (!done) {
        sim().ClearFaults();
        std::this_thread::yield();
      }
    });
    waiting.join();
    done = true;
    releasing.join();
    EXPECT_NE(reply.error, "") << name;
    sim().ClearRequests();
  }
  Spoil("stall");
  std::thread waiting([this] { EXPECT_NE(Opal("/tokens").error, ""); });
  while (sim().Requests().empty()) std::this_thread::yield();
  sim().Stop();
  waiting.join();
}

TEST_F(FaultCatalogueTest, ConnectionsBreakAndLengthsLie) {
  for (const char* name : {"reset-in-body", "cut-body", "length-too-long"}) {
    EXPECT_NE(SpoiltOpal(name).error, "") << name;
    EXPECT_EQ(Opal("/tokens").error, "") << name;
  }
  Spoil("reset");  // curl asks again by itself when a connection it kept is reset
  EXPECT_THAT(SpoiltOpal("reset").error, HasSubstr("receiving"));
  const std::string whole = Opal("/tokens").body;
  {
    // A connection of its own: the bytes too many may be taken for the next answer.
    SimClient other;
    Spoil("length-too-short");
    EXPECT_EQ(other.Get(sim().OpalBaseUrl() + "/tokens", kOpalToken).body,
              whole.substr(0, whole.size() - 5));
  }
  const Reply huge = SpoiltOpal("body-100mb");
  EXPECT_EQ(huge.body.size(), whole.size() + 100'000'000);
  EXPECT_GE(SpoiltOpal("gzip-bomb").body.size(), 100'000'000U) << "unpacked";
}

TEST_F(FaultCatalogueTest, StatusesAndBodiesCarryThePlantedText) {
  EXPECT_EQ(SpoiltOpal("591").status, 591);
  EXPECT_THAT(SpoiltOpal("404").body, HasSubstr(kPlantedText));
  EXPECT_EQ(SpoiltOpal("429-for-an-hour").headers.at("retry-after"), "3600");
  EXPECT_EQ(SpoiltOpal("redirect-off").headers.at("location"), "http://other.example/");
  EXPECT_EQ(SpoiltOpal("html-login").headers.at("content-type"), "text/html");
  EXPECT_EQ(SpoiltOpal("empty-body").body, "");
}

TEST_F(FaultCatalogueTest, RecordsAreSpoiltWhateverTheVendor) {
  EXPECT_EQ(Parse(SpoiltOpal("empty-list")).at("results").size(), 0U);
  EXPECT_TRUE(Parse(SpoiltOpal("null-list")).at("results").is_null());
  EXPECT_EQ(Parse(SpoiltDeepset("duplicates")).at("data").size(), 10U);
  EXPECT_TRUE(Parse(SpoiltDeepset("null-records")).at("data").at(0).is_null());
  EXPECT_TRUE(Parse(SpoiltDeepset("null-values")).at("data").at(0).at("api_token_id").is_null());
  EXPECT_EQ(Parse(SpoiltOpal("unknown-enums")).at("results").at(0).at("access_level"), "BRAND_NEW");
  EXPECT_EQ(Parse(SpoiltOpal("wrong-types")).at("results").at(0).at("token_id"), 17);
  Spoil("duplicates");
  EXPECT_EQ(Parse(Buildkite("/v2/organizations")).size(), 2U);
  const Json sound = Parse(Opal("/tokens")).at("results");
  const Json shuffled = Parse(SpoiltOpal("shuffled")).at("results");
  EXPECT_NE(shuffled, sound);
  EXPECT_THAT(shuffled, ::testing::UnorderedElementsAreArray(sound));
}

TEST_F(FaultCatalogueTest, PageMarksAreSpoiltWhateverTheVendor) {
  const std::string next = Parse(Opal("/tokens")).at("next");
  EXPECT_TRUE(Parse(SpoiltOpal("no-next")).at("next").is_null());
  EXPECT_EQ(Parse(SpoiltOpal("next-is-this", "?cursor=" + PercentEncode(next))).at("next"), next);
  EXPECT_EQ(Parse(SpoiltOpal("same-page", "?cursor=" + PercentEncode(next))),
            Parse(Opal("/tokens")));
  EXPECT_EQ(Parse(SpoiltOpal("next-off")).at("next"), "http://other.example/page");
  const int total = Parse(Deepset("/api/v1/workspaces/default/token")).at("total");
  EXPECT_EQ(Parse(SpoiltDeepset("total-higher")).at("total"), total + 3);
  EXPECT_FALSE(Parse(SpoiltDeepset("total-absent")).contains("total"));
  EXPECT_EQ(Parse(SpoiltDeepset("no-next")).at("has_more"), false);

  EXPECT_THAT(Buildkite(kAgents).headers.at("link"), HasSubstr("rel=\"next\""));
  Spoil("no-next");
  EXPECT_EQ(Buildkite(kAgents).headers.count("link"), 0U);
  Spoil("next-off");
  EXPECT_THAT(Buildkite(kAgents).headers.at("link"), StartsWith("<http://other.example/v2"));
  Spoil("never-ends");
  EXPECT_THAT(Buildkite(std::string(kAgents) + "?page=70").headers.at("link"),
              EndsWith("page=71>; rel=\"next\""));
}

TEST_F(FaultCatalogueTest, GraphqlIsPagedAndSpoiltToo) {
  const auto ask = [this](const std::string& after) {
    const Reply reply = client().Post(sim().BuildkiteGraphqlUrl(), kBuildkiteToken, Graphql(after));
    return Parse(reply).at("data").at("organization").at("apiAccessTokens");
  };
  std::set<std::string> seen;
  std::string after;
  for (bool more = true; more;) {
    const Json page = ask(after);
    for (const Json& edge : page.at("edges")) seen.insert(edge.at("node").at("uuid"));
    EXPECT_LE(page.at("edges").size(), 5U);
    more = page.at("pageInfo").at("hasNextPage");
    after = page.at("pageInfo").at("endCursor");
  }
  EXPECT_EQ(seen.size(), sim().ReadTruth().api_access_tokens.size());
  EXPECT_GT(seen.size(), 5U);
  Spoil("null-values");
  EXPECT_TRUE(ask("").at("edges").at(0).at("node").at("uuid").is_null());
  Spoil("no-next");
  EXPECT_EQ(ask("").at("pageInfo").at("hasNextPage"), false);
  EXPECT_EQ(client().Post(sim().BuildkiteGraphqlUrl(), "wrong", Graphql("")).status, 401);
}

TEST_F(FaultCatalogueTest, ShrinkingListsLoseWhatTheyShowed) {
  const std::size_t before = sim().Counts().opal;
  const std::string first = Parse(SpoiltOpal("shrinks")).at("results").at(0).at("token_id");
  EXPECT_EQ(sim().Counts().opal, before - 1);
  EXPECT_EQ(Parse(Opal("/tokens?token_ids=" + first)).at("results").size(), 0U);
}

TEST_F(FaultCatalogueTest, FaultsChooseTheirRequests) {
  Fault fault;
  fault.status = 500;
  fault.skip = 1;
  fault.count = 2;
  fault.target_matches = R"(/v2/organizations/[^/]+/clusters(\?.*)?)";
  sim().AddFault(fault);
  const char* const clusters = "/v2/organizations/my_great_org/clusters?page=1";
  EXPECT_EQ(Buildkite(kAgents).status, 200);
  for (const int status : {200, 500, 500, 200}) {
    EXPECT_EQ(Buildkite(clusters).status, status);
  }
}

TEST_F(FaultCatalogueTest, TheProgramIsToldByLines) {
  EXPECT_THAT(RunCommand(sim(), "faults"), HasSubstr(" stall "));
  EXPECT_THAT(RunCommand(sim(), "fault 503 1 /v1/tokens"), StartsWith("503"));
  EXPECT_EQ(Deepset("/api/v1/workspaces").status, 200);
  EXPECT_EQ(Opal("/tokens").status, 503);
  EXPECT_EQ(Opal("/tokens").status, 200);
  RunCommand(sim(), "fault html-login");
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Opal("/tokens").body, StartsWith("<!DOCTYPE"));
  EXPECT_EQ(RunCommand(sim(), "clear"), "no faults");
  EXPECT_EQ(Opal("/tokens").status, 200);
  EXPECT_EQ(RunCommand(sim(), "churn 3"), "3 of 3 changes");
  for (const char* wrong : {"fault", "fault nonsense", "fault 503 none", "fault 503 0", "churn",
                            "churn none", "churn 0", "", "x"}) {
    EXPECT_THAT(RunCommand(sim(), wrong), StartsWith("error: ")) << wrong;
  }
}

}  // namespace
}  // namespace tokeninventory::vendor_sim
