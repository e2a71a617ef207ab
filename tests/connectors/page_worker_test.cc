// Page workers through the doors that the service uses: what they read, what they
// cannot do, and what it costs when one is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "connectors/page_worker/page_workers.h"
#include "connectors/page_worker/worker_limits.h"
#include "tests/connectors/connector_fixture.h"
#include "tests/connectors/worker_pids.h"

namespace tokeninventory {
namespace {

using testing::BuiltInText;
using testing::ConnectorFixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ManifestFixture;
using testing::ReadProcFile;
using testing::ReadProcStatus;
using testing::ReadTestData;
using ::testing::SizeIs;
using testing::Texts;
using ::testing::UnorderedElementsAre;
using testing::VendorReply;
using testing::VendorRequest;
using testing::WorkerPids;

std::shared_ptr<PageWorkers> MakeWorkers() {
  PageWorkers::Options options;
  options.program = TI_PAGE_WORKER;
  return std::make_shared<PageWorkers>(options);
}

// All that a page came to, as one text.
std::string Describe(const absl::StatusOr<PageContent>& content, const MappingNotes& notes) {
  if (!content.ok()) return content.status().ToString();
  std::string text =
      absl::StrCat(content->row_count, " rows, ", content->bad_rows, " bad ",
                   content->first_bad_row, ", next ", content->next.Dump(), ", total ",
                   content->total.value_or(-1), ", dropped ", notes.dropped_secrets, "\n");
  for (const PageRow& row : content->rows) {
    absl::StrAppend(&text, row.identity, " ", row.item.Dump(), "\n");
    for (const ObservedToken& token : row.tokens) {
      absl::StrAppend(&text, token.id, " ", token.token.DebugString());
    }
  }
  return text;
}

std::string ReadBy(PageReader& pages, const ManifestFixture& fixture, const CompiledStream& stream,
                   const HttpResponse& response, const JsonValue& parent, bool fetched) {
  TemplateValues values;
  values.param = fixture.param();
  values.parent = parent;
  values.id = "id";
  values.known_id = "known";
  const absl::StatusOr<PageRequest> request =
      fetched ? FetchRequest(fixture.manifest(), stream, values)
              : FirstRequest(fixture.manifest(), stream, values);
  EXPECT_TRUE(request.ok()) << request.status();
  const absl::StatusOr<PageVerdict> verdict =
      pages.Take(response, request->ToJson(), JqContext{fixture.param(), parent});
  if (!verdict.ok()) return verdict.status().ToString();
  std::string text = absl::StrCat(verdict->error_word, " ", verdict->body.ToString(), "\n");
  MappingNotes notes;
  const absl::StatusOr<PageContent> content =
      fetched ? pages.ReadFetched(stream, notes) : pages.ReadPage(stream, 7, notes);
  return text + Describe(content, notes);
}

struct RecordedPage {
  std::string vendor;
  std::string stream;
  std::string file;
  std::vector<std::pair<std::string, std::string>> parent;
  bool fetched = false;
};

// Every recorded page, and what else vendors may answer, reads alike in both, and in the
// worker once more, which remembers some.
TEST(PageWorkerTest, ReadsWhatALocalReaderReads) {
  const std::vector<std::pair<std::string, std::string>> registry = {{"org", "o"}, {"slug", "s"}};
  const RecordedPage pages[] = {
      {"deepset", "workspaces", "deepset/workspaces.json", {}},
      {"deepset", "workspace_tokens", "deepset/workspace_tokens.json", {{"name", "production"}}},
      {"deepset", "workspace_tokens", "deepset/token.json", {{"name", "production"}}, true},
      {"deepset", "organization_tokens", "deepset/workspace_tokens.json", {}},
      {"deepset", "model_registry_tokens", "deepset/model_registry_tokens.json", {}},
      {"opal", "tokens", "opal/tokens.json", {}},
      {"opal", "tokens", "opal/tokens.json", {}, true},
      {"buildkite", "organizations", "buildkite/organizations.json", {}},
      {"buildkite", "registry_tokens", "buildkite/registry_tokens.json", registry},
      {"buildkite", "registry_tokens", "buildkite/registry_token.json", registry, true},
      {"buildkite",
       "agent_tokens",
       "buildkite/agent_tokens.json",
       {{"org", "o"}, {"id", "42f1"}, {"name", "Default"}}},
      {"buildkite", "api_access_tokens", "buildkite/api_access_tokens.json", {{"org", "o"}}},
  };
  const auto workers = MakeWorkers();
  std::map<std::string, std::unique_ptr<ManifestFixture>> fixtures;
  for (const RecordedPage& page : pages) {
    SCOPED_TRACE(page.stream + " " + page.file);
    std::unique_ptr<ManifestFixture>& fixture = fixtures[page.vendor];
    if (fixture == nullptr) {
      fixture = std::make_unique<ManifestFixture>(BuiltInText(page.vendor));
      fixture->SetParam("revoke_inactive_after_days", "90");
    }
    const auto remote = workers->Lease(page.vendor, fixture->shared(), std::stop_token());
    ASSERT_TRUE(remote.ok()) << remote.status();
    const CompiledStream& stream = fixture->stream(page.stream);
    const JsonValue parent = page.parent.empty() ? JsonValue() : Texts(page.parent);
    const std::string recorded = ReadTestData(page.file);
    for (const std::string& body :
         {recorded, std::string("[]"), std::string("{}"), std::string("[1, null, {}]"),
          recorded.substr(0, recorded.size() / 2), std::string(300, '[') + std::string(300, ']'),
          std::string("\xff\xfe"), std::string()}) {
      for (const int status : {200, 403, 404}) {
        HttpResponse response;
        response.status = status;
        response.headers = {{"link", "<https://api.buildkite.com/v2/x?page=2>; rel=\"next\""},
                            {"odd", "\xff"}};
        response.body = body;
        const std::string here =
            ReadBy(fixture->pages(), *fixture, stream, response, parent, page.fetched);
        for (int time = 0; time < 2; ++time) {
          EXPECT_EQ(ReadBy(**remote, *fixture, stream, response, parent, page.fetched), here);
        }
      }
    }
  }
}

TEST(PageWorkerTest, ReadsAnAnswerOnce) {
  const ManifestFixture fixture(BuiltInText("opal"));
  const auto pages = MakeWorkers()->Lease("s", fixture.shared(), std::stop_token()).value();
  MappingNotes notes;
  EXPECT_EQ(pages->ReadPage(fixture.stream("tokens"), 0, notes).status().code(),
            absl::StatusCode::kFailedPrecondition);
  HttpResponse response;
  response.status = 200;
  response.body = ReadTestData("opal/tokens.json");
  ASSERT_TRUE(pages->Take(response, JsonValue::Object(), {}).ok());
  EXPECT_TRUE(pages->ReadPage(fixture.stream("tokens"), 0, notes).ok());
  EXPECT_EQ(pages->ReadPage(fixture.stream("tokens"), 0, notes).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// As large as bodies may be by default: the memory that a worker may take is enough for it.
TEST(PageWorkerTest, TheLargestBodyFits) {
  const ManifestFixture fixture(BuiltInText("opal"));
  PageWorkers::Options options;
  options.program = TI_PAGE_WORKER;
  options.page_time_limit = absl::Minutes(10);
  const auto pages = std::make_shared<PageWorkers>(options)
                         ->Lease("s", fixture.shared(), std::stop_token())
                         .value();
#ifdef TI_SANITIZED
  // Memory is not limited here, and the largest would take ten minutes.
  constexpr std::size_t kMost = std::size_t{2} << 20;
#else
  constexpr std::size_t kMost = std::size_t{32} << 20;
#endif
  HttpResponse response;
  response.status = 200;
  response.body = R"({"results":[)";
  int rows = 0;
  for (; response.body.size() < kMost - 1000; ++rows) {
    absl::StrAppend(
        &response.body, rows == 0 ? "" : ",", R"({"token_id":"id-)", rows,
        R"(","created_at":"2022-01-23T04:56:07.000Z","token_preview":"ab123","token_label":"CI deploy","creator_user_id":"d4a7d928-783e-4599-8ec6-088d635a5bcc","user_id":"29827fb8-f2dd-4e80-9576-28e31e9934ac","access_level":"FULL_ACCESS","last_used_at":"2022-01-23T04:56:07.000Z","expires_at":"2023-01-23T04:56:07.000Z"})");
  }
  response.body += "]}";
  ASSERT_TRUE(pages->Take(response, JsonValue::Object(), {}).ok());
  MappingNotes notes;
  const absl::StatusOr<PageContent> content = pages->ReadPage(fixture.stream("tokens"), 0, notes);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->rows.size(), static_cast<std::size_t>(rows));
}

TEST(PageWorkerTest, IsShutIn) {
  // As in the service.
  setenv("TI_TEST_SECRET_ENVIRONMENT", "hunter2", 1);
  signal(SIGPIPE, SIG_IGN);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const absl::Cleanup restore = [&] { pthread_sigmask(SIG_SETMASK, &before, nullptr); };
  const ManifestFixture fixture(BuiltInText("opal"));
  const auto workers = MakeWorkers();
  const auto pages = workers->Lease("s", fixture.shared(), std::stop_token()).value();
  ASSERT_THAT(WorkerPids(), SizeIs(1));
  const pid_t pid = WorkerPids()[0];
  EXPECT_EQ(getpgid(pid), pid);
  EXPECT_EQ(ReadProcStatus(pid, "NoNewPrivs"), "1");
  // Of the signals that are not glibc's own.
  const auto signals = [pid](const char* which) {
    return std::stoull(ReadProcStatus(pid, which), nullptr, 16) & 0x7FFFFFFFU;
  };
  EXPECT_EQ(signals("SigBlk"), 0U);
  EXPECT_EQ(signals("SigIgn"), 0U);
  std::map<std::string, std::string> limits;  // by name: what stands behind it
  const std::string text = ReadProcFile(pid, "limits");
  for (const char* name : {"Max core file size", "Max file size", "Max open files",
                           "Max address space", "Max cpu time"}) {
    const std::size_t begin =
        text.find_first_not_of(' ', text.find(name) + std::string(name).size());
    limits[name] = text.substr(begin, text.find(' ', begin) - begin);
  }
  EXPECT_EQ(limits["Max core file size"], "0");
  EXPECT_EQ(limits["Max file size"], "0");
  EXPECT_EQ(limits["Max open files"], "4");
  EXPECT_NE(limits["Max cpu time"], "unlimited");
#ifndef TI_SANITIZED
  EXPECT_EQ(ReadProcStatus(pid, "Seccomp"), "2");
  EXPECT_EQ(limits["Max address space"], absl::StrCat(WorkerMemory(WorkerLimits())));
#endif

  // Nobody but root looks into a process that cannot be dumped.
  if (geteuid() != 0) return;
  EXPECT_TRUE(std::ifstream(absl::StrCat("/proc/", pid, "/environ")).is_open());
  EXPECT_EQ(ReadProcFile(pid, "environ"), "");
  std::map<std::string, std::string> open;
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/fd"))) {
    open[entry.path().filename()] =
        std::filesystem::read_symlink(entry.path()).string().substr(0, 9);
  }
  EXPECT_THAT(open, UnorderedElementsAre(::testing::Pair("0", "/dev/null"),
                                         ::testing::Pair("1", "/dev/null"),
                                         ::testing::Pair("2", "/dev/null"),
                                         ::testing::Pair("3", ::testing::StartsWith("socket:["))));
}

