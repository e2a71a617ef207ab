// Answers for programs: JSON, YAML and CSV.
#pragma once

#include <google/protobuf/message.h>

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tokeninventory::tokenctl {

// How an answer is written: for people as a text of the command's own or as a table, for programs
// as JSON, YAML or CSV.
enum class Output { kText, kTable, kWide, kJson, kYaml, kCsv };

// proto3 JSON in one line, with the field names of the protos (`expire_time`), as filters have
// them. What is not set is left out. Everything that a terminal would obey is escaped.
std::string ToJson(const google::protobuf::Message& message);

// The same value as YAML. `json` is ToJson's, or an array of such. `indent`: spaces before each
// line.
std::string JsonToYaml(absl::string_view json, int indent = 0);

// Writes messages as one JSON array, a line for each, or as YAML when `format` says so.
template <typename Messages>
void PrintMessages(Output format, const Messages& messages, std::ostream& out) {
  bool first = true;
  for (const google::protobuf::Message& message : messages) {
    if (format == Output::kYaml) {
      out << JsonToYaml("[" + ToJson(message) + "]");
    } else {
      out << (first ? "[\n" : ",\n") << ToJson(message);
    }
    first = false;
  }
  if (first) {
    out << "[]\n";
  } else if (format != Output::kYaml) {
    out << "\n]\n";
  }
}

// A line of CSV (RFC 4180, but with a plain line feed). Control characters are escaped as
// Printable does.
std::string CsvLine(const std::vector<std::string>& values);

}  // namespace tokeninventory::tokenctl
