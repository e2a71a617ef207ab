// PostgreSQL as a peer: a database of its own in a temporary folder, and a closed
// loop of prepared statements over many connections.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/process.h"
#include "tests/testing/temp_dir.h"

struct pg_conn;

namespace tokeninventory::bench {

// What statements go out, in turn.
struct Queries {
  // With $1, $2 … as text. Its answer's first column is what counts.
  std::string sql;
  std::vector<std::vector<std::string>> parameters;
  int at_once = 1;
};

// All its processes are pinned to the server's core.
class Postgres {
 public:
  Postgres();

  // Makes `tokens (name, expire, uid, token)` with an index on (expire, uid). A token
  // that does not expire comes last.
  void Load(const TokenFile& tokens);

  std::string connection() const;
  double CpuSeconds() const { return process_->CpuSeconds(); }

 private:
  testing::TempDir folder_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

// Used by one thread. A statement that fails ends the program.
class PostgresClient {
 public:
  PostgresClient(const Postgres& server, const Queries& queries);
  ~PostgresClient();

  // Statements for so long; how many.
  std::int64_t Run(absl::Duration time);

 private:
  struct Connection;
  void Send(Connection& connection);
  // Whether the answer is there, whole.
  bool Receive(Connection& connection);

  const Queries queries_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::size_t next_ = 0;
};

// The server's CPU time for a statement, in microseconds.
double CpuMicrosPerQuery(const Postgres& server, PostgresClient& client, absl::Duration time);

}  // namespace tokeninventory::bench