TEST(PageWorkersTest, AreKeptWarmForTheirSourceAlone) {
  const ManifestFixture fixture(BuiltInText("opal"));
  const ManifestFixture reloaded(BuiltInText("opal"));
  auto workers = MakeWorkers();
  const auto pid_of_lease = [&](const std::string& source, const ManifestFixture& of) {
    const std::vector<pid_t> before = WorkerPids();
    const auto pages = workers->Lease(source, of.shared(), std::stop_token());
    EXPECT_TRUE(pages.ok()) << pages.status();
    for (const pid_t pid : WorkerPids()) {
      if (std::find(before.begin(), before.end(), pid) == before.end()) return pid;
    }
    return pid_t{0};  // one that was there
  };
  const pid_t first = pid_of_lease("a", fixture);
  EXPECT_NE(first, 0);
  EXPECT_EQ(pid_of_lease("a", fixture), 0);
  EXPECT_NE(pid_of_lease("b", fixture), 0);
  EXPECT_THAT(WorkerPids(), SizeIs(2));
  // Another manifest: the old one's worker goes.
  EXPECT_NE(pid_of_lease("a", reloaded), 0);
  EXPECT_THAT(WorkerPids(), SizeIs(2));
  EXPECT_THAT(WorkerPids(), ::testing::Not(::testing::Contains(first)));
  // One that is in use is nobody else's.
  {
    const auto held = workers->Lease("b", fixture.shared(), std::stop_token()).value();
    EXPECT_NE(pid_of_lease("b", fixture), 0);
  }
  workers = nullptr;
  EXPECT_THAT(WorkerPids(), IsEmpty());
}

