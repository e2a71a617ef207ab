// Kubernetes' cases on lists, run as data: a resource version is a revision, a
// namespace a source, a continue token a page token, and what a list must not
// be older than is `min_revision`. What differs here is in the tables below with
// the reason; a case that is neither run nor listed fails the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/e2e/ledger_service.h"
#include "tests/e2e/test_service.h"

namespace tokeninventory::testing {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Json ReadCases() {
  return Json::parse(std::ifstream(std::string(TI_E2E_TESTDATA) + "k8s_list_cases.json"));
}

v1::ListTokensRequest Request(const std::string& parent, const std::string& filter = "",
                              int page_size = 0) {
  v1::ListTokensRequest request;
  request.set_parent(parent);
  request.set_filter(filter);
  request.set_page_size(page_size);
  return request;
}

std::vector<std::string> IdsOf(const v1::ListTokensResponse& page) {
  std::vector<std::string> ids;
  for (const v1::Token& token : page.tokens()) ids.push_back(token.provider_token_id());
  return ids;
}

// -- RunTestList.

// Where a list answers otherwise than Kubernetes' does.
struct Otherwise {
  const char* name;
  const char* why;
  const char* expect;  // in place of the case's own
};

constexpr char kExactEnd[] = "a filtered page knows whether a match follows (AIP-158)";
constexpr Otherwise kOtherwise[] = {
    {"rejects resource version and continue token", "min_revision may stay in the request",
     R"({"items": ["createdPods[1]"], "has_next_page": true})"},
    {"test List on non-existing key", "a source that is misspelled is no empty one",
     R"({"not_found": true})"},
    {"test List with filter returning only one item, ensure only a single page returned", kExactEnd,
     R"({"items": ["createdPods[3]"], "has_next_page": false})"},
    {"test List with filter returning only one item, ensure only a single page returned with "
     "current resource version and match=NotOlderThan",
     kExactEnd,
     R"({"items": ["createdPods[3]"], "has_next_page": false,
         "rv_not_older_than": "list.ResourceVersion"})"},
    {"test List with filter returning two items, more pages possible", kExactEnd,
     R"({"items": ["updatedPod", "createdPods[1]"], "has_next_page": false})"},
    {"test List with filter returning two items, more pages possible with current resource version "
     "and match=NotOlderThan",
     kExactEnd, R"({"items": ["updatedPod", "createdPods[1]"], "has_next_page": false})"},
};

// Cases that no request of ours can put, by what they have in common.
struct NotHere {
  const char* why;
  std::function<bool(const Json&)> which;
};

bool ContinuesAtARevision(const Json& row, const std::string& revision) {
  return absl::StrContains(row.value("continue", ""), "rv=" + revision + ")");
}

const std::vector<NotHere>& NotHereTable() {
  static const auto* const table = new std::vector<NotHere>{
      {"no list shows a revision of the past: pages are live, changes are in ListTokenChanges",
       [](const Json& row) { return row.value("match", "") == "Exact"; }},
      {"min_revision has one meaning, so there is no wrong one",
       [](const Json& row) { return row.value("match", "") == "Invalid"; }},
      {"min_revision is an int64: what is no number is no request",
       [](const Json& row) { return row["rv"] == "abc"; }},
      {"a page token names no revision to read at",
       [](const Json& row) {
         return ContinuesAtARevision(row, "initialRV") || ContinuesAtARevision(row, "0") ||
                absl::StrContains(row.value("continue", ""), ".ResourceVersion)");
       }},
      {"a page token is opaque, and one without a place is the first page: cursor_test.cc, "
       "page_token_fuzzer.cc",
       [](const Json& row) { return absl::StrContains(row.value("continue", ""), "key=,"); }},
  };
  return *table;
}

class K8sListTest : public ::testing::Test {
 protected:
  // What the file says of the setup.
  K8sListTest() {
    const ObservedToken bar = Observed("bar");
    const ObservedToken foo = Observed("foo");
    const ObservedToken barfoo = Observed("barfoo");
    initial_revision_ = service_.house().revision();
    service_.Show("first", {bar});
    service_.Show("second", {bar});
    service_.Show("second", {bar, foo});
    service_.Show("third", {barfoo});
    service_.Show("third", {barfoo, foo});
    service_.Show("second", {bar, foo, Observed("baz")});
    service_.Show("first", {Observed("bar", [](v1::Token& token) { token.set_role("fakeNode"); })});
    // Missing, then deleted.
    service_.Show("second", {bar, foo});
    service_.Show("second", {bar, foo});
    current_revision_ = service_.house().revision();
  }

