// Notices of what ends soon, as clients meet them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tests/e2e/test_service.h"

namespace tokeninventory {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FieldOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::QuickSim;
using testing::ReasonOf;
using testing::TestService;
using vendor_sim::TokenKind;
using vendor_sim::Uuid;
using vendor_sim::VendorSim;
using Expiration = v1::Expiration;
using Resolution = v1::Expiration::Resolution;

v1::ListExpirationsRequest ListRequest(const std::string& filter = "", int page_size = 1000) {
  v1::ListExpirationsRequest request;
  request.set_parent("sources/-");
  request.set_filter(filter);
  request.set_page_size(page_size);
  return request;
}

v1::WatchExpirationsRequest WatchRequest() {
  v1::WatchExpirationsRequest request;
  request.set_parent("sources/-");
  request.mutable_progress_interval()->set_seconds(1);
  return request;
}

// A WatchExpirations stream.
class NoticeStream {
 public:
  NoticeStream(TestService& service, const v1::WatchExpirationsRequest& request) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stream_ = service.tokens().WatchExpirations(&context_, request);
  }

  // Reads until `done()`; false when the stream ended first.
  bool ReadUntil(const std::function<bool()>& done) {
    while (!done()) {
      v1::WatchExpirationsResponse response;
      if (!stream_->Read(&response)) return false;
      for (const v1::ExpirationBatch& batch : response.batches()) {
        for (const Expiration& notice : batch.expirations()) told_.push_back(notice);
      }
      if (response.has_synced()) synced_ = true;
      if (response.has_progress()) revision_ = response.progress().revision();
      if (!response.resume_token().empty()) resume_token_ = response.resume_token();
    }
    return true;
  }
  bool ReadUntilRevision(std::int64_t revision) {
    return ReadUntil([&] { return revision_ >= revision; });
  }
  grpc::Status Cancel() {
    context_.TryCancel();
    return stream_->Finish();
  }
  grpc::Status Finish() { return stream_->Finish(); }

  bool synced() const { return synced_; }
  const std::vector<Expiration>& told() const { return told_; }
  const std::string& resume_token() const { return resume_token_; }
  // What was told of a token, in order.
  std::vector<std::string> ToldOf(const Uuid& id) const {
    std::vector<std::string> events;
    for (const Expiration& notice : told_) {
      if (notice.token().provider_token_id() != id.ToString()) continue;
      events.push_back(notice.state() == Expiration::RESOLVED
                           ? Resolution::Cause_Name(notice.resolution().cause())
                           : absl::StrCat(Expiration::Kind_Name(notice.kind()), " ",
                                          notice.lead().seconds() / 86400, "d"));
    }
    return events;
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchExpirationsResponse>> stream_;
  std::vector<Expiration> told_;
  std::int64_t revision_ = 0;
  bool synced_ = false;
  std::string resume_token_;
};

class ExpirationTest : public ::testing::Test {
 protected:
  ExpirationTest() : sim_(QuickSim(400)) {
    EXPECT_TRUE(sim_.Start().ok());
    service_ = std::make_unique<TestService>(sim_);
  }