TEST(PageWorkersTest, FewAreKeptIdle) {
  const ManifestFixture fixture(BuiltInText("opal"));
  const auto workers = MakeWorkers();
  std::vector<std::unique_ptr<PageReader>> held;
  for (int i = 0; i < 10; ++i) {
    held.push_back(
        workers->Lease(absl::StrCat("s", i), fixture.shared(), std::stop_token()).value());
  }
  EXPECT_THAT(WorkerPids(), SizeIs(10));
  held.clear();
  EXPECT_THAT(WorkerPids(), SizeIs(8));
}

TEST(PageWorkersTest, SayWhyTheyCannotStart) {
  const ManifestFixture fixture(BuiltInText("opal"));
  for (const auto& [program, said] :
       std::map<std::string, std::string>{{"/nonexistent/worker", "No such file"},
                                          {"/etc/passwd", "Permission denied"},
                                          {"/bin/false", "ended with exit code 1"}}) {
    PageWorkers::Options options;
    options.program = program;
    const auto pages =
        std::make_shared<PageWorkers>(options)->Lease("s", fixture.shared(), std::stop_token());
    EXPECT_EQ(pages.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(pages.status().message()), HasSubstr(said));
  }
  EXPECT_FALSE(CheckPageWorker("/etc").ok());
  EXPECT_TRUE(CheckPageWorker(TI_PAGE_WORKER).ok());
  EXPECT_THAT(WorkerPids(), IsEmpty());
}

