// Transport over real gRPC: TLS, mutual TLS, files that change under load, Unix sockets.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/access/token_hash.h"
#include "server/server_app.h"
#include "tests/e2e/scrape.h"
#include "tests/testing/temp_dir.h"
#include "tokeninventory/v1/sources.grpc.pb.h"

namespace tokeninventory {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Scrape;
using testing::TempDir;

void Shell(const std::string& command) {
  ASSERT_EQ(std::system(absl::StrCat(command, " 2> /dev/null").c_str()), 0) << command;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Certificates as `openssl` makes them, in one folder: NAME.pem and NAME.key.
class Certificates {
 public:
  explicit Certificates(const std::string& folder) : folder_(folder) {
    std::filesystem::create_directories(folder);
  }
  std::string Cert(const std::string& name) const {
    return absl::StrCat(folder_, "/", name, ".pem");
  }
  std::string Key(const std::string& name) const {
    return absl::StrCat(folder_, "/", name, ".key");
  }

  void MakeAuthority(const std::string& name) {
    Shell(absl::StrCat(kNew, " -days 30 -subj /CN=", name, Files(name)));
  }
  void Sign(const std::string& name, const std::string& authority, const std::string& san,
            int days = 30) {
    Shell(absl::StrCat(kNew, " -days ", days, " -subj /CN=", name,
                       " -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=", san,
                       " -CA ", Cert(authority), " -CAkey ", Key(authority), Files(name)));
  }

 private:
  static constexpr char kNew[] =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc";
  std::string Files(const std::string& name) const {
    return absl::StrCat(" -out ", Cert(name), " -keyout ", Key(name));
  }

  const std::string folder_;
};

constexpr char kHere[] = "IP:127.0.0.1,DNS:localhost";

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() : certificates_(folder_.File("tls")) {
    certificates_.MakeAuthority("ca");
    certificates_.Sign("server", "ca", kHere);
  }

  // A configuration with these lines and no sources.
  LoadedConfig Load(const std::string& lines) {
    std::ofstream(folder_.File("config.yaml")) << lines;
    ConfigOverrides overrides;
    overrides.listen = "127.0.0.1:0";
    overrides.data_dir = folder_.File("data");
    return LoadServerConfig(folder_.File("config.yaml"), overrides, Clock::Real());
  }
  void Start(const std::string& lines) {
    LoadedConfig config = Load(lines);
    ASSERT_THAT(config.problems, IsEmpty());
    auto app = ServerApp::Start(std::move(config.settings), Clock::Real());
    ASSERT_TRUE(app.ok()) << app.status();
    app_ = *std::move(app);
  }
  std::string Address() const { return absl::StrCat("127.0.0.1:", app_->port()); }

  std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                         const std::shared_ptr<grpc::ChannelCredentials>& how) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address, how, arguments);
  }
  // A client that trusts `authority`, with a certificate of its own if it is named.
  std::shared_ptr<grpc::ChannelCredentials> Client(const std::string& authority,
                                                   const std::string& name = "") const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadText(certificates_.Cert(authority));
    if (!name.empty()) {
      options.pem_cert_chain = ReadText(certificates_.Cert(name));
      options.pem_private_key = ReadText(certificates_.Key(name));
    }
    return grpc::SslCredentials(options);
  }
  static grpc::Status Ask(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::ListSourcesResponse response;
    return v1::Sources::NewStub(channel)->ListSources(&context, {}, &response);
  }
  bool Serves(const std::shared_ptr<grpc::ChannelCredentials>& how) {
    return Ask(Connect(Address(), how)).ok();
  }

  TempDir folder_;
  Certificates certificates_;
  std::unique_ptr<ServerApp> app_;
};

constexpr char kServerOnly[] =
    "tls: {certificate_file: tls/server.pem, key_file: tls/server.key}\n";

TEST_F(TlsTest, ServesThoseWhoTrustItsCertificate) {
  Start(kServerOnly);
  certificates_.MakeAuthority("other");
  EXPECT_TRUE(Serves(Client("ca")));
  EXPECT_FALSE(Serves(Client("other")));
  EXPECT_FALSE(Serves(grpc::InsecureChannelCredentials()));
}

