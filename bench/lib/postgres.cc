#include "bench/lib/postgres.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/lib/free_port.h"

namespace tokeninventory::bench {
namespace {

constexpr char kUser[] = "postgres";
constexpr char kPrograms[] = "/usr/lib/postgresql/15/bin/";
constexpr char kStatement[] = "bench";
constexpr int kBinary = 1;

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

struct CloseConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using OpenConnection = std::unique_ptr<PGconn, CloseConnection>;

OpenConnection Open(const std::string& where) {
  OpenConnection connection(PQconnectdb(where.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) Fail(PQerrorMessage(connection.get()));
  return connection;
}

void Check(PGconn* connection, PGresult* result) {
  const Result owned(result, &PQclear);
  switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_COPY_IN:
      return;
    default:
      Fail(absl::StrCat("PostgreSQL: ", PQerrorMessage(connection)));
  }
}

void Execute(PGconn* connection, const char* sql) { Check(connection, PQexec(connection, sql)); }

ProcessOptions Program(const std::string& folder, const char* name) {
  ProcessOptions options;
  options.command = {absl::StrCat(kPrograms, name), "-D", folder + "/data"};
  options.user = kUser;
  options.folder = folder;
  options.core = ServerCore();
  return options;
}

}  // namespace

Postgres::Postgres() : port_(FreePort()) {
  if (getuid() == 0) {
    const passwd* const user = getpwnam(kUser);
    if (user == nullptr || chown(folder_.path().c_str(), user->pw_uid, user->pw_gid) != 0) {
      Fail("the user postgres is needed");
    }
  }
  ProcessOptions make = Program(folder_.path(), "initdb");
  make.command.insert(make.command.end(), {"-U", kUser, "-A", "trust", "--no-sync"});
  Process initdb(make);
  if (const int code = initdb.Wait(); code != 0) Fail(initdb.AwaitOutput("success"));
  ProcessOptions serve = Program(folder_.path(), "postgres");
  for (const std::string& setting :
       {absl::StrCat("port=", port_), std::string("listen_addresses=127.0.0.1"),
        "unix_socket_directories=" + folder_.path(), std::string("shared_buffers=1GB"),
        std::string("max_connections=100"), std::string("max_wal_size=8GB"),
        std::string("autovacuum=off"), std::string("dynamic_shared_memory_type=mmap")}) {
    serve.command.insert(serve.command.end(), {"-c", setting});
  }
  process_ = std::make_unique<Process>(serve);
  process_->AwaitOutput("ready to accept connections");
}

std::string Postgres::connection() const {
  return absl::StrCat("host=127.0.0.1 port=", port_, " user=", kUser, " dbname=postgres");
}

void Postgres::Load(const TokenFile& tokens) {
  const OpenConnection open = Open(connection());
  PGconn* const sql = open.get();
  Execute(sql,
          "CREATE TABLE tokens (name text PRIMARY KEY, expire bigint NOT NULL, uid text NOT NULL,"
          " token bytea NOT NULL)");
  Execute(sql, "COPY tokens FROM STDIN");
  for (const absl::string_view token : tokens.tokens()) {
    const TokenKey key = KeyOf(token);
    const std::string line = absl::StrCat(key.name, "\t", key.expire, "\t", key.uid, "\t\\\\x",
                                          absl::BytesToHexString(token), "\n");
    if (PQputCopyData(sql, line.data(), static_cast<int>(line.size())) != 1) break;
  }
  PQputCopyEnd(sql, nullptr);
  for (PGresult* result = nullptr; (result = PQgetResult(sql)) != nullptr;) Check(sql, result);
  Execute(sql, "CREATE INDEX ON tokens (expire, uid)");
  Execute(sql, "VACUUM (ANALYZE) tokens");
  Execute(sql, "CHECKPOINT");
}

struct PostgresClient::Connection {
  OpenConnection open;
};

PostgresClient::PostgresClient(const Postgres& server, const Queries& queries) : queries_(queries) {
  for (int i = 0; i < queries.at_once; ++i) {
    auto connection = std::make_unique<Connection>();
    connection->open = Open(server.connection());
    PGconn* const sql = connection->open.get();
    Check(sql, PQprepare(sql, kStatement, queries.sql.c_str(), 0, nullptr));
    PQsetnonblocking(sql, 1);
    connections_.push_back(std::move(connection));
  }
}

PostgresClient::~PostgresClient() = default;

void PostgresClient::Send(Connection& connection) {
  std::vector<const char*> values;
  for (const std::string& value : queries_.parameters[next_++ % queries_.parameters.size()]) {
    values.push_back(value.c_str());
  }
  PGconn* const sql = connection.open.get();
  if (PQsendQueryPrepared(sql, kStatement, static_cast<int>(values.size()), values.data(), nullptr,
                          nullptr, kBinary) != 1) {
    Fail(PQerrorMessage(sql));
  }
  while (PQflush(sql) == 1) {
  }
}

bool PostgresClient::Receive(Connection& connection) {
  PGconn* const sql = connection.open.get();
  if (PQconsumeInput(sql) != 1) Fail(PQerrorMessage(sql));
  while (PQisBusy(sql) == 0) {
    const Result result(PQgetResult(sql), &PQclear);
    if (result == nullptr) return true;
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK || PQntuples(result.get()) == 0) {
      Fail(absl::StrCat("PostgreSQL: no rows: ", PQerrorMessage(sql)));
    }
  }
  return false;
}

std::int64_t PostgresClient::Run(absl::Duration time) {
  const absl::Time end = absl::Now() + time;
  std::int64_t done = 0;
  std::vector<pollfd> waits;
  for (const auto& connection : connections_) {
    Send(*connection);
    waits.push_back({PQsocket(connection->open.get()), POLLIN, 0});
  }
  for (std::size_t under_way = connections_.size(); under_way > 0;) {
    poll(waits.data(), static_cast<nfds_t>(waits.size()), -1);
    const bool go_on = absl::Now() < end;
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (waits[i].revents == 0 || !Receive(*connections_[i])) continue;
      ++done;
      if (go_on) {
        Send(*connections_[i]);
      } else {
        waits[i].fd = -1;  // poll leaves it out
        --under_way;
      }
    }
  }
  return done;
}

double CpuMicrosPerQuery(const Postgres& server, PostgresClient& client, absl::Duration time) {
  const double before = server.CpuSeconds();
  const std::int64_t done = client.Run(time);
  return (server.CpuSeconds() - before) * 1e6 / static_cast<double>(done);
}

}  // namespace tokeninventory::bench