// Records choose what the programs do with them.
constexpr char kManifest[] = R"(vendor: acme
title: Acme
base: ${param.base_url}
params: {base_url: {default: "http://x"}}
streams:
  first:
    get: /first
    records: .body
    token: |
      if .do == "spin" then last(range(1e15))
      elif .do == "eat" then reduce range(60) as $i ("12345678"; . + .)
      elif .do == "nest" then reduce range(300000) as $i (0; [.])
      else {providerTokenId: .id} end
  second:
    get: /second
    records: .body
    token: "{providerTokenId: .id}"
  third:
    get: /third
    records: "if .body == \"spin\" then last(range(1e15)) else .body end"
    token: "{providerTokenId: .id}"
)";

class LostWorkerTest : public ConnectorFixture {
 protected:
  // What the first listing's second row says to do; and then all is well again.
  v1::SyncResult RunWith(const std::string& deed) {
    Serve({{"/first", absl::StrCat(R"([{"id": "a"}, {"id": "b", "do": ")", deed, R"("}])")},
           {"/second", R"([{"id": "c"}])"},
           {"/third", "[]"}});
    return Run();
  }

  void ExpectOnlyTheFirstListingFailed(const v1::SyncResult& result, const std::string& why) {
    EXPECT_EQ(result.state(), v1::Source::DEGRADED);
    EXPECT_THAT(recorder.Reason("first"), HasSubstr(why));
    EXPECT_EQ(recorder.Reason("second"), "complete");
    EXPECT_THAT(recorder.AllIds(), ElementsAre("c"));
    const v1::SyncResult next = RunWith("nothing");
    EXPECT_EQ(next.state(), v1::Source::OK) << next.error();
    EXPECT_THAT(recorder.AllIds(), ElementsAre("a", "b", "c"));
  }