TEST_F(TlsTest, NothingOlderThanTls12) {
  Start(kServerOnly);
  const auto handshake = [&](const std::string& version) {
    // Its exit code tells how the connection ended, not how it began.
    std::ignore = std::system(absl::StrCat("echo | openssl s_client -connect ", Address(), " -",
                                           version, " -cipher ALL:@SECLEVEL=0 -alpn h2 > ",
                                           folder_.File("out"), " 2>&1")
                                  .c_str());
    return ReadText(folder_.File("out"));
  };
  EXPECT_THAT(handshake("tls1_2"), HasSubstr("New, TLSv1.2, Cipher is ECDHE"));
  // It is the server that refuses: the client has sent its greeting.
  EXPECT_THAT(handshake("tls1_1"), AllOf(HasSubstr("Cipher is (NONE)"),
                                         HasSubstr("handshake has read 0 bytes and written 1")));
}

TEST_F(TlsTest, ClientCertificatesAreRequiredOrOptional) {
  certificates_.MakeAuthority("clients");
  certificates_.MakeAuthority("strangers");
  certificates_.Sign("reader", "clients", "URI:spiffe://example.org/reader");
  certificates_.Sign("stranger", "strangers", "URI:spiffe://example.org/reader");
  struct Case {
    const char* mode;
    const char* client;
    bool served;
  };
  const Case cases[] = {
      {"", "", false},
      {"", "reader", true},
      {"", "stranger", false},
      {", client_certificates: REQUIRED", "", false},
      {", client_certificates: OPTIONAL", "", true},
      {", client_certificates: OPTIONAL", "reader", true},
      {", client_certificates: OPTIONAL", "stranger", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::StrCat(c.mode, " client: ", c.client));
    Start(
        absl::StrCat("tls: {certificate_file: tls/server.pem, key_file: tls/server.key, "
                     "client_ca_file: tls/clients.pem",
                     c.mode, "}\n"));
    EXPECT_EQ(Serves(Client("ca", c.client)), c.served);
    app_ = nullptr;
  }
}

TEST_F(TlsTest, ACertificateNamesItsPrincipal) {
  certificates_.MakeAuthority("clients");
  certificates_.Sign("dashboard", "clients", "URI:spiffe://example.org/dashboard");
  certificates_.Sign("oncall", "clients", "DNS:oncall.example.org");
  certificates_.Sign("other", "clients", "URI:spiffe://example.org/other");
  constexpr char kToken[] = "a-token-of-the-dashboard";
  Start(absl::StrCat(
      "tls: {certificate_file: tls/server.pem, key_file: tls/server.key, "
      "client_ca_file: tls/clients.pem, client_certificates: OPTIONAL}\n"
      "access:\n  principals:\n"
      "    - {id: dashboard, certificate_names: ['spiffe://example.org/dashboard'], "
      "token_hashes: ['",
      TokenHash::Of(kToken)->Text(),
      "']}\n"
      "    - {id: oncall, certificate_names: [oncall.example.org], role: OPERATOR}\n"));
  const auto ask = [&](const std::string& client, const std::string& token, bool to_change) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (!token.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
    const auto stub = v1::Sources::NewStub(Connect(Address(), Client("ca", client)));
    if (!to_change) {
      v1::ListSourcesResponse response;
      return stub->ListSources(&context, {}, &response).error_code();
    }
    v1::PurgeSourceRequest request;
    request.set_name("sources/none");
    v1::PurgeSourceResponse response;
    return stub->PurgeSource(&context, request, &response).error_code();
  };
  using grpc::StatusCode;
  EXPECT_EQ(ask("dashboard", "", false), StatusCode::OK);
  EXPECT_EQ(ask("dashboard", "", true), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ask("oncall", "", false), StatusCode::OK);
  EXPECT_EQ(ask("oncall", "", true), StatusCode::NOT_FOUND)
      << "let in, and there is no such source";
  EXPECT_EQ(ask("other", "", false), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ask("", "", false), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ask("", kToken, false), StatusCode::OK);
  // A token goes over the certificate, better or worse.
  EXPECT_EQ(ask("other", kToken, false), StatusCode::OK);
  EXPECT_EQ(ask("oncall", kToken, true), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ask("oncall", "a-token-of-nobody-at-all", false), StatusCode::UNAUTHENTICATED);
}

