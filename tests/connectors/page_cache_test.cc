// What a page worker remembers of pages, seen from its socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "connectors/page_worker/worker_process.h"

namespace tokeninventory {
namespace {

using internal::v1::PageReading;
using internal::v1::PageWorkerCall;
using internal::v1::PageWorkerReply;
using internal::v1::VendorResponse;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// What a token is called shows all that its programs see.
constexpr char kManifest[] = R"(vendor: acme
title: Acme
base: http://x
error: 'if .status == 429 then "RATE_LIMITED" else null end'
streams:
  tokens:
    get: /tokens
    records: |
      . as $page | .body | if type == "array" then . else error("no list") end
      | map({record: ., seen: ([$page.status, $page.headers["x-kind"], $page.request, $param, $parent] | tojson)})
    total: .seen
    token: |
      {providerTokenId: .record.id, displayName: .seen, role: "tokens"}
    fetch: {get: "/tokens/${id}", records: "[{record: .body[0], seen: null}]"}
  others:
    get: /others
    records: .body
    token: "{providerTokenId: .id, role: \"others\"}"
)";

struct Page {
  VendorResponse response;
  PageReading reading;
};

Page SomePage(const std::string& id = "a") {
  Page page;
  page.response.set_status(200);
  VendorResponse::Header& header = *page.response.add_headers();
  header.set_name("x-kind");
  header.set_value("plain");
  page.response.set_body(absl::StrCat(R"([{"id":")", id, R"("}])"));
  page.response.set_request_json(R"({"url":"/tokens"})");
  page.response.set_param_json(R"({"p":"1"})");
  page.response.set_parent_json("null");
  page.reading.set_stream("tokens");
  page.reading.set_preceding_row_count(5);
  page.reading.set_pass_number(1);
  return page;
}

class PageCacheTest : public ::testing::Test {
 protected:
  void Start(std::int64_t max_cache_bytes = WorkerLimits().max_cache_bytes) {
    WorkerLimits limits;
    limits.max_cache_bytes = max_cache_bytes;
    auto started = WorkerProcess::Start(TI_PAGE_WORKER, limits);
    ASSERT_TRUE(started.ok()) << started.status();
    worker_ = *std::move(started);
    Load(kManifest);
  }

  void Load(const std::string& text) {
    PageWorkerCall call;
    call.mutable_manifest()->set_file("m.yaml");
    call.mutable_manifest()->set_text(text);
    EXPECT_EQ(Call(call).failure(), "");
  }

  PageWorkerReply Take(const Page& page) {
    PageWorkerCall call;
    *call.mutable_response() = page.response;
    return Call(call);
  }
  PageWorkerReply ReadTaken(const Page& page) {
    PageWorkerCall call;
    *call.mutable_reading() = page.reading;
    return Call(call);
  }
  PageWorkerReply Read(const Page& page) {
    const PageWorkerReply taken = Take(page);
    EXPECT_EQ(taken.failure(), "");
    return ReadTaken(page);
  }

  // Each of `pages` in one pass: which of them were remembered.
  std::vector<std::size_t> ReadPass(std::vector<Page> pages, std::int64_t pass) {
    std::vector<std::size_t> remembered;
    for (std::size_t i = 0; i < pages.size(); ++i) {
      pages[i].reading.set_pass_number(pass);
      const PageWorkerReply reply = Read(pages[i]);
      EXPECT_EQ(reply.page().row_count(), 1) << reply.failure();
      if (reply.remembered()) remembered.push_back(i);
    }
    return remembered;
  }

 private:
  PageWorkerReply Call(const PageWorkerCall& call) {
    absl::StatusOr<PageWorkerReply> reply =
        worker_->Call(call, absl::Minutes(1), std::stop_token());
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *std::move(reply) : PageWorkerReply();
  }

