// Reads a YAML document into a protobuf message, guided by the message's types:
// a file is checked against its schema, and every problem is reported at once
// with file, line, column and path.
//
//   Message field            YAML
//   message                  mapping; keys are the snake_case field names
//   repeated                 sequence
//   repeated message that    mapping from name to the rest (order is kept), or a
//     has a string `name`      sequence
//   map<string, …>           mapping
//   string                   any scalar, as written
//   enum                     the value's name
//   Duration                 "30s", "1.5s", "100ms", "5m", "1h", "7d"
//   Struct, Value            anything; plain scalars take YAML's type, quoted
//                              ones and blocks are text
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace tokeninventory {

// Where the values of a YAML document stand, by path (`streams.tokens.next`,
// `sources[0].interval`). Thread-compatible: concurrent reads are fine. A
// default-constructed one knows no file and no place.
class YamlLocations {
 public:
  YamlLocations() = default;

  // `file:line:column: path: what`. A path that does not stand in the file is
  // placed at its nearest ancestor that does. One line: control characters are
  // escaped.
  std::string Describe(absl::string_view path, absl::string_view what) const;

  // As Describe, for line `line_in_value` (from 1) of a text of several lines.
  std::string DescribeLine(absl::string_view path, int line_in_value, absl::string_view what) const;

  // The value is a plain scalar with a comment behind it: YAML ends the text at
  // ` #`, which cuts a program that has one.
  bool HasCommentBehind(absl::string_view path) const;

  const std::string& file() const { return file_; }

 private:
  friend class YamlReader;
  struct Place {
    int line = 0;    // from 1
    int column = 0;  // from 1
    // Line on which the text itself begins (the one after `|` for a block).
    int text_line = 0;
    bool comment_behind = false;
  };

  const Place* Find(absl::string_view path) const;

  std::string file_;
  std::map<std::string, Place, std::less<>> places_;
};

// What ReadYaml found.
struct YamlReport {
  YamlLocations locations;
  // One line each, in the order of the file. Empty: the message is good.
  std::vector<std::string> problems;
  // It is YAML at all; otherwise nothing of it was read.
  bool is_yaml = false;

  bool ok() const { return problems.empty(); }
};

// Reads the one document in `text`; `file` names it in problems. What was good
// is in `message` even when there are problems. An empty document is an empty
// message. Blocks for no I/O; throws nothing.
YamlReport ReadYaml(absl::string_view file, absl::string_view text,
                    google::protobuf::Message& message);

// Of `choices`, the one that `word` is most probably a misspelling of; empty when
// none is near.
std::string NearestName(absl::string_view word, const std::vector<std::string>& choices);

}  // namespace tokeninventory