TEST_F(TlsTest, FilesChangeUnderLoadAndNoCallFails) {
  // As Kubernetes and certbot do it: a link to the folder of the pair.
  const auto make_pair = [&](const std::string& name) {
    Certificates pair(folder_.File(name));
    std::filesystem::copy(certificates_.Cert("ca"), pair.Cert("ca"));
    std::filesystem::copy(certificates_.Key("ca"), pair.Key("ca"));
    pair.Sign("server", "ca", kHere);
  };
  const auto use_pair = [&](const std::string& name) {
    std::filesystem::create_directory_symlink(name, folder_.File("next"));
    std::filesystem::rename(folder_.File("next"), folder_.File("live"));
  };
  make_pair("a");
  make_pair("b");
  use_pair("a");
  Start("tls: {certificate_file: live/server.pem, key_file: live/server.key}\n");

  std::atomic<bool> done = false;
  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
  const auto count = [&](const grpc::Status& status) {
    ++calls;
    if (!status.ok()) ++failures;
  };
  const auto how = Client("ca");
  std::thread same_connection([&] {
    const auto channel = Connect(Address(), how);
    while (!done) count(Ask(channel));
  });
  std::thread new_connections([&] {
    while (!done) count(Ask(Connect(Address(), how)));
  });
  // What a new connection is shown now.
  const auto serial = [&] {
    Shell(absl::StrCat("echo | openssl s_client -connect ", Address(),
                       " -alpn h2 2> /dev/null | openssl x509 -noout -serial > ",
                       folder_.File("serial")));
    return ReadText(folder_.File("serial"));
  };
  for (int round = 0; round < 4; ++round) {
    const std::string before = serial();
    use_pair(round % 2 == 0 ? "b" : "a");
    while (serial() == before && calls < 1'000'000) std::this_thread::yield();
    EXPECT_NE(serial(), before);
  }
  done = true;
  same_connection.join();
  new_connections.join();
  EXPECT_EQ(failures, 0) << "of " << calls;
  EXPECT_GT(calls, 100);
}

TEST_F(TlsTest, BadFilesStopTheStartWithEveryProblem) {
  certificates_.MakeAuthority("other");
  certificates_.Sign("ended", "ca", kHere, 1);
  Shell(absl::StrCat("openssl ec -aes128 -passout pass:secret -in ", certificates_.Key("server"),
                     " -out ", certificates_.Key("locked")));
  std::ofstream(certificates_.Cert("garbage")) << "no certificate\n";
  struct Case {
    const char* tls;
    const char* field;
    const char* what;
  };
  const Case cases[] = {
      {"{}", "tls.certificate_file", "missing"},
      {"{}", "tls.key_file", "missing"},
      {"{certificate_file: tls/none.pem, key_file: tls/server.key}", "tls.certificate_file",
       "cannot be read"},
      {"{certificate_file: tls/garbage.pem, key_file: tls/server.key}", "tls.certificate_file",
       "no certificate in PEM"},
      {"{certificate_file: tls/server.pem, key_file: tls/other.key}", "tls.key_file",
       "is not the key of"},
      {"{certificate_file: tls/server.pem, key_file: tls/server.pem}", "tls.key_file",
       "no private key"},
      {"{certificate_file: tls/server.pem, key_file: tls/locked.key}", "tls.key_file",
       "without a passphrase"},
      {"{certificate_file: tls/server.pem, key_file: tls/server.key, client_ca_file: tls/none.pem}",
       "tls.client_ca_file", "cannot be read"},
      {"{certificate_file: tls/server.pem, key_file: tls/server.key, client_certificates: "
       "REQUIRED}",
       "tls.client_certificates", "needs `client_ca_file`"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.tls);
    const std::string problems =
        absl::StrJoin(Load(absl::StrCat("tls: ", c.tls, "\n")).problems, "\n");
    EXPECT_THAT(problems, HasSubstr(c.field));
    EXPECT_THAT(problems, HasSubstr(c.what));
  }
  TlsFiles files{certificates_.Cert("ended"), certificates_.Key("ended"), "", false};
  EXPECT_THAT(CheckTlsFiles(files, absl::Now()).warnings, Contains(HasSubstr("ends at")));
  EXPECT_THAT(CheckTlsFiles(files, absl::Now() + absl::Hours(48)).problems.at(0).second,
              HasSubstr("ended at"));
}