  std::unique_ptr<WorkerProcess> worker_;
};

TEST_F(PageCacheTest, APageThatIsAsItWasIsNotReadAgain) {
  Start();
  const PageWorkerReply first = Read(SomePage());
  EXPECT_FALSE(first.remembered());
  ASSERT_THAT(first.page().rows(), SizeIs(1));
  Page later = SomePage();
  later.reading.set_pass_number(2);
  PageWorkerReply second = Read(later);
  EXPECT_TRUE(second.remembered());
  second.clear_remembered();
  EXPECT_EQ(second.SerializeAsString(), first.SerializeAsString());
}

TEST_F(PageCacheTest, AnythingElseIsReadAnew) {
  const std::pair<const char*, std::function<void(Page&)>> changes[] = {
      {"body", [](Page& page) { page.response.mutable_body()->replace(8, 1, "b"); }},
      {"status", [](Page& page) { page.response.set_status(201); }},
      {"header", [](Page& page) { page.response.mutable_headers(0)->set_value("\xff"); }},
      {"request", [](Page& page) { page.response.set_request_json(R"({"url":"/2"})"); }},
      {"param", [](Page& page) { page.response.set_param_json(R"({"p":"2"})"); }},
      {"parent", [](Page& page) { page.response.set_parent_json(R"({"id":"q"})"); }},
      {"stream", [](Page& page) { page.reading.set_stream("others"); }},
      {"rows before", [](Page& page) { page.reading.set_preceding_row_count(6); }},
  };
  Start();
  for (const auto& [name, change] : changes) {
    SCOPED_TRACE(name);
    const PageWorkerReply before = Read(SomePage());
    Page changed = SomePage();
    change(changed);
    const PageWorkerReply after = Read(changed);
    EXPECT_FALSE(after.remembered());
    EXPECT_NE(after.page().SerializeAsString(), before.page().SerializeAsString());
    EXPECT_EQ(Read(SomePage()).page().SerializeAsString(), before.page().SerializeAsString());
  }
}

TEST_F(PageCacheTest, AnotherManifestKnowsNothingOfIt) {
  Start();
  Read(SomePage());
  Load(absl::StrCat(kManifest, "# changed\n"));
  EXPECT_FALSE(Read(SomePage()).remembered());
  EXPECT_TRUE(Read(SomePage()).remembered());
}

TEST_F(PageCacheTest, WhatFailsIsTriedAgain) {
  Start();
  for (int i = 0; i < 2; ++i) {
    Page broken = SomePage();
    broken.response.set_body("[{");
    EXPECT_NE(Take(broken).verdict().body_failure(), "");

    Page refused = SomePage();
    refused.response.set_status(429);
    EXPECT_EQ(Take(refused).verdict().error_word(), "RATE_LIMITED");
    EXPECT_FALSE(ReadTaken(refused).remembered());

    Page no_list = SomePage();
    no_list.response.set_body("{}");
    const PageWorkerReply failed = Read(no_list);
    EXPECT_THAT(failed.failure(), HasSubstr("streams.tokens.records"));
    EXPECT_FALSE(failed.remembered());

    Page bad_row = SomePage();
    bad_row.response.set_body(R"([{"id":"a"},{"id":null}])");
    const PageWorkerReply most = Read(bad_row);
    EXPECT_EQ(most.page().bad_row_count(), 1);
    EXPECT_FALSE(most.remembered());
  }
}

TEST_F(PageCacheTest, LookUpsAreNotKept) {
  Start();
  Page looked_up = SomePage();
  looked_up.reading.set_fetched(true);
  for (int i = 0; i < 2; ++i) {
    const PageWorkerReply reply = Read(looked_up);
    EXPECT_EQ(reply.page().rows_size(), 1);
    EXPECT_FALSE(reply.remembered());
  }
}

TEST_F(PageCacheTest, AnAnswerIsReadOnce) {
  Start();
  Read(SomePage("known"));
  // Taken and not read, before one that is known.
  Take(SomePage("unread"));
  EXPECT_TRUE(Read(SomePage("known")).remembered());
  EXPECT_EQ(ReadTaken(SomePage("known")).failure(), "there is no page to read");
  EXPECT_EQ(Read(SomePage("unread")).page().rows(0).tokens(0).provider_token_id(), "unread");
}

// Pages of 10 KB, in memory too.
std::vector<Page> LargePages(const std::string& id, int count) {
  std::vector<Page> pages;
  for (int i = 0; i < count; ++i) {
    pages.push_back(SomePage(absl::StrCat(id, i)));
    pages.back().response.set_param_json(absl::StrCat("\"", std::string(4000, 'p'), "\""));
    pages.back().response.set_parent_json(absl::StrCat("\"", std::string(4000, 'q'), "\""));
  }
  return pages;
}

TEST_F(PageCacheTest, WhatIsOverTheBoundIsReadEachTime) {
  Start(100'000);
  const std::vector<Page> pages = LargePages("a", 20);
  EXPECT_THAT(ReadPass(pages, 1), SizeIs(0));
  const std::vector<std::size_t> remembered = ReadPass(pages, 2);
  EXPECT_GT(remembered.size(), 5U);
  EXPECT_LT(remembered.size(), 15U);
  // The ones that do not fit do not drive out the others.
  for (int pass = 3; pass < 6; ++pass) EXPECT_EQ(ReadPass(pages, pass), remembered);
}

TEST_F(PageCacheTest, PagesThatComeNoMoreMakeRoom) {
  Start(100'000);
  EXPECT_THAT(ReadPass(LargePages("a", 8), 1), SizeIs(0));
  EXPECT_THAT(ReadPass(LargePages("b", 8), 2), SizeIs(0));
  EXPECT_THAT(ReadPass(LargePages("b", 8), 3), ::testing::Not(SizeIs(8)));
  EXPECT_THAT(ReadPass(LargePages("b", 8), 4), SizeIs(8));
}

TEST_F(PageCacheTest, ThereMayBeNone) {
  Start(0);
  Read(SomePage());
  EXPECT_FALSE(Read(SomePage()).remembered());
}

}  // namespace
}  // namespace tokeninventory