  std::int64_t RevisionOf(const std::string& name) const {
    if (name == "unset" || name == "0") return 0;
    if (name == "-1") return -1;
    if (name == "1") return 1;
    if (name == "MaxInt64") return std::numeric_limits<std::int64_t>::max();
    if (name == "initialRV") return initial_revision_;
    EXPECT_TRUE(name == "list.ResourceVersion" || name == "currentRV" || name == "continueRV + 1")
        << name;
    return current_revision_;
  }

  static std::string ParentOf(const std::string& prefix) {
    if (prefix == "/pods/") return "sources/-";
    return absl::StrCat("sources/", absl::StripSuffix(absl::StripPrefix(prefix, "/pods/"), "/"));
  }

  static std::string FilterOf(const std::string& selector) {
    const std::map<std::string, std::string> filters = {
        {"", ""},
        {"fields.ParseSelectorOrDie metadata.name!=bar", "provider_token_id != \"bar\""},
        {"fields.OneTermEqualSelector metadata.name bar", "provider_token_id = \"bar\""},
        {"fields.OneTermEqualSelector metadata.name barfoo", "provider_token_id = \"barfoo\""},
        {"fields.OneTermEqualSelector metadata.name baz", "provider_token_id = \"baz\""},
        {"fields.OneTermEqualSelector metadata.name foo", "provider_token_id = \"foo\""},
        {"fields.OneTermEqualSelector spec.nodeName fakeNode", "role = \"fakeNode\""},
    };
    return filters.at(selector);
  }

  // How many items of the list a continue token leaves behind it.
  static int ShownBefore(const std::string& token) {
    if (token.empty()) return 0;
    if (token == "secondContinuation") return 1;
    if (absl::StrContains(token, "key=first/bar (exclusive)")) return 1;
    if (absl::StrContains(token, "key=second/foo (exclusive)")) return 3;
    // Filtered for foo: of the two, second/foo lies before third/barfoo.
    EXPECT_TRUE(absl::StrContains(token, "key=third/barfoo,")) << token;
    return 1;
  }

  static std::string ItemOf(const v1::Token& token) {
    const std::map<std::string, std::string> items = {
        {"sources/first/tokens/bar", "createdPods[0]"},
        {"sources/second/tokens/bar", "createdPods[1]"},
        {"sources/second/tokens/foo", "createdPods[2]"},
        {"sources/third/tokens/barfoo", "createdPods[3]"},
        {"sources/third/tokens/foo", "createdPods[4]"},
        {"sources/second/tokens/baz", "createdPods[5]"},
    };
    return token.role() == "fakeNode" ? "updatedPod" : items.at(token.name());
  }

  void Run(const Json& row, const Json& expect) {
    v1::ListTokensRequest request =
        Request(ParentOf(row["prefix"]), FilterOf(row.value("filter", "")));
    v1::ListTokensResponse page;
    const int before = ShownBefore(row.value("continue", ""));
    if (before > 0) {
      request.set_page_size(before);
      ASSERT_TRUE(service_.List(request, &page).ok());
      ASSERT_EQ(page.tokens_size(), before);
      request.set_page_token(page.next_page_token());
    }
    request.set_page_size(row.value("limit", 0));
    request.set_min_revision(RevisionOf(row["rv"]));
    if (expect.contains("error_rv_too_large")) {
      const grpc::Status status = service_.ListWhileTimePasses(request, &page);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
      EXPECT_EQ(ReasonOf(status), "REVISION_NOT_REACHED");
      EXPECT_TRUE(HasRetryInfo(status));
      return;
    }
    const grpc::Status status = service_.List(request, &page);
    if (expect.contains("error")) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
      EXPECT_EQ(FieldOf(status), "min_revision");
      return;
    }
    if (expect.contains("not_found")) {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
      return;
    }
    ASSERT_TRUE(status.ok()) << status.error_message();
    Json items = Json::array();
    for (const v1::Token& token : page.tokens()) items.push_back(ItemOf(token));
    if (expect.contains("one_of")) {
      EXPECT_THAT(expect["one_of"].get<std::vector<Json>>(), ::testing::Contains(items));
    } else {
      EXPECT_EQ(items, expect.at("items"));
    }
    if (expect.contains("has_next_page")) {
      EXPECT_EQ(!page.next_page_token().empty(), expect["has_next_page"].get<bool>());
    }
    if (expect.contains("remaining_items")) {
      EXPECT_EQ(page.total_size() - before - page.tokens_size(),
                expect["remaining_items"].get<int>());
    }
    if (expect.contains("rv")) {
      EXPECT_EQ(page.revision(), RevisionOf(expect["rv"]));
    }
    if (expect.contains("rv_not_older_than")) {
      EXPECT_GE(page.revision(), RevisionOf(expect["rv_not_older_than"]));
    }
  }

  LedgerService service_{{"first", "second", "third", "empty"}};
  std::int64_t initial_revision_ = 0;
  std::int64_t current_revision_ = 0;
};

