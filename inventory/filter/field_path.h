// Where a field named by a person lies in a serialised message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "inventory/filter/columns.h"
#include "inventory/filter/lexer.h"

namespace tokeninventory::filter {

// One step from a message into one of its fields.
struct Step {
  enum class Kind : std::uint8_t {
    kScalar,    // always the last step; not on the wire: the default value
    kMessage,   // not on the wire: absent
    kRepeated,  // each element
    kMapEntry,  // the value under `key`
  };
  Kind kind = Kind::kScalar;
  int number = 0;
  std::string key;
};

enum class FieldType : std::uint8_t {
  kText,
  kInteger,
  kReal,
  kBool,
  kEnum,
  kTimestamp,
  kDuration,
  kMessage,  // any other message
  kMap,      // last step: kRepeated, its entries
  kStruct,
  kDynamic,  // a value inside a Struct, under `keys`
  kOther,    // a type that no message of ours has
};

struct FieldPath {
  std::vector<Step> steps;
  std::vector<std::string> keys;
  FieldType type = FieldType::kOther;
  const google::protobuf::FieldDescriptor* field = nullptr;  // of the last step; a map's value
  bool in_list = false;                                      // a step goes through a repeated field
};

// Why a path leads nowhere.
struct PathProblem {
  std::size_t word = 0;  // the word at fault
  bool unknown = false;  // no such field; else: it has no fields
  std::string message;
};

// The path of `words` from a message of `type`. False, with `problem` set, when
// there is none.
bool FindPath(const google::protobuf::Descriptor& type, const std::vector<Word>& words,
              FieldPath& path, PathProblem& problem);

// ", did you mean 'x'?" for the candidate next to `text`, or nothing.
std::string NearestHint(absl::string_view text, const std::vector<std::string>& candidates);

// The dotted words as they were written, less quotes.
std::string JoinWords(const std::vector<Word>& words);

// The column of TokenColumns that a field of v1::Token has.
struct ColumnRef {
  enum class Kind : std::uint8_t {
    kNone,
    kTime,
    kRevision,
    kEnum,
    kText,
    kHash,
    kOwner,  // whether there is one
  };
  Kind kind = Kind::kNone;
  std::uint8_t index = 0;  // TokenColumns::Time, Enum, Text or Hashed

  TokenColumns::Time time() const { return static_cast<TokenColumns::Time>(index); }
  TokenColumns::Enum enumerator() const { return static_cast<TokenColumns::Enum>(index); }
  TokenColumns::Text text() const { return static_cast<TokenColumns::Text>(index); }
  TokenColumns::Hashed hashed() const { return static_cast<TokenColumns::Hashed>(index); }
};
ColumnRef ColumnOf(const std::vector<Step>& steps);

}  // namespace tokeninventory::filter
