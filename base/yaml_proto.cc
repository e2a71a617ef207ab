#include "base/yaml_proto.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/yaml_documents.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/struct.pb.h"

namespace tokeninventory {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Aliases let a small file name a huge tree.
constexpr int kMaxNodes = 200'000;
constexpr int kMaxDepth = 60;
constexpr std::size_t kMaxProblems = 100;

// Letters to insert, remove, replace or swap with their neighbour.
std::size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

absl::string_view NodeKind(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return "a text or number";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      return "nothing";
  }
  return "nothing";
}

// "1.5s" → Duration. Only one unit, so that there is one way to write it.
bool ParseDurationText(absl::string_view text, google::protobuf::Duration& duration) {
  struct Unit {
    absl::string_view suffix;
    double seconds;
  };
  constexpr Unit kUnits[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  for (const Unit& unit : kUnits) {
    if (!absl::EndsWith(text, unit.suffix)) continue;
    const absl::string_view number = text.substr(0, text.size() - unit.suffix.size());
    if (number.empty() || number.find_first_not_of("0123456789.") != absl::string_view::npos) {
      continue;
    }
    double value = 0;
    if (!absl::SimpleAtod(number, &value)) return false;
    const double seconds = value * unit.seconds;
    if (!(seconds <= 315'576'000'000.0)) return false;
    double whole = std::floor(seconds);
    double nanos = std::round((seconds - whole) * 1e9);
    if (nanos >= 1e9) {
      whole += 1;
      nanos = 0;
    }
    duration.set_seconds(static_cast<std::int64_t>(whole));
    duration.set_nanos(static_cast<std::int32_t>(nanos));
    return true;
  }
  return false;
}

// A repeated message that is written as a mapping from its `name`.
const FieldDescriptor* NameField(const FieldDescriptor* field) {
  if (!field->is_repeated() || field->is_map() ||
      field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return nullptr;
  }
  const FieldDescriptor* name = field->message_type()->FindFieldByName("name");
  if (name == nullptr || name->is_repeated() ||
      name->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    return nullptr;
  }
  return name;
}

// A problem is one line, whatever the file's keys and values are.
std::string OneLine(absl::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppend(&line, absl::CHexEscape(absl::string_view(&c, 1)));
    } else {
      line += c;
    }
  }
  return line;
}

std::string Child(absl::string_view path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

}  // namespace

// Walks one document. Used by one thread for one call of ReadYaml.
class YamlReader {
 public:
  YamlReader(absl::string_view file, absl::string_view text, YamlReport& report) : report_(report) {
    report_.locations.file_ = std::string(file);
    lines_ = absl::StrSplit(text, '\n');
  }

  void Read(const std::string& text, Message& message) {
    YAML::Node root;
    std::optional<YAML::Mark> second;
    try {
      second = FindSecondDocument(text);
      root = YAML::Load(text);
    } catch (const YAML::Exception& e) {
      const bool known = !e.mark.is_null();
      report_.problems.push_back(
          OneLine(absl::StrCat(report_.locations.file_, ":", known ? e.mark.line + 1 : 1, ":",
                               known ? e.mark.column + 1 : 1, ": ", e.msg)));
      return;
    }
    report_.is_yaml = true;
    if (second) {
      report_.problems.push_back(
          OneLine(absl::StrCat(report_.locations.file_, ":", second->line + 1, ":",
                               second->column + 1, ": one document expected, found several")));
      return;
    }
    if (!root || root.IsNull()) return;
    Note("", root);
    ReadMessage(root, "", 0, message);
  }

  void Fail(const std::string& what) {
    report_.problems.push_back(absl::StrCat(report_.locations.file_, ": ", what));
  }

 private:
  void Problem(absl::string_view path, absl::string_view what) {
    if (report_.problems.size() >= kMaxProblems) return;
    report_.problems.push_back(report_.locations.Describe(path, what));
  }

  void ProblemAt(const YAML::Mark& mark, absl::string_view path, absl::string_view what) {
    if (report_.problems.size() >= kMaxProblems) return;
    report_.problems.push_back(OneLine(absl::StrCat(report_.locations.file_, ":", mark.line + 1,
                                                    ":", mark.column + 1, ": ", path, ": ", what)));
  }

  // Remembers where `path` stands.
  void Note(absl::string_view path, const YAML::Node& node) {
    const YAML::Mark mark = node.Mark();
    if (mark.is_null()) return;
    YamlLocations::Place place;
    place.line = mark.line + 1;
    place.column = mark.column + 1;
    place.text_line = place.line;
    const auto line_index = static_cast<std::size_t>(mark.line);
    if (node.IsScalar() && line_index < lines_.size() &&
        static_cast<std::size_t>(mark.column) <= lines_[line_index].size()) {
      absl::string_view rest =
          absl::string_view(lines_[line_index]).substr(static_cast<std::size_t>(mark.column));
      // The mark of a value with an anchor or a tag is that of the anchor.
      while (!rest.empty() && (rest[0] == '&' || rest[0] == '!')) {
        const std::size_t space = rest.find(' ');
        if (space == absl::string_view::npos) break;
        rest = absl::StripLeadingAsciiWhitespace(rest.substr(space));
      }
      if (!rest.empty() && (rest[0] == '|' || rest[0] == '>')) {
        place.text_line = place.line + 1;
      } else if (node.Tag() == "?" && absl::StartsWith(rest, node.Scalar())) {
        const absl::string_view behind = rest.substr(node.Scalar().size());
        const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(behind);
        place.comment_behind = trimmed.size() < behind.size() && absl::StartsWith(trimmed, "#");
      }
    }
    report_.locations.places_.emplace(std::string(path), place);
  }

  // Counts a node; false when the document is too large or too deep to go on.
  bool Enter(absl::string_view path, int depth) {
    if (depth > kMaxDepth) {
      Problem(path, "nested too deeply");
      return false;
    }
    if (++nodes_ > kMaxNodes) {
      if (nodes_ == kMaxNodes + 1) Problem(path, "too large, aliases included");
      return false;
    }
    return true;
  }

  // The keys of a mapping, each once, as text.
  std::vector<std::pair<std::string, YAML::Node>> Entries(const YAML::Node& node,
                                                          absl::string_view path) {
    std::vector<std::pair<std::string, YAML::Node>> entries;
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        ProblemAt(entry.first.Mark(), path, "a key must be a text");
        continue;
      }
      const std::string& key = entry.first.Scalar();
      const std::string child = Child(path, key);
      if (!seen.insert(key).second) {
        ProblemAt(entry.first.Mark(), child, "duplicate key");
        continue;
      }
      NoteKey(child, entry.first);
      entries.emplace_back(key, entry.second);
    }
    return entries;
  }

  // Until its value is read, a path stands where its key does.
  void NoteKey(const std::string& path, const YAML::Node& key) {
    const YAML::Mark mark = key.Mark();
    if (mark.is_null()) return;
    report_.locations.places_.emplace(
        path, YamlLocations::Place{mark.line + 1, mark.column + 1, mark.line + 1, false});
  }

  void NoteValue(const std::string& path, const YAML::Node& value) {
    if (value.IsNull()) return;
    report_.locations.places_.erase(path);
    Note(path, value);
  }

  void ReadMessage(const YAML::Node& node, const std::string& path, int depth, Message& message) {
    if (!Enter(path, depth)) return;
    const Descriptor* type = message.GetDescriptor();
    if (type->full_name() == "google.protobuf.Duration") {
      google::protobuf::Duration duration;
      if (!node.IsScalar() || !ParseDurationText(node.Scalar(), duration)) {
        Problem(path, "expected a duration like \"30s\", \"100ms\", \"5m\", \"1h\" or \"7d\"");
        return;
      }
      message.CopyFrom(duration);
      return;
    }
    if (type->full_name() == "google.protobuf.Struct") {
      google::protobuf::Struct value;
      ReadStruct(node, path, depth, value);
      message.CopyFrom(value);
      return;
    }
    if (type->full_name() == "google.protobuf.Value") {
      google::protobuf::Value value;
      ReadValue(node, path, depth, value);
      message.CopyFrom(value);
      return;
    }
    if (!node.IsMap()) {
      Problem(path, absl::StrCat("expected a mapping, found ", NodeKind(node)));
      return;
    }
    ReadFields(node, path, depth, nullptr, message);
  }

  // `implied` is set already and must not be among the keys.
  void ReadFields(const YAML::Node& node, const std::string& path, int depth,
                  const FieldDescriptor* implied, Message& message) {
    const Descriptor* type = message.GetDescriptor();
    for (const auto& [key, value] : Entries(node, path)) {
      const std::string child = Child(path, key);
      const FieldDescriptor* field = type->FindFieldByName(key);
      if (field == nullptr) {
        Problem(child, UnknownField(key, *type, implied));
        continue;
      }
      NoteValue(child, value);
      if (field == implied) {
        Problem(child, "the key above is the name");
        continue;
      }
      if (const auto* oneof = field->real_containing_oneof();
          oneof != nullptr && message.GetReflection()->HasOneof(message, oneof)) {
        const FieldDescriptor* other =
            message.GetReflection()->GetOneofFieldDescriptor(message, oneof);
        Problem(child, absl::StrCat("cannot be set beside `", other->name(), "`"));
        continue;
      }
      ReadField(value, child, depth + 1, *field, message);
    }
  }

  static std::string UnknownField(const std::string& key, const Descriptor& type,
                                  const FieldDescriptor* implied) {
    if (key == "<<") return "merge keys are not supported";
    std::vector<std::string> known;
    for (int i = 0; i < type.field_count(); ++i) {
      if (type.field(i) != implied) known.push_back(type.field(i)->name());
    }
    const std::string nearest = NearestName(key, known);
    if (!nearest.empty()) return absl::StrCat("unknown field; did you mean `", nearest, "`?");
    return absl::StrCat("unknown field; known: ", absl::StrJoin(known, ", "));
  }

  void ReadField(const YAML::Node& node, const std::string& path, int depth,
                 const FieldDescriptor& field, Message& message) {
    const Reflection* reflection = message.GetReflection();
    if (field.is_map()) {
      ReadMap(node, path, depth, field, message);
      return;
    }
    if (field.is_repeated()) {
      const FieldDescriptor* name = NameField(&field);
      if (name != nullptr && node.IsMap()) {
        ReadNamed(node, path, depth, field, *name, message);
        return;
      }
      if (!node.IsSequence()) {
        Problem(path, absl::StrCat("expected ", name != nullptr ? "a mapping by name" : "a list",
                                   ", found ", NodeKind(node)));
        return;
      }
      std::size_t index = 0;
      for (const YAML::Node& element : node) {
        const std::string child = absl::StrCat(path, "[", index++, "]");
        Note(child, element);
        if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
          ReadMessage(element, child, depth, *reflection->AddMessage(&message, &field));
        } else {
          ReadScalar(element, child, field, message);
        }
      }
      return;
    }
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ReadMessage(node, path, depth, *reflection->MutableMessage(&message, &field));
      return;
    }
    ReadScalar(node, path, field, message);
  }

  void ReadNamed(const YAML::Node& node, const std::string& path, int depth,
                 const FieldDescriptor& field, const FieldDescriptor& name, Message& message) {
    for (const auto& [key, value] : Entries(node, path)) {
      const std::string child = Child(path, key);
      NoteValue(child, value);
      Message* element = message.GetReflection()->AddMessage(&message, &field);
      element->GetReflection()->SetString(element, &name, key);
      if (value.IsNull()) continue;
      if (!value.IsMap()) {
        Problem(child, absl::StrCat("expected a mapping, found ", NodeKind(value)));
        continue;
      }
      if (!Enter(child, depth)) return;
      ReadFields(value, child, depth, &name, *element);
    }
  }

  void ReadMap(const YAML::Node& node, const std::string& path, int depth,
               const FieldDescriptor& field, Message& message) {
    if (!node.IsMap()) {
      Problem(path, absl::StrCat("expected a mapping, found ", NodeKind(node)));
      return;
    }
    const FieldDescriptor* key_field = field.message_type()->map_key();
    const FieldDescriptor* value_field = field.message_type()->map_value();
    for (const auto& [key, value] : Entries(node, path)) {
      const std::string child = Child(path, key);
      NoteValue(child, value);
      if (!Enter(child, depth)) return;
      Message* entry = message.GetReflection()->AddMessage(&message, &field);
      // All maps of our schemas have text keys.
      entry->GetReflection()->SetString(entry, key_field, key);
      ReadField(value, child, depth + 1, *value_field, *entry);
    }
  }

  void ReadScalar(const YAML::Node& node, const std::string& path, const FieldDescriptor& field,
                  Message& message) {
    if (!Enter(path, 0)) return;
    if (!node.IsScalar()) {
      Problem(path, absl::StrCat("expected ", TypeName(field), ", found ", NodeKind(node)));
      return;
    }
    const std::string& text = node.Scalar();
    const Reflection* reflection = message.GetReflection();
    bool good = true;
    // Adds to a repeated field, sets another.
    const auto put = [&](auto set, auto add, auto value) {
      if (field.is_repeated()) {
        (reflection->*add)(&message, &field, value);
      } else {
        (reflection->*set)(&message, &field, value);
      }
    };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        if (field.is_repeated()) {
          reflection->AddString(&message, &field, text);
        } else {
          reflection->SetString(&message, &field, text);
        }
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        good = text == "true" || text == "false";
        if (good) put(&Reflection::SetBool, &Reflection::AddBool, text == "true");
        break;
      case FieldDescriptor::CPPTYPE_INT32: {
        std::int32_t value = 0;
        good = absl::SimpleAtoi(text, &value);
        if (good) put(&Reflection::SetInt32, &Reflection::AddInt32, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        std::int64_t value = 0;
        good = absl::SimpleAtoi(text, &value);
        if (good) put(&Reflection::SetInt64, &Reflection::AddInt64, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        std::uint32_t value = 0;
        good = absl::SimpleAtoi(text, &value);
        if (good) put(&Reflection::SetUInt32, &Reflection::AddUInt32, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        std::uint64_t value = 0;
        good = absl::SimpleAtoi(text, &value);
        if (good) put(&Reflection::SetUInt64, &Reflection::AddUInt64, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        double value = 0;
        good = absl::SimpleAtod(text, &value) && std::isfinite(value);
        if (good) put(&Reflection::SetDouble, &Reflection::AddDouble, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_FLOAT: {
        float value = 0;
        good = absl::SimpleAtof(text, &value) && std::isfinite(value);
        if (good) put(&Reflection::SetFloat, &Reflection::AddFloat, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        const auto* value = field.enum_type()->FindValueByName(text);
        if (value == nullptr) {
          std::vector<std::string> names;
          for (int i = 0; i < field.enum_type()->value_count(); ++i) {
            names.push_back(field.enum_type()->value(i)->name());
          }
          Problem(path, absl::StrCat("not one of: ", absl::StrJoin(names, ", ")));
          return;
        }
        put(&Reflection::SetEnumValue, &Reflection::AddEnumValue, value->number());
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return;  // never asked for
    }
    if (!good) Problem(path, absl::StrCat("expected ", TypeName(field)));
  }

  static absl::string_view TypeName(const FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return "a text";
      case FieldDescriptor::CPPTYPE_BOOL:
        return "true or false";
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return "a number";
      case FieldDescriptor::CPPTYPE_ENUM:
        return "a name";
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
        return "a whole number from 0";
      default:
        return "a whole number";
    }
  }

  void ReadStruct(const YAML::Node& node, const std::string& path, int depth,
                  google::protobuf::Struct& out) {
    if (!node.IsMap()) {
      Problem(path, absl::StrCat("expected a mapping, found ", NodeKind(node)));
      return;
    }
    for (const auto& [key, value] : Entries(node, path)) {
      const std::string child = Child(path, key);
      NoteValue(child, value);
      ReadValue(value, child, depth + 1, (*out.mutable_fields())[key]);
    }
  }

  void ReadValue(const YAML::Node& node, const std::string& path, int depth,
                 google::protobuf::Value& out) {
    if (!Enter(path, depth)) return;
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        out.set_null_value(google::protobuf::NULL_VALUE);
        return;
      case YAML::NodeType::Map:
        ReadStruct(node, path, depth, *out.mutable_struct_value());
        return;
      case YAML::NodeType::Sequence: {
        out.mutable_list_value();
        std::size_t index = 0;
        for (const YAML::Node& element : node) {
          const std::string child = absl::StrCat(path, "[", index++, "]");
          Note(child, element);
          ReadValue(element, child, depth + 1, *out.mutable_list_value()->add_values());
        }
        return;
      }
      case YAML::NodeType::Scalar: {
        const std::string& text = node.Scalar();
        double number = 0;
        if (node.Tag() != "?") {  // quoted, or a block
          out.set_string_value(text);
        } else if (text == "true" || text == "false") {
          out.set_bool_value(text == "true");
        } else if (!text.empty() &&
                   text.find_first_not_of("0123456789+-.eE") == std::string::npos &&
                   absl::SimpleAtod(text, &number) && std::isfinite(number)) {
          out.set_number_value(number);
        } else {
          out.set_string_value(text);
        }
        return;
      }
    }
  }

  YamlReport& report_;
  std::vector<std::string> lines_;
  int nodes_ = 0;
};

const YamlLocations::Place* YamlLocations::Find(absl::string_view path) const {
  for (;;) {
    const auto found = places_.find(path);
    if (found != places_.end()) return &found->second;
    if (path.empty()) return nullptr;
    const std::size_t cut = path.find_last_of(".[");
    path = cut == absl::string_view::npos ? absl::string_view() : path.substr(0, cut);
  }
}

std::string YamlLocations::Describe(absl::string_view path, absl::string_view what) const {
  std::string line = file_;
  if (const Place* place = Find(path)) absl::StrAppend(&line, ":", place->line, ":", place->column);
  if (!line.empty()) line += ": ";
  if (!path.empty()) absl::StrAppend(&line, path, ": ");
  absl::StrAppend(&line, what);
  return OneLine(line);
}

std::string YamlLocations::DescribeLine(absl::string_view path, int line_in_value,
                                        absl::string_view what) const {
  const Place* place = Find(path);
  if (place == nullptr || line_in_value < 1) return Describe(path, what);
  const int line = place->text_line + line_in_value - 1;
  return OneLine(absl::StrCat(file_, ":", line, ":", line == place->line ? place->column : 1, ": ",
                              path, ": ", what));
}

bool YamlLocations::HasCommentBehind(absl::string_view path) const {
  const auto found = places_.find(path);
  return found != places_.end() && found->second.comment_behind;
}

YamlReport ReadYaml(absl::string_view file, absl::string_view text, Message& message) {
  YamlReport report;
  YamlReader reader(file, text, report);
  // yaml-cpp throws for what it cannot convert or nest; nothing of it leaves here.
  try {
    reader.Read(std::string(text), message);
  } catch (const std::exception&) {
    reader.Fail("cannot be read as YAML");
  }
  return report;
}

std::string NearestName(absl::string_view word, const std::vector<std::string>& choices) {
  constexpr std::size_t kLongestWord = 100;
  if (word.size() > kLongestWord) return std::string();
  std::string nearest;
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& choice : choices) {
    const std::size_t distance = EditDistance(word, choice);
    if (distance < best) {
      best = distance;
      nearest = choice;
    }
  }
  return nearest;
}

}  // namespace tokeninventory