TEST_F(K8sListTest, EachListHoldsOrIsListed) {
  const Json cases = ReadCases()["list"];
  ASSERT_EQ(cases["cases"].size(), cases["count"].get<std::size_t>());
  std::set<const void*> used;
  std::size_t run = 0;
  for (const Json& row : cases["cases"]) {
    SCOPED_TRACE(row.dump());
    bool not_here = false;
    for (const NotHere& group : NotHereTable()) {
      if (!group.which(row)) continue;
      EXPECT_FALSE(not_here) << "two reasons";
      not_here = true;
      used.insert(&group);
    }
    const auto* const otherwise =
        std::find_if(std::begin(kOtherwise), std::end(kOtherwise),
                     [&](const Otherwise& one) { return row["name"] == one.name; });
    if (otherwise != std::end(kOtherwise)) {
      EXPECT_FALSE(not_here);
      used.insert(otherwise);
      const Json expect = Json::parse(otherwise->expect);
      EXPECT_NE(expect, row["expect"]) << "this is no difference";
      Run(row, expect);
      ++run;
    } else if (!not_here) {
      Run(row, row["expect"]);
      ++run;
    }
  }
  EXPECT_EQ(used.size(), std::size(kOtherwise) + NotHereTable().size()) << "a row without a case";
  EXPECT_GE(run, 40u);
}

// -- The other groups. They write as they go.

class K8sReadsTest : public ::testing::Test {
 protected:
  K8sReadsTest() { Write(); }

  // One token more, in one revision.
  void Write() { service_.Show("a", ObservedRange("t", 1, ++tokens_)); }

  // The answer of a call that is made before `meanwhile`, and may wait for it.
  v1::ListTokensResponse ListMeanwhile(const v1::ListTokensRequest& request,
                                       const std::function<void()>& meanwhile) {
    v1::ListTokensResponse page;
    std::future<grpc::Status> answer =
        std::async(std::launch::async, [&] { return service_.List(request, &page); });
    meanwhile();
    const grpc::Status status = answer.get();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return page;
  }
  v1::ListTokensResponse List(const v1::ListTokensRequest& request) {
    return ListMeanwhile(request, [] {});
  }

  // Either of a row's limits.
  void RunMatrixRow(const Json& row, int page_size) {
    Write();
    Write();
    v1::ListTokensRequest request = Request("sources/a", "", 1);
    v1::ListTokensResponse first;
    if (row["continuation"] == "token") {
      first = List(request);
      request.set_page_token(first.next_page_token());
    }
    request.set_page_size(page_size);
    v1::ListTokensResponse page;
    const std::int64_t next = service_.house().revision() + 1;
    if (row["resource_version"] == "RV") {
      request.set_min_revision(next);
      page = ListMeanwhile(request, [&] { Write(); });
    } else {
      Write();
      page = List(request);
    }
    EXPECT_EQ(page.revision(), next);
    const int on_first = first.tokens_size();
    EXPECT_EQ(page.tokens_size(), page_size == 0 ? tokens_ - on_first : page_size);
    if (on_first > 0) {
      // Live, and yet of one list: the total and the place to watch from.
      EXPECT_EQ(page.total_size(), first.total_size());
      EXPECT_EQ(page.resume_token(), first.resume_token());
      EXPECT_LT(first.revision(), page.revision());
    }
  }