  std::vector<Expiration> List(v1::ListExpirationsRequest request) {
    std::vector<Expiration> notices;
    do {
      grpc::ClientContext context;
      v1::ListExpirationsResponse response;
      const grpc::Status status = service_->tokens().ListExpirations(&context, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      if (!status.ok()) break;
      if (request.page_token().empty()) {
        total_size_ = response.total_size();
        resume_token_ = response.resume_token();
      }
      revision_ = response.revision();
      for (const Expiration& notice : response.expirations()) notices.push_back(notice);
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return notices;
  }

  // An Opal token that was made long ago.
  Uuid OldToken() {
    const auto truth = sim_.ReadTruth();
    for (const auto& token : truth.opal_tokens) {
      if (token.created_at < vendor_sim::RealNow() - std::chrono::hours(24 * 100)) return token.id;
    }
    ADD_FAILURE() << "no old token";
    return Uuid();
  }
  void Renew(const Uuid& id, double days) {
    const auto end =
        vendor_sim::RealNow() + std::chrono::seconds(static_cast<std::int64_t>(days * 24 * 3600));
    EXPECT_TRUE(sim_.RenewToken(id, end));
  }

  VendorSim sim_;
  std::unique_ptr<TestService> service_;
  int total_size_ = 0;
  std::int64_t revision_ = 0;
  std::string resume_token_;
};

TEST_F(ExpirationTest, AFirstPassOpensNoticesAndStreamsOneDigestASource) {
  List(ListRequest());
  const std::string before = resume_token_;
  service_->SyncAll();
  const std::vector<Expiration> open = List(ListRequest());
  EXPECT_EQ(static_cast<int>(open.size()), total_size_);
  ASSERT_THAT(open, Not(IsEmpty()));

  const absl::Time now = absl::Now();
  std::set<std::string> warned;
  absl::Time last = absl::InfinitePast();
  for (const Expiration& notice : open) {
    SCOPED_TRACE(notice.ShortDebugString());
    EXPECT_EQ(notice.kind(), Expiration::LEAD);
    EXPECT_EQ(notice.state(), Expiration::OPEN);
    EXPECT_TRUE(notice.digested());
    EXPECT_EQ(notice.generation(), 1);
    const absl::Time end = FromProto(notice.effective_expire_time());
    EXPECT_LE(end - FromProto(notice.lead()), now);
    EXPECT_EQ(notice.due_time().seconds(), absl::ToUnixSeconds(end - FromProto(notice.lead())));
    EXPECT_GE(end, last);
    last = end;
    EXPECT_EQ(notice.name(), absl::StrCat(notice.source(), "/expirations/", notice.uid()));
    EXPECT_TRUE(warned.insert(notice.token().name()).second);
    EXPECT_FALSE(notice.token().has_creator());  // FULL only
  }
  // The default leads: nothing that ends within a day after a longer life is left out.
  int expected = 0;
  for (const auto& [name, token] : service_->ListAll(1000)) {
    if (!token.has_effective_expire_time() || token.state() != v1::Token::ACTIVE) continue;
    const absl::Time end = FromProto(token.effective_expire_time());
    const absl::Duration life =
        token.has_create_time() ? end - FromProto(token.create_time()) : absl::InfiniteDuration();
    if (end <= now || end > now + absl::Hours(24 * 30) || life <= absl::Hours(24 * 30)) continue;
    ++expected;
    EXPECT_THAT(warned, Contains(name));
  }
  EXPECT_GT(expected, 0);

  auto from_before = WatchRequest();
  from_before.set_resume_token(before);
  NoticeStream stream(*service_, from_before);
  ASSERT_TRUE(stream.ReadUntilRevision(revision_));
  std::map<std::string, std::int64_t> digests;
  for (const Expiration& notice : stream.told()) {
    ASSERT_EQ(notice.kind(), Expiration::DIGEST) << notice.ShortDebugString();
    std::int64_t count = 0;
    for (const auto& lead : notice.digest().leads()) count += lead.count();
    EXPECT_TRUE(digests.emplace(notice.source(), count).second) << "two digests";
  }
  std::map<std::string, std::int64_t> counted;
  for (const Expiration& notice : open) ++counted[notice.source()];
  for (const auto& [source, count] : counted) EXPECT_EQ(digests[source], count) << source;

  auto from_open = WatchRequest();
  from_open.mutable_open_expirations();
  NoticeStream initial(*service_, from_open);
  ASSERT_TRUE(initial.ReadUntil([&] { return initial.synced(); }));
  std::set<std::string> in_stream, in_list;
  for (const Expiration& notice : initial.told()) in_stream.insert(notice.event_id());
  for (const Expiration& notice : open) in_list.insert(notice.event_id());
  EXPECT_EQ(in_stream, in_list);
}

TEST_F(ExpirationTest, TheLifeOfANoticeIsToldToAClientThatComesAndGoes) {
  const Uuid id = OldToken();
  Renew(id, 400);
  service_->SyncAll();
  List(ListRequest());
  auto request = WatchRequest();
  request.set_resume_token(resume_token_);

  Renew(id, 6.5);
  service_->Sync("opal-test");
  NoticeStream first(*service_, request);
  ASSERT_TRUE(first.ReadUntil([&] { return !first.ToldOf(id).empty(); }));
  EXPECT_THAT(first.ToldOf(id), ElementsAre("LEAD 7d"));
  const std::string after_first = first.resume_token();
  first.Cancel();

  // Nobody listens; the service is restarted, too.
  Renew(id, 2.5);
  service_->Sync("opal-test");
  service_->Stop();
  service_->Start();
  Renew(id, 400);
  service_->Sync("opal-test");
  Renew(id, 0.5);
  service_->Sync("opal-test");
  ASSERT_TRUE(sim_.RemoveToken(id));
  service_->Sync("opal-test");
  service_->Sync("opal-test");
  List(ListRequest());

  request.set_resume_token(after_first);
  NoticeStream second(*service_, request);
  ASSERT_TRUE(second.ReadUntilRevision(revision_));
  NoticeStream again(*service_, request);
  ASSERT_TRUE(again.ReadUntilRevision(revision_));
  ASSERT_EQ(second.told().size(), again.told().size());
  std::set<std::string> ids;
  for (std::size_t i = 0; i < second.told().size(); ++i) {
    EXPECT_EQ(second.told()[i].event_id(), again.told()[i].event_id());
    EXPECT_TRUE(ids.insert(second.told()[i].event_id()).second);
  }
  // Since it was put off for 400 days its life counts from there; then it is cut short, and
  // leads that are not shorter than what remains are left out no more.
  EXPECT_THAT(second.ToldOf(id),
              ElementsAre("SHORTENED", "LEAD 3d", "EXTENDED", "LEAD 1d", "DELETED"));
  EXPECT_THAT(List(ListRequest(absl::StrCat("provider_token_id = \"", id.ToString(), "\""))),
              IsEmpty());
}

TEST_F(ExpirationTest, ListsByTokenAndByLeadThroughPages) {
  service_->SyncAll();
  const std::vector<Expiration> all = List(ListRequest());
  std::vector<std::string> names, paged;
  for (const Expiration& notice : all) names.push_back(notice.name());
  for (const Expiration& notice : List(ListRequest("", 7))) paged.push_back(notice.name());
  EXPECT_EQ(paged, names);

  std::size_t opal = 0, soon = 0;
  for (const Expiration& notice : all) {
    opal += notice.token().provider() == "opal" ? 1u : 0u;
    soon += notice.lead().seconds() <= 3 * 86400 ? 1u : 0u;
  }
  EXPECT_EQ(List(ListRequest("provider = \"opal\"")).size(), opal);
  auto request = ListRequest();
  request.mutable_max_lead()->set_seconds(3 * 86400);
  EXPECT_EQ(List(request).size(), soon);
  EXPECT_LT(soon, all.size());
  request = ListRequest();
  request.set_parent("sources/opal-test");
  EXPECT_EQ(List(request).size(), opal);
}

TEST_F(ExpirationTest, BadRequestsAreRefusedWithTheirField) {
  service_->SyncAll();
  const auto list_error = [&](const std::function<void(v1::ListExpirationsRequest&)>& edit) {
    auto request = ListRequest();
    edit(request);
    grpc::ClientContext context;
    v1::ListExpirationsResponse response;
    return service_->tokens().ListExpirations(&context, request, &response);
  };
  const auto watch_error = [&](const std::function<void(v1::WatchExpirationsRequest&)>& edit) {
    auto request = WatchRequest();
    request.mutable_now();
    edit(request);
    NoticeStream stream(*service_, request);
    EXPECT_FALSE(stream.ReadUntil([] { return false; }));
    return stream.Finish();
  };
  struct Case {
    const char* name;
    grpc::Status status;
    const char* field;
    const char* reason;
  };
  grpc::ClientContext context;
  v1::ListTokensRequest tokens;
  tokens.set_parent("sources/-");
  tokens.set_page_size(1);
  v1::ListTokensResponse page;
  ASSERT_TRUE(service_->tokens().ListTokens(&context, tokens, &page).ok());
  const std::vector<Case> cases = {
      {"list lead", list_error([](auto& r) { r.mutable_max_lead()->set_seconds(-1); }), "max_lead",
       "INVALID_MAX_LEAD"},
      {"list page size", list_error([](auto& r) { r.set_page_size(-1); }), "page_size",
       "INVALID_PAGE_SIZE"},
      {"list foreign page", list_error([&](auto& r) { r.set_page_token(page.next_page_token()); }),
       "page_token", "PAGE_TOKEN_MISMATCH"},
      {"list filter", list_error([](auto& r) { r.set_filter("owner.mail = x"); }), "filter",
       "FILTER_UNKNOWN_FIELD"},
      {"list parent", list_error([](auto& r) { r.set_parent("x"); }), "parent", "INVALID_NAME"},
      {"watch start", watch_error([](auto& r) { r.clear_start(); }), "start", "MISSING_START"},
      {"watch now", watch_error([](auto& r) { r.set_filter("expire_time < now+7d"); }), "filter",
       "FILTER_TYPE_MISMATCH"},
      {"watch lead", watch_error([](auto& r) { r.mutable_max_lead()->set_nanos(-5); }), "max_lead",
       "INVALID_MAX_LEAD"},
      {"watch page token",
       watch_error([&](auto& r) { r.set_resume_token(page.next_page_token()); }), "resume_token",
       "INVALID_RESUME_TOKEN"},
      {"watch interval",
       watch_error([](auto& r) { r.mutable_progress_interval()->set_seconds(0); }),
       "progress_interval", "INVALID_PROGRESS_INTERVAL"},
      {"watch gap", watch_error([](auto& r) { r.set_on_gap(static_cast<v1::GapAction>(9)); }),
       "on_gap", "INVALID_GAP_ACTION"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(c.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(c.status), c.field) << c.status.error_message();
    EXPECT_EQ(ReasonOf(c.status), c.reason) << c.status.error_message();
  }
  const grpc::Status unknown = watch_error([](auto& r) { r.set_parent("sources/none"); });
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ExpirationTest, AbsurdLeadsStopTheStartWithTheRestOfTheProblems) {
  const testing::TempDir folder;
  std::string leads;
  for (int i = 1; i <= 21; ++i) absl::StrAppend(&leads, i, "h, ");
  std::ofstream(folder.File("config.yaml"))
      << testing::TestConfig(sim_, folder, "1d") << "    inactivity_window: 1s\n"
      << "log_level: loud\n"
      << "expirations:\n  rules:\n"
      << "    - leads: [-1d]\n"
      << "    - {filter: 'provder = opal', leads: [4000d]}\n"
      << "    - {filter: 'expire_time < now+3d', leads: [1d, 1d]}\n"
      << "    - leads: [" << leads << "]\n";
  const LoadedConfig config = LoadServerConfig(folder.File("config.yaml"), {}, Clock::Real());
  for (const char* part : {"rules[0].leads", "rules[1].leads", "rules[1].filter", "rules[2].leads",
                           "rules[2].filter", "rules[3].leads", "log_level", "inactivity_window"}) {
    EXPECT_THAT(config.problems, Contains(HasSubstr(part))) << part;
  }
}

TEST(ExpirationRulesTest, TheConfigurationSaysWhoIsWarnedWhen) {
  VendorSim sim(QuickSim(100));
  ASSERT_TRUE(sim.Start().ok());
  TestService service(sim,
                      "expirations:\n  rules:\n"
                      "    - {filter: 'provider = \"opal\"', leads: [365d]}\n"
                      "    - {filter: '', leads: []}\n");
  service.SyncAll();
  grpc::ClientContext context;
  v1::ListExpirationsResponse response;
  ASSERT_TRUE(service.tokens().ListExpirations(&context, ListRequest(), &response).ok());
  ASSERT_GT(response.expirations_size(), 0);
  for (const Expiration& notice : response.expirations()) {
    EXPECT_EQ(notice.token().provider(), "opal");
  }
}

}  // namespace
}  // namespace tokeninventory
