// Texts of a manifest with `${…}` in them.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// One `${…}`.
struct Placeholder {
  enum class Kind {
    kParam,    // ${param.NAME}
    kSecret,   // ${secret.NAME}
    kParent,   // ${parent.NAME}
    kId,       // ${id}
    kKnownId,  // ${known_id}
  };
  Kind kind = Kind::kParam;
  std::string name;  // of the first three

  // As it stands in the text.
  std::string Text() const;
};

// Thread-compatible: concurrent reads are fine.
class TextTemplate {
 public:
  // Text, or a placeholder behind it.
  struct Piece {
    std::string text;
    bool has_placeholder = false;
    Placeholder placeholder;
  };

  TextTemplate() = default;

  // INVALID_ARGUMENT for an open `${` and for a placeholder of no known kind.
  static absl::StatusOr<TextTemplate> Parse(absl::string_view text);

  const std::vector<Piece>& pieces() const { return pieces_; }
  // The template begins with a placeholder.
  bool BeginsWithPlaceholder() const;

  // With each placeholder replaced by what `value` says, or its error.
  absl::StatusOr<std::string> Render(
      absl::FunctionRef<absl::StatusOr<std::string>(const Placeholder&)> value) const;

 private:
  std::vector<Piece> pieces_;
};

}  // namespace tokeninventory