  LedgerService service_{{"a", "b"}};
  int tokens_ = 0;
};

TEST_F(K8sReadsTest, EachReadOfTheParameterMatrixHoldsOrIsListed) {
  enum class Verdict { kSame, kLive, kNotHere };
  struct Row {
    const char* revision;
    const char* match;
    const char* continuation;
    Verdict verdict;
    const char* why;
  };
  const char* const live = "a page shows what is there now, at min_revision or later";
  const char* const exact = "no list shows a revision of the past";
  const Row table[] = {
      {"unset", "unset", "unset", Verdict::kSame, "shows what was written before"},
      {"unset", "unset", "token", Verdict::kLive, live},
      {"unset", "Exact", "unset / token", Verdict::kNotHere, exact},
      {"unset", "NotOlderThan", "unset", Verdict::kNotHere, "cannot be said"},
      {"unset", "NotOlderThan", "token", Verdict::kNotHere, "cannot be said"},
      {"0", "unset", "unset", Verdict::kSame, "and the limit holds"},
      {"0", "unset", "token", Verdict::kLive, live},
      {"0", "Exact", "unset / token", Verdict::kNotHere, exact},
      {"0", "NotOlderThan", "unset", Verdict::kSame, "and the limit holds"},
      {"0", "NotOlderThan", "token", Verdict::kLive, live},
      {"RV", "unset", "unset", Verdict::kSame, "waits for it; with a limit, too"},
      {"RV", "unset", "token", Verdict::kLive, live},
      {"RV", "Exact", "unset", Verdict::kNotHere, exact},
      {"RV", "Exact", "token", Verdict::kNotHere, exact},
      {"RV", "NotOlderThan", "unset", Verdict::kSame, "waits for it"},
      {"RV", "NotOlderThan", "token", Verdict::kLive, live},
  };
  const Json cases = ReadCases()["list_parameter_matrix"];
  ASSERT_EQ(cases["cases"].size(), cases["count"].get<std::size_t>());
  std::set<const Row*> used;
  for (const Json& row : cases["cases"]) {
    SCOPED_TRACE(row.dump());
    const auto* const found = std::find_if(std::begin(table), std::end(table), [&](const Row& one) {
      return row["resource_version"] == one.revision && row["match"] == one.match &&
             row["continuation"] == one.continuation;
    });
    ASSERT_NE(found, std::end(table)) << "run it, or say why not";
    used.insert(found);
    if (found->verdict == Verdict::kNotHere) continue;
    const std::string limit = row["limit"];
    if (limit != "N") RunMatrixRow(row, 0);
    if (limit != "unset") RunMatrixRow(row, 2);
  }
  EXPECT_EQ(used.size(), std::size(table));
}

TEST_F(K8sReadsTest, EachConsistentReadHoldsOrIsListed) {
  const Json cases = ReadCases()["consistent_read_fallback"];
  ASSERT_EQ(cases["cases"].size(), cases["count"].get<std::size_t>());
  std::map<std::string, std::function<void(v1::ListTokensRequest)>> runs;
  // The memory view has it.
  runs["Success"] = [this](v1::ListTokensRequest request) {
    const std::int64_t revision = service_.house().revision();
    request.set_min_revision(revision);
    EXPECT_EQ(List(request).revision(), revision);
  };
  // It has not yet, and the read waits until it does.
  runs["Fallback"] = [this](v1::ListTokensRequest request) {
    const std::int64_t revision = service_.house().revision() + 1;
    request.set_min_revision(revision);
    EXPECT_EQ(ListMeanwhile(request, [&] { Write(); }).revision(), revision);
  };
  // Nor does it in time.
  runs["Skip Storage Fallback"] = [this](v1::ListTokensRequest request) {
    request.set_min_revision(service_.house().revision() + 1);
    v1::ListTokensResponse page;
    const grpc::Status status = service_.ListWhileTimePasses(request, &page);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(ReasonOf(status), "REVISION_NOT_REACHED");
    EXPECT_TRUE(HasRetryInfo(status));
  };
  const std::map<std::string, std::string> not_here = {
      {"Fallback Failure", "no read goes to the store, so none fails there"},
  };
  for (const Json& row : cases["cases"]) {
    const std::string name = row["name"];
    SCOPED_TRACE(name);
    ASSERT_EQ(runs.count(name) + not_here.count(name), 1u) << "run it, or say why not";
    if (runs.count(name) > 0) runs[name](Request("sources/-"));
  }
  EXPECT_EQ(cases["cases"].size(), runs.size() + not_here.size());
}

