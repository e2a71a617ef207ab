// Structured log on stderr: one JSON object a line with `time`, `severity`,
// `message` and the given fields. Never give it a credential, a vendor's body
// or a URL's query.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace tokeninventory {

enum class LogSeverity { kDebug, kInfo, kWarning, kError };

// A field of a log line. Values are text.
struct LogField {
  absl::string_view key;
  std::string value;
};

// Writes one line if `severity` is at least the set one. Thread-safe.
void Log(LogSeverity severity, absl::string_view message,
         std::initializer_list<LogField> fields = {});

inline void LogDebug(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogSeverity::kDebug, message, fields);
}
inline void LogInfo(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogSeverity::kInfo, message, fields);
}
inline void LogWarning(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogSeverity::kWarning, message, fields);
}
inline void LogError(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogSeverity::kError, message, fields);
}

// The least severity that is written; kInfo at start. Thread-safe.
void SetLogSeverity(LogSeverity severity);

}  // namespace tokeninventory
