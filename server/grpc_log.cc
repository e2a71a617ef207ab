#include "server/grpc_log.h"

#include <grpc/support/log.h>

#include "base/log.h"

namespace tokeninventory {
namespace {

void LogLine(gpr_log_func_args* line) {
  const LogSeverity severity =
      line->severity == GPR_LOG_SEVERITY_ERROR ? LogSeverity::kWarning : LogSeverity::kDebug;
  Log(severity, "grpc", {{"text", line->message}});
}

}  // namespace

void TakeGrpcLog() { gpr_set_log_function(LogLine); }

}  // namespace tokeninventory