class K8sScenarioTest : public ::testing::Test {
 protected:
  v1::ListTokensResponse List(const std::string& filter, int page_size,
                              const std::string& page_token = "") {
    v1::ListTokensRequest request = Request("sources/-", filter, page_size);
    request.set_page_token(page_token);
    v1::ListTokensResponse page;
    const grpc::Status status = service_.List(request, &page);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return page;
  }

  LedgerService service_{{"a", "b"}};
};

TEST_F(K8sScenarioTest, ListContinuation) {
  service_.Show("a", {Observed("bar")});
  service_.Show("b", {Observed("bar")});
  service_.Show("b", {Observed("bar"), Observed("foo")});
  const v1::ListTokensResponse first = List("", 1);
  ASSERT_EQ(first.tokens_size(), 1);
  EXPECT_EQ(first.tokens(0).name(), "sources/a/tokens/bar");
  const v1::ListTokensResponse rest = List("", 0, first.next_page_token());
  EXPECT_THAT(IdsOf(rest), ElementsAre("bar", "foo"));
  EXPECT_THAT(rest.next_page_token(), IsEmpty());
  const v1::ListTokensResponse second = List("", 1, first.next_page_token());
  EXPECT_THAT(IdsOf(second), ElementsAre("bar"));
  const v1::ListTokensResponse third = List("", 1, second.next_page_token());
  EXPECT_THAT(IdsOf(third), ElementsAre("foo"));
  EXPECT_THAT(third.next_page_token(), IsEmpty());
  for (const auto* page : {&rest, &second, &third}) EXPECT_EQ(page->revision(), first.revision());
}

TEST_F(K8sScenarioTest, ListContinuationFilter) {
  service_.Show("a", {Observed("1-foo"), Observed("2-bar"), Observed("3-foo"), Observed("4-foo")});
  const std::string filter = "provider_token_id != \"*bar\"";
  const v1::ListTokensResponse first = List(filter, 2);
  EXPECT_THAT(IdsOf(first), ElementsAre("1-foo", "3-foo"));
  const v1::ListTokensResponse second = List(filter, 2, first.next_page_token());
  EXPECT_THAT(IdsOf(second), ElementsAre("4-foo"));
  EXPECT_THAT(second.next_page_token(), IsEmpty());
  EXPECT_EQ(second.revision(), first.revision());
}

TEST_F(K8sScenarioTest, ListRareObject) {
  service_.Show("a", ObservedRange("pod-", 0, 999));
  const v1::ListTokensResponse page = List("provider_token_id = \"pod-999\"", 1);
  EXPECT_THAT(IdsOf(page), ElementsAre("pod-999"));
  EXPECT_THAT(page.next_page_token(), IsEmpty());
}

TEST_F(K8sScenarioTest, UninitialisedCache) {
  service_.Unload();
  v1::ListTokensResponse page;
  const grpc::Status status = service_.List(Request("sources/-"), &page);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "STORE_LOADING");
  EXPECT_TRUE(HasRetryInfo(status));
}

TEST_F(K8sScenarioTest, EachIsRunOrListed) {
  // The tests above.
  const std::set<std::string> run = {"list_continuation", "list_continuation_filter",
                                     "list_rare_object", "uninitialised_cache"};
  const std::map<std::string, std::string> not_here = {
      {"list_token_compacted", "a page token names no revision, so none is too old"},
      {"compact_exact_read", "no list shows a revision of the past"},
  };
  const Json cases = ReadCases()["scenarios"]["cases"];
  for (const Json& row : cases) {
    const std::string id = row["id"];
    EXPECT_EQ(run.count(id) + not_here.count(id), 1u) << id << ": run it, or say why not";
  }
  EXPECT_EQ(cases.size(), run.size() + not_here.size());
}

}  // namespace
}  // namespace tokeninventory::testing
