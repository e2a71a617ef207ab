// A vendor's manifest, read, checked and ready to run.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "connectors/jq_program.h"
#include "connectors/text_template.h"
#include "tokeninventory/v1/manifest.pb.h"

namespace tokeninventory {

// The index of a program, or that there is none.
inline constexpr int kNoProgram = -1;

using QueryTemplates = std::vector<std::pair<std::string, TextTemplate>>;  // by name

// One way to sign in.
struct CompiledAuth {
  std::vector<std::pair<std::string, TextTemplate>> headers;
  bool has_basic = false;
  TextTemplate basic_user;
  TextTemplate basic_password;
  // Names of the secrets that it needs.
  std::vector<std::string> secrets;
};

// Where a request goes.
struct CompiledTarget {
  TextTemplate text;
  // `text` is a whole URL: it is not below `base`, and a placeholder at its very
  // front is taken as it is.
  bool is_url = false;
};

struct CompiledFetch {
  bool present = false;
  CompiledTarget target;
  QueryTemplates query;
  int records = kNoProgram;  // none: the body is the row
  bool uses_known_id = false;
};

struct CompiledStream {
  // Into the manifest's spec.
  const v1::ManifestStream* spec = nullptr;
  // Index of `for_each`'s stream, which comes before this one; -1 for none.
  int parent = -1;
  bool is_post = false;
  CompiledTarget target;
  QueryTemplates query;
  int records = kNoProgram;
  int next = kNoProgram;
  int total = kNoProgram;
  int item = kNoProgram;
  int token = kNoProgram;
  CompiledFetch fetch;
  // The parent's members that tell its listings apart: those that the request
  // uses, in its order. Others (a display name) may change without making another
  // scope.
  std::vector<std::string> key_members;
  // Members that every item must have: key_members of the streams below this one.
  std::vector<std::string> needed_members;
};

// Immutable once made; thread-safe to read.
struct CompiledManifest {
  v1::Manifest spec;
  std::string file;
  std::string text;  // YAML, as it was read
  TextTemplate base;
  std::vector<CompiledAuth> auth;
  int error = kNoProgram;
  std::vector<CompiledStream> streams;
  std::vector<JqSource> programs;

  // Index of a stream, or -1.
  int FindStream(absl::string_view name) const;
  // Whether a program over pages may read the answer's header `name`, in lower case:
  // one that has the word `headers` has that name too, or, for `link`, one has the
  // word `links`. Programs see no other headers.
  bool ReadsHeader(absl::string_view name) const;
  // A jq of its own for one thread at a time. Takes about 35 ms.
  std::unique_ptr<JqPrograms> NewPrograms(JqPrograms::Options options) const;
};

// What LoadManifest found. `manifest` is null when there are problems.
struct ManifestReport {
  std::shared_ptr<const CompiledManifest> manifest;
  std::vector<std::string> problems;  // `file:line:column: path: what`
  std::vector<std::string> warnings;

  bool ok() const { return problems.empty(); }
};

// Reads and checks one manifest; every problem is listed. Compiles its programs.
ManifestReport LoadManifest(absl::string_view file, absl::string_view text);

// The same of a manifest that LoadManifest found good: whether its programs compile
// is left to NewPrograms, which is most of the time.
ManifestReport ReadCheckedManifest(absl::string_view file, absl::string_view text);

}  // namespace tokeninventory
