// The commands. Each returns the program's exit code; its options are documented where the command
// line declares them (command_line.cc).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "tokenctl/output/formats.h"
#include "tokenctl/session.h"

namespace tokeninventory::tokenctl {

struct ListOptions {
  std::string source;  // empty: all
  std::string filter;
  std::string order_by;
  std::string columns;
  std::int64_t limit = 0;  // 0: none
  bool show_deleted = false;
  Output output = Output::kTable;
};
int RunList(Session& session, const ListOptions& options);

struct GetOptions {
  std::string token;
  bool history = false;
  Output output = Output::kText;
};
int RunGet(Session& session, const GetOptions& options);
// Asks the vendor first.
int RunRefresh(Session& session, const GetOptions& options);

struct WatchOptions {
  std::string source;
  std::string filter;
  bool initial = false;          // begin with what there is
  std::string resume_token;      // begin after it
  std::optional<Output> output;  // unset: live on a terminal, else text
};
int RunWatch(Session& session, const WatchOptions& options);

struct ExpiringOptions {
  absl::Duration within = absl::Hours(24 * 30);
  ListOptions list;
  // kText: the timeline.
  Output output = Output::kText;
};
int RunExpiring(Session& session, const ExpiringOptions& options);

struct ExpirationsOptions {
  std::string source;
  std::string filter;
  absl::Duration max_lead;  // zero: all
  bool show_resolved = false;
  std::int64_t limit = 0;
  bool only_new = false;     // watch: do not begin with the open ones
  std::string resume_token;  // watch
  Output output = Output::kTable;
};
int RunExpirationsList(Session& session, const ExpirationsOptions& options);
int RunExpirationsWatch(Session& session, const ExpirationsOptions& options);

struct SummaryOptions {
  std::string source;
  std::string filter;
  std::string by;
  bool show_deleted = false;
  Output output = Output::kTable;
};
int RunSummary(Session& session, const SummaryOptions& options);

struct SourcesOptions {
  std::string source;  // empty: all
  Output output = Output::kTable;
};
int RunSources(Session& session, const SourcesOptions& options);

struct SyncOptions {
  std::string source;
  bool fresh = false;
  Output output = Output::kText;
};
int RunSync(Session& session, const SyncOptions& options);

struct CheckOptions {
  // How old the last complete pass may be. Zero: three of the source's intervals, and 10 min at
  // least.
  absl::Duration max_age;
};
int RunCheck(Session& session, const CheckOptions& options);

}  // namespace tokeninventory::tokenctl
