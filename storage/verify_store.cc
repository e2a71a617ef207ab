#include "storage/verify_store.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/cursor.h"
#include "inventory/expiration/notice.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "storage/scope_marks.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_schema.h"
#include "storage/sqlite_statement.h"
#include "storage/sqlite_status.h"
#include "tokeninventory/v1/expiration.pb.h"
#include "tokeninventory/v1/source.pb.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kMaxProblems = 100;

// In place of the bytes: a difference that it misses is one in 2^64.
using Fingerprint = std::uint64_t;

class Verifier {
 public:
  explicit Verifier(SQLite::Database& database) : database_(database) {}

  StoreReport Run() {
    // All queries see one moment.
    const SQLite::Transaction moment(database_);
    Part("SQLite's integrity check", [&] { CheckIntegrity(); });
    Part("the schema", [&] { CheckSchema(); });
    Part("the head", [&] { ReadHead(); });
    Part("the revisions", [&] { CheckRevisions(); });
    Part("the changes", [&] { CheckChanges(); });
    Part("the sources", [&] { CheckSources(); });
    Part("the scopes", [&] { CheckScopes(); });
    Part("the tokens", [&] { CheckTokens(); });
    Part("the notices", [&] { CheckNotices(); });
    Part("the end of the log", [&] { CheckLogEnds(); });
    return std::move(report_);
  }

 private:
  struct Revision {
    std::int64_t first_seq = 0;
    std::int64_t changes = 0;
    std::int64_t bytes = 0;
    std::int64_t counted_changes = 0;
    std::int64_t counted_bytes = 0;
  };
  struct TokenSummary {
    std::string uid;
    v1::Token::Presence presence = v1::Token::PRESENCE_UNSPECIFIED;
  };

  template <typename... Parts>
  void Problem(const Parts&... parts) {
    ++report_.problem_count;
    if (report_.problems.size() < kMaxProblems) {
      report_.problems.push_back(absl::StrCat(parts...));
    }
  }

  // A damaged part does not hide what is wrong with the others.
  template <typename Check>
  void Part(absl::string_view name, const Check& check) {
    const absl::Status status = CatchSqliteErrors(name, [&] {
      check();
      return absl::OkStatus();
    });
    if (!status.ok()) Problem(status.message());
  }

  void CheckIntegrity() {
    SQLite::Statement check(database_, "PRAGMA integrity_check");
    while (check.executeStep()) {
      const std::string line = check.getColumn(0).getString();
      if (line != "ok") Problem("SQLite: ", line);
    }
  }