  // The workers that compute.
  std::vector<pid_t> BusyWorkers() {
    std::vector<pid_t> busy;
    for (const pid_t pid : WorkerPids()) {
      if (ReadProcStatus(pid, "State").substr(0, 1) == "R") busy.push_back(pid);
    }
    return busy;
  }

  void AwaitBusyWorker() {
    while (vendor.request_count() == 0 || BusyWorkers().empty()) std::this_thread::yield();
  }

  // Kills what computes between the vendor's first request and its second. Not once only: a
  // worker that had yet to fall asleep is replaced before it gets the first answer.
  void KillBusyWorkersOfFirstAnswer() {
    while (vendor.request_count() == 0) std::this_thread::yield();
    for (;;) {
      const std::vector<pid_t> busy = BusyWorkers();
      if (vendor.request_count() > 1) return;
      for (const pid_t pid : busy) kill(pid, SIGKILL);
      std::this_thread::yield();
    }
  }
};

TEST_F(LostWorkerTest, APageThatTakesTooLong) {
  workers.page_time_limit = absl::Milliseconds(500);
  Make(kManifest);
  ExpectOnlyTheFirstListingFailed(RunWith("spin"), "reading the page takes longer than 500ms");
}

TEST_F(LostWorkerTest, AProgramThatDoesNotEndFailsItsRow) {
  Make(kManifest);
  EXPECT_EQ(RunWith("spin").state(), v1::Source::DEGRADED);
  EXPECT_THAT(recorder.Reason("first"), HasSubstr("the program does not end"));
  EXPECT_THAT(recorder.AllIds(), UnorderedElementsAre("a", "c"));
}

#ifndef TI_SANITIZED
TEST_F(LostWorkerTest, APageThatTakesTooMuchMemory) {
  Make(kManifest);
  ExpectOnlyTheFirstListingFailed(RunWith("eat"), "needed more memory than it may take");
}

TEST_F(LostWorkerTest, AValueThatIsNestedTooDeeply) {
  Make(kManifest);
  ExpectOnlyTheFirstListingFailed(RunWith("nest"), "the page worker crashed (signal 11)");
}
#endif

TEST_F(LostWorkerTest, KilledInTheMiddleOfAPage) {
  Make(kManifest);
  std::thread killer([this] { KillBusyWorkersOfFirstAnswer(); });
  const v1::SyncResult result = RunWith("spin");
  killer.join();
  ExpectOnlyTheFirstListingFailed(result, "the page worker was killed");
}

TEST_F(LostWorkerTest, KilledBetweenPasses) {
  Make(kManifest);
  EXPECT_EQ(RunWith("nothing").state(), v1::Source::OK);
  for (int i = 0; i < 3; ++i) {
    const std::vector<pid_t> workers_now = WorkerPids();
    ASSERT_THAT(workers_now, SizeIs(1));
    kill(workers_now[0], SIGKILL);
    // Dead, and left for the pool to find.
    siginfo_t end = {};
    waitid(P_PID, static_cast<id_t>(workers_now[0]), &end, WEXITED | WNOWAIT);
    EXPECT_EQ(RunWith("nothing").state(), v1::Source::OK);
  }
}

