#include "tokenctl/output/formats.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tokenctl/text/printable.h"

namespace tokeninventory::tokenctl {
namespace {

// Whether YAML 1.1 and 1.2 read `text` as the same text without quotes.
bool IsPlainYaml(absl::string_view text) {
  static constexpr absl::string_view kWords[] = {"true", "false", "yes", "no", "on",
                                                 "off",  "null",  "y",   "n"};
  if (text.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return false;
  for (const absl::string_view word : kWords) {
    if (absl::AsciiStrToLower(text) == word) return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("_./@+-").find(c) != absl::string_view::npos;
  });
}

// Walks over well-formed JSON and writes it as YAML. Strings are never decoded: a JSON string is a
// YAML string, too.
class YamlWriter {
 public:
  explicit YamlWriter(absl::string_view json) : rest_(json) {}

  // Writes the value, whose first line has been begun when `inline_first`.
  void Value(int indent, bool inline_first) {
    if (Skip() == '{') {
      Object(indent, inline_first);
    } else if (rest_[0] == '[') {
      Array(indent, inline_first);
    } else {
      absl::StrAppend(&out_, Scalar(), "\n");
    }
  }

  std::string Take() { return std::move(out_); }

 private:
  char Skip() {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    return rest_.empty() ? '\0' : rest_[0];
  }

  std::string Scalar() {
    std::size_t end = 0;
    if (rest_[0] == '"') {
      for (end = 1; rest_[end] != '"'; ++end) {
        if (rest_[end] == '\\') ++end;
      }
      ++end;
    } else {
      end = std::min(rest_.find_first_of(",]} \n"), rest_.size());
    }
    const absl::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    if (word[0] != '"') return std::string(word);
    const absl::string_view inner = word.substr(1, word.size() - 2);
    return std::string(IsPlainYaml(inner) ? inner : word);
  }

  void Indent(int indent) { out_.append(static_cast<std::size_t>(indent), ' '); }

  void Object(int indent, bool inline_first) {
    rest_.remove_prefix(1);
    if (Skip() == '}') {
      rest_.remove_prefix(1);
      out_ += "{}\n";
      return;
    }
    for (bool first = true;; first = false) {
      if (!first || !inline_first) Indent(indent);
      Skip();
      absl::StrAppend(&out_, Scalar(), ":");
      Skip();
      rest_.remove_prefix(1);  // the colon
      Member(indent);
      const char next = Skip();
      rest_.remove_prefix(1);
      if (next == '}') return;
    }
  }

  // What stands behind a key.
  void Member(int indent) {
    const char kind = Skip();
    const bool empty = rest_.size() > 1 && (rest_[1] == '}' || rest_[1] == ']');
    if ((kind == '{' || kind == '[') && !empty) {
      out_ += "\n";
      Value(indent + 2, false);
    } else {
      out_ += " ";
      Value(indent, true);
    }
  }

  void Array(int indent, bool inline_first) {
    rest_.remove_prefix(1);
    if (Skip() == ']') {
      rest_.remove_prefix(1);
      out_ += "[]\n";
      return;
    }
    for (bool first = true;; first = false) {
      if (!first || !inline_first) Indent(indent);
      out_ += "- ";
      Value(indent + 2, true);
      const char next = Skip();
      rest_.remove_prefix(1);
      if (next == ']') return;
    }
  }

  absl::string_view rest_;
  std::string out_;
};

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "{}";
  return Printable(json);  // protobuf leaves some direction marks as they are
}

std::string JsonToYaml(absl::string_view json, int indent) {
  YamlWriter writer(json);
  writer.Value(indent, false);
  return writer.Take();
}

std::string CsvLine(const std::vector<std::string>& values) {
  std::string line;
  for (const std::string& value : values) {
    if (&value != &values.front()) line += ",";
    const std::string text = Printable(value);
    if (text.find_first_of(",\"") == std::string::npos) {
      line += text;
    } else {
      absl::StrAppend(&line, "\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
    }
  }
  return line + "\n";
}

}  // namespace tokeninventory::tokenctl