TEST_F(TlsTest, MetricsTellWhenTheCertificateEnds) {
  constexpr char kEnd[] = "token_inventory_tls_certificate_expiry_timestamp_seconds";
  const auto in_days = [](int days) {
    return absl::ToDoubleSeconds(absl::Now() + absl::Hours(24 * days) - absl::UnixEpoch());
  };
  Start(absl::StrCat(kServerOnly, "metrics: {listen: '127.0.0.1:0'}\n"));
  EXPECT_NEAR(Scrape(app_->metrics_port())[kEnd], in_days(30), 600);
  certificates_.Sign("server", "ca", kHere, 90);
  const absl::Time give_up = absl::Now() + absl::Minutes(1);
  while (Scrape(app_->metrics_port())[kEnd] < in_days(60) && absl::Now() < give_up) {
  }
  EXPECT_NEAR(Scrape(app_->metrics_port())[kEnd], in_days(90), 600);
}

TEST_F(TlsTest, WithoutTlsOnlyLoopbackUnlessToldSo) {
  ConfigOverrides overrides;
  overrides.listen = "0.0.0.0:0";
  const auto load = [&](const std::string& lines) {
    std::ofstream(folder_.File("config.yaml")) << lines;
    return LoadServerConfig(folder_.File("config.yaml"), overrides, Clock::Real());
  };
  EXPECT_THAT(load("").problems, Contains(HasSubstr("is not loopback")));
  const LoadedConfig insecure = load("insecure: true\n");
  EXPECT_THAT(insecure.problems, IsEmpty());
  EXPECT_THAT(insecure.warnings, Contains(HasSubstr("serving without TLS")));
  const LoadedConfig safe = load(kServerOnly);
  EXPECT_THAT(safe.problems, IsEmpty());
  EXPECT_THAT(safe.warnings, Not(Contains(HasSubstr("without TLS"))));
}

TEST_F(TlsTest, AUnixSocketBesideThePort) {
  // One that a killed service left behind does not matter.
  const std::string path = folder_.File("socket");
  for (int round = 0; round < 2; ++round) {
    Start(absl::StrCat(kServerOnly, "unix_socket: socket\n"));
    EXPECT_TRUE(Serves(Client("ca")));
    const grpc::Status status =
        Ask(Connect(absl::StrCat("unix:", path), grpc::InsecureChannelCredentials()));
    EXPECT_TRUE(status.ok()) << status.error_message();
    struct stat mode {};
    ASSERT_EQ(stat(path.c_str(), &mode), 0);
    EXPECT_EQ(mode.st_mode & 0777, 0660u);
    app_ = nullptr;
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  LoadedConfig config = Load("unix_socket: no/such/folder/socket\n");
  ASSERT_THAT(config.problems, IsEmpty());
  const auto app = ServerApp::Start(std::move(config.settings), Clock::Real());
  EXPECT_THAT(std::string(app.status().message()), HasSubstr("is its folder there"));
  EXPECT_THAT(Load(absl::StrCat("unix_socket: ", std::string(101, 'x'), "\n")).problems,
              Contains(HasSubstr("unix_socket")));
}

}  // namespace
}  // namespace tokeninventory