TEST_F(LostWorkerTest, OneAfterTheOtherEndsThePass) {
  workers.page_time_limit = absl::Milliseconds(300);
  Make(R"(vendor: acme
title: Acme
base: ${param.base_url}
params: {base_url: {default: "http://x"}}
streams:
  groups: {get: /groups, records: .body, item: "{id}"}
  tokens:
    for_each: groups
    get: /groups/${parent.id}
    records: last(range(1e15))
    token: "{providerTokenId: .id}"
)");
  Serve({{"/groups", R"([{"id": "1"}, {"id": "2"}, {"id": "3"}, {"id": "4"}, {"id": "5"}])"},
         {"/groups/1", "[]"},
         {"/groups/2", "[]"},
         {"/groups/3", "[]"}});
  const v1::SyncResult result = Run();
  EXPECT_EQ(result.state(), v1::Source::FAILED);
  EXPECT_EQ(result.error(), "reading the page takes longer than 300ms");
  EXPECT_EQ(vendor.request_count(), 4);
  EXPECT_EQ(recorder.Reason("tokens", "id=4"), "not read");
}

TEST_F(LostWorkerTest, AStopDoesNotWaitForASlowPage) {
  workers.page_time_limit = absl::Hours(1);
  Make(kManifest);
  Serve({{"/first", "[]"}, {"/second", "[]"}, {"/third", "\"spin\""}});
  std::stop_source stop;
  std::thread stopper([&] {
    AwaitBusyWorker();
    stop.request_stop();
  });
  PassContext context;
  context.recorder = &recorder;
  context.stop = stop.get_token();
  EXPECT_EQ(connector->RunPass(context).status().code(), absl::StatusCode::kCancelled);
  stopper.join();
  EXPECT_EQ(recorder.abandoned, 1);
}

TEST_F(LostWorkerTest, NoneThatCanBeStarted) {
  workers.program = "/nonexistent/worker";
  Make(kManifest);
  const v1::SyncResult result = RunWith("nothing");
  EXPECT_EQ(result.state(), v1::Source::FAILED);
  EXPECT_EQ(result.error(),
            "the page worker /nonexistent/worker cannot be started: No such file or directory");
  // What nobody can read nobody asks for.
  EXPECT_EQ(vendor.request_count(), 0);
  EXPECT_EQ(recorder.ended, 1);
  EXPECT_FALSE(recorder.parents_complete.at("first"));
}

TEST_F(LostWorkerTest, ALookUpSaysSoToo) {
  workers.page_time_limit = absl::Milliseconds(300);
  Make(R"(vendor: acme
title: Acme
base: ${param.base_url}
params: {base_url: {default: "http://x"}}
streams:
  tokens:
    get: /tokens
    records: .body
    token: "if .id == \"spin\" then last(range(1e15)) else {providerTokenId: .id} end"
    fetch: {get: "/tokens/${id}"}
)");
  Serve({{"/tokens/spin", R"({"id": "spin"})"}, {"/tokens/t", R"({"id": "t"})"}});
  const ScopeRef scope{"tokens", "", ""};
  absl::StatusOr<FetchedToken> fetched = connector->FetchOne(scope, "spin", "", true, {});
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->outcome, FetchedToken::Outcome::kNotProven);
  EXPECT_EQ(fetched->failure, VendorFailure::kReaderLost);
  EXPECT_EQ(fetched->reason, "reading the page takes longer than 300ms");
  fetched = connector->FetchOne(scope, "t", "", true, {});
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->outcome, FetchedToken::Outcome::kFound);
}

}  // namespace
}  // namespace tokeninventory