  void CheckSchema() {
    SQLite::Database fresh(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    MigrateSqliteSchema(fresh, SqliteMigrations());
    std::map<std::string, std::string> expected = SchemaOf(fresh);
    for (const auto& [name, sql] : SchemaOf(database_)) {
      const auto it = expected.find(name);
      if (it == expected.end()) {
        Problem("schema: ", name, " does not belong there");
      } else {
        if (it->second != sql) Problem("schema: ", name, " is not as this program makes it");
        expected.erase(it);
      }
    }
    for (const auto& [name, sql] : expected) Problem("schema: ", name, " is missing");
  }

  static std::map<std::string, std::string> SchemaOf(SQLite::Database& database) {
    std::map<std::string, std::string> schema;
    SQLite::Statement entries(database,
                              "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL");
    while (entries.executeStep()) {
      schema[entries.getColumn(0).getString()] = entries.getColumn(1).getString();
    }
    return schema;
  }

  void ReadHead() {
    SQLite::Statement statement(database_,
                                "SELECT epoch, revision, oldest_revision, oldest_changes,"
                                " next_seq, log_changes, log_bytes FROM store");
    StatementUse head(statement);
    if (!head.Next()) {
      Problem("the store has no head");
      return;
    }
    report_.head = StoreHead{head.BytesAt(0), head.IntegerAt(1), head.IntegerAt(2)};
    next_seq_ = head.IntegerAt(4);
    report_.log_changes = head.IntegerAt(5);
    report_.log_bytes = head.IntegerAt(6);
    if (report_.head.epoch.size() != 16) Problem("head: the epoch is not 16 bytes");
    if (report_.head.oldest_revision < 0 || report_.head.oldest_revision > report_.head.revision) {
      Problem("head: the log begins after revision ", report_.head.oldest_revision,
              ", the newest is ", report_.head.revision);
    }
    const std::int64_t oldest_changes = head.IntegerAt(3);
    if ((report_.head.oldest_revision == 0) != (oldest_changes == 0) || oldest_changes < 0) {
      Problem("head: revision ", report_.head.oldest_revision, " had ", oldest_changes, " changes");
    }
    if (head.Next()) Problem("the store has two heads");
  }

  void CheckRevisions() {
    SQLite::Statement statement(
        database_, "SELECT revision, first_seq, changes, bytes FROM revisions ORDER BY revision");
    StatementUse use(statement);
    std::int64_t previous = report_.head.oldest_revision;
    std::int64_t next_seq = -1;
    std::int64_t changes = 0, bytes = 0;
    while (use.Next()) {
      const std::int64_t revision = use.IntegerAt(0);
      const Revision read{use.IntegerAt(1), use.IntegerAt(2), use.IntegerAt(3)};
      ++report_.log_revisions;
      if (revision != previous + 1) {
        Problem("log: revision ", previous + 1, " is missing before ", revision);
      }
      if (next_seq >= 0 && read.first_seq != next_seq) {
        Problem("revision ", revision, " begins with change ", read.first_seq, ", not ", next_seq);
      }
      if (read.changes <= 0) Problem("revision ", revision, " has ", read.changes, " changes");
      previous = revision;
      next_seq = read.first_seq + read.changes;
      changes += read.changes;
      bytes += read.bytes;
      revisions_[revision] = read;
    }
    if (previous != report_.head.revision) {
      Problem("log: ends at revision ", previous, ", the head is ", report_.head.revision);
    }
    if (next_seq >= 0 && next_seq != next_seq_) {
      Problem("head: the next change is ", next_seq_, ", the log ends before ", next_seq);
    }
    if (changes != report_.log_changes) {
      Problem("head: counts ", report_.log_changes, " changes in the log, its revisions ", changes);
    }
    if (bytes != report_.log_bytes) {
      Problem("head: counts ", report_.log_bytes, " bytes in the log, its revisions ", bytes);
    }
  }

  void CheckChanges() {
    SQLite::Statement statement(database_,
                                "SELECT seq, revision, \"row\", cause, before, after, subject"
                                " FROM changes ORDER BY seq");
    StatementUse use(statement);
    std::int64_t previous_seq = -1;
    while (use.Next()) {
      const std::int64_t seq = use.IntegerAt(0);
      if (previous_seq >= 0 && seq != previous_seq + 1) {
        Problem("log: change ", previous_seq + 1, " is missing before ", seq);
      }
      previous_seq = seq;
      LogChange change;
      const std::int64_t revision = use.IntegerAt(1);
      change.row = use.IntegerAt(2);
      const std::int64_t cause = use.IntegerAt(3);
      change.before = use.BytesAt(4);
      change.after = use.BytesAt(5);
      const std::int64_t subject = use.IntegerAt(6);
      const std::string at =
          absl::StrCat("change ", seq, " (revision ", revision, ", row ", change.row, ")");
      if (const auto it = revisions_.find(revision); it == revisions_.end()) {
        Problem(at, ": its revision is not in the log");
      } else {
        Revision& own = it->second;
        if (seq < own.first_seq || seq >= own.first_seq + own.changes) {
          Problem(at, ": its revision has other changes");
        }
        ++own.counted_changes;
        own.counted_bytes += static_cast<std::int64_t>(change.before.size() + change.after.size());
      }
      if (change.row <= 0) Problem(at, ": the row is not positive");
      if (change.before.empty() && change.after.empty()) Problem(at, ": says nothing");
      if (subject == static_cast<std::int64_t>(LogSubject::kToken)) {
        if (cause == 0 || !v1::TokenChange::Cause_IsValid(static_cast<int>(cause))) {
          Problem(at, ": unknown cause ", cause);
        }
        CheckTokenChange(at, revision, change);
      } else if (subject == static_cast<std::int64_t>(LogSubject::kNotice)) {
        if (cause != 0) Problem(at, ": a notice with cause ", cause);
        CheckNoticeChange(at, revision, change);
      } else {
        Problem(at, ": unknown subject ", subject);
      }
    }
    for (const auto& [revision, own] : revisions_) {
      if (own.counted_changes != own.changes) {
        Problem("revision ", revision, " says it has ", own.changes, " changes, has ",
                own.counted_changes);
      }
      if (own.counted_bytes != own.bytes) {
        Problem("revision ", revision, " says it has ", own.bytes, " bytes, has ",
                own.counted_bytes);
      }
    }
  }

  // By uid: when a vendor gives an id to another token, the old one moves to a row
  // of its own.
  void CheckTokenChange(const std::string& at, std::int64_t revision, const LogChange& change) {
    std::string uid;
    for (const std::string* bytes : {&change.before, &change.after}) {
      if (bytes->empty()) continue;
      const TokenFacts facts = ReadTokenFacts(*bytes);
      if (!facts.valid || facts.uid.empty()) {
        Problem(at, ": holds no token");
        return;
      }
      if (!uid.empty() && uid != facts.uid) Problem(at, ": turns one token into another");
      uid = std::string(facts.uid);
      if (bytes == &change.after && facts.revision != revision) {
        Problem(at, ": the token says revision ", facts.revision);
      }
    }
    CheckJoin(at, token_changes_, uid, change);
    last_tokens_[change.row] = StableHash(change.after);
  }

  void CheckNoticeChange(const std::string& at, std::int64_t revision, const LogChange& change) {
    for (const std::string* bytes : {&change.before, &change.after}) {
      if (bytes->empty()) continue;
      v1::Expiration notice;
      if (!notice.ParseFromString(*bytes)) {
        Problem(at, ": holds no notice");
        return;
      }
      if (bytes != &change.after) continue;
      if (notice.revision() != revision) {
        Problem(at, ": the notice says revision ", notice.revision());
      }
      // A source that left the configuration takes such a notice along when it is forgotten.
      if (notice.token_uid().empty() && notice.state() == v1::Expiration::RESOLVED) {
        forgettable_.insert(change.row);
      } else {
        forgettable_.erase(change.row);
      }
    }
    CheckJoin(at, last_notices_, change.row, change);
  }

  // That `before` is what the change before it left.
  template <typename Key>
  void CheckJoin(const std::string& at, absl::flat_hash_map<Key, Fingerprint>& last, const Key& key,
                 const LogChange& change) {
    const Fingerprint before = StableHash(change.before);
    const auto [it, first] = last.try_emplace(key, before);
    // What is older than the log is not known.
    if (first ? report_.head.oldest_revision == 0 && !change.before.empty()
              : it->second != before) {
      Problem(at, ": is not what the change before it left");
    }
    it->second = StableHash(change.after);
  }

  void CheckSources() {
    SQLite::Statement statement(database_, "SELECT id, status FROM sources ORDER BY id");
    StatementUse use(statement);
    while (use.Next()) {
      const std::string id = use.BytesAt(0);
      ++report_.sources;
      sources_.insert(id);
      v1::Source status;
      if (!status.ParseFromString(use.BytesAt(1))) {
        Problem("source ", id, ": unreadable status");
      } else if (status.name() != SourceName(id)) {
        Problem("source ", id, ": its status is another source's");
      }
    }
  }

  void CheckScopes() {
    SQLite::Statement statement(
        database_, "SELECT id, source, stream, key, absent_passes FROM scopes ORDER BY id");
    StatementUse use(statement);
    absl::flat_hash_set<std::tuple<std::string, std::string, std::string>> keys;
    while (use.Next()) {
      const std::int64_t id = use.IntegerAt(0);
      const std::string source = use.BytesAt(1);
      ++report_.scopes;
      scopes_[id] = source;
      if (id <= 0) Problem("scope ", id, ": the id is not positive");
      if (!sources_.contains(source)) Problem("scope ", id, ": of no known source");
      if (!keys.emplace(source, use.BytesAt(2), use.BytesAt(3)).second) {
        Problem("scope ", id, ": is there twice");
      }
      if (use.IntegerAt(4) < 0) Problem("scope ", id, ": absent ", use.IntegerAt(4), " times");
    }
  }

  void CheckTokens() {
    SQLite::Statement statement(database_,
                                "SELECT \"row\", marks, token FROM tokens ORDER BY \"row\"");
    StatementUse use(statement);
    absl::flat_hash_set<std::string> live_names, uids;
    while (use.Next()) {
      const std::int64_t row = use.IntegerAt(0);
      const std::string bytes = use.BytesAt(2);
      const std::string at = absl::StrCat("token in row ", row);
      ++report_.tokens;
      const TokenFacts facts = ReadTokenFacts(bytes);
      v1::Token token;
      if (!facts.valid || !token.ParseFromString(bytes)) {
        Problem(at, ": unreadable");
        continue;
      }
      tokens_[row] = TokenSummary{token.uid(), token.presence()};
      if (row <= 0) Problem(at, ": the row is not positive");
      const bool deleted = token.presence() == v1::Token::DELETED;
      if (deleted) ++report_.tombstones;
      if (token.uid().empty() || !uids.insert(token.uid()).second) {
        Problem(at, ": its uid is not its own");
      }
      // The tombstone of a token whose id another one has now keeps the name.
      if (!deleted && !live_names.insert(token.name()).second) {
        Problem(at, ": its name is not its own");
      }
      const std::string source(SourceIdOf(token.source()));
      if (!sources_.contains(source)) Problem(at, ": of no known source");
      if (!absl::StartsWith(token.name(), absl::StrCat(token.source(), "/tokens/"))) {
        Problem(at, ": its name is not of its source");
      }
      CheckLast(at, row, bytes, token.revision(), last_tokens_);
      CheckMarks(at, use.BytesAt(1), source, token.presence());
    }
  }

  // That the state is what the log says last.
  void CheckLast(const std::string& at, std::int64_t row, const std::string& bytes,
                 std::int64_t revision, absl::flat_hash_map<std::int64_t, Fingerprint>& last) {
    if (const auto it = last.find(row); it != last.end()) {
      if (it->second != StableHash(bytes)) Problem(at, ": is not what the log says last");
      last.erase(it);
    } else if (revision <= 0 || revision > report_.head.oldest_revision) {
      Problem(at, ": of revision ", revision, ", whose change is not in the log");
    }
  }

  void CheckMarks(const std::string& at, const std::string& encoded, const std::string& source,
                  v1::Token::Presence presence) {
    std::vector<ScopeMark> marks;
    if (!DecodeScopeMarks(encoded, marks).ok()) {
      Problem(at, ": unreadable marks");
      return;
    }
    absl::flat_hash_set<std::int64_t> seen;
    for (const ScopeMark& mark : marks) {
      const auto scope = scopes_.find(mark.scope);
      if (scope == scopes_.end()) {
        Problem(at, ": listed by scope ", mark.scope, ", which is not there");
      } else if (scope->second != source) {
        Problem(at, ": listed by scope ", mark.scope, " of another source");
      }
      if (!seen.insert(mark.scope).second) Problem(at, ": marked twice by scope ", mark.scope);
      if (mark.missed < 0) Problem(at, ": missed ", mark.missed, " times");
    }
    // Such a one could never become missing.
    if (marks.empty() && IsShown(presence)) Problem(at, ": no scope lists it");
  }

  void CheckNotices() {
    SQLite::Statement statement(database_, "SELECT \"row\", notice FROM notices ORDER BY \"row\"");
    StatementUse use(statement);
    absl::flat_hash_set<std::string> uids;
    absl::flat_hash_set<std::pair<std::string, int>> of_sources;
    while (use.Next()) {
      const std::int64_t row = use.IntegerAt(0);
      const std::string bytes = use.BytesAt(1);
      const std::string at = absl::StrCat("notice in row ", row);
      ++report_.notices;
      v1::Expiration notice;
      if (!ParseNotice(bytes).ok() || !notice.ParseFromString(bytes)) {
        Problem(at, ": unreadable");
        continue;
      }
      const bool is_open = notice.state() == v1::Expiration::OPEN;
      if (is_open) ++report_.open_notices;
      const std::string source(SourceIdOf(notice.source()));
      const std::string& about = notice.token_uid().empty() ? notice.source() : notice.token_uid();
      if (notice.uid() != NoticeUid(about, notice.kind(), notice.generation()) ||
          notice.name() != NoticeName(notice.source(), notice.uid()) ||
          notice.event_id() != NoticeEventId(notice)) {
        Problem(at, ": its ids are not of what it says");
      }
      if (!uids.insert(notice.uid()).second) Problem(at, ": its uid is not its own");
      if (!sources_.contains(source)) Problem(at, ": of no known source");
      const auto token = tokens_.find(row);
      if (notice.token_uid().empty()) {
        if (token != tokens_.end()) Problem(at, ": about a source, in a token's row");
        if (!of_sources.emplace(source, static_cast<int>(notice.kind())).second) {
          Problem(at, ": its source has another of that kind");
        }
      } else if (token == tokens_.end()) {
        Problem(at, ": its token is not there");
      } else if (is_open &&
                 (token->second.uid != notice.token_uid() || !IsShown(token->second.presence))) {
        Problem(at, ": open, and its token is gone");
      }
      CheckLast(at, row, bytes, notice.revision(), last_notices_);
    }
  }

  // That nothing which the log says last is absent: it ends with a removal then.
  void CheckLogEnds() {
    const Fingerprint nothing = StableHash("");
    std::vector<std::int64_t> rows;
    for (const auto& [row, last] : last_tokens_) {
      if (last != nothing) rows.push_back(row);
    }
    std::sort(rows.begin(), rows.end());
    for (const std::int64_t row : rows) Problem("token in row ", row, ": only the log has it");
    rows.clear();
    for (const auto& [row, last] : last_notices_) {
      if (last != nothing && !forgettable_.contains(row)) rows.push_back(row);
    }
    std::sort(rows.begin(), rows.end());
    for (const std::int64_t row : rows) Problem("notice in row ", row, ": only the log has it");
  }

  SQLite::Database& database_;
  StoreReport report_;
  std::int64_t next_seq_ = 0;
  std::map<std::int64_t, Revision> revisions_;
  // What the log left last, of each token and in each row.
  absl::flat_hash_map<std::string, Fingerprint> token_changes_;
  absl::flat_hash_map<std::int64_t, Fingerprint> last_tokens_;
  absl::flat_hash_map<std::int64_t, Fingerprint> last_notices_;
  absl::flat_hash_set<std::int64_t> forgettable_;  // rows of notices
  absl::flat_hash_set<std::string> sources_;
  absl::flat_hash_map<std::int64_t, std::string> scopes_;  // their sources
  absl::flat_hash_map<std::int64_t, TokenSummary> tokens_;
};

}  // namespace

absl::StatusOr<StoreReport> VerifyStore(const std::string& path) {
  return CatchSqliteErrors("open", [&]() -> absl::StatusOr<StoreReport> {
    SQLite::Database database = OpenSqliteForReading(path);
    TI_RETURN_IF_ERROR(CheckSqliteSchema(database, SqliteMigrations()));
    const int version = database.execAndGet("PRAGMA user_version").getInt();
    if (version != static_cast<int>(SqliteMigrations().size())) {
      return absl::FailedPreconditionError(absl::StrCat(
          path, " has schema version ", version, ", made by an older version of this program; ",
          "the service brings it up to date when it starts"));
    }
    StoreReport report = Verifier(database).Run();
    report.is_backup = IsSqliteBackup(database);
    return report;
  });
}

}  // namespace tokeninventory
