#include "connectors/text_template.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace tokeninventory {
namespace {

constexpr absl::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

absl::StatusOr<Placeholder> ParsePlaceholder(absl::string_view inner) {
  if (inner == "id") return Placeholder{Placeholder::Kind::kId, ""};
  if (inner == "known_id") return Placeholder{Placeholder::Kind::kKnownId, ""};
  const std::pair<absl::string_view, Placeholder::Kind> kinds[] = {
      {"param.", Placeholder::Kind::kParam},
      {"secret.", Placeholder::Kind::kSecret},
      {"parent.", Placeholder::Kind::kParent}};
  for (const auto& [prefix, kind] : kinds) {
    absl::string_view name = inner;
    if (!absl::ConsumePrefix(&name, prefix)) continue;
    if (name.empty() || name.find_first_not_of(kNameCharacters) != absl::string_view::npos) break;
    return Placeholder{kind, std::string(name)};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown placeholder ${", inner,
                   "}; there are ${param.…}, ${secret.…}, ${parent.…}, ${id} and ${known_id}"));
}

}  // namespace

std::string Placeholder::Text() const {
  switch (kind) {
    case Kind::kParam:
      return absl::StrCat("${param.", name, "}");
    case Kind::kSecret:
      return absl::StrCat("${secret.", name, "}");
    case Kind::kParent:
      return absl::StrCat("${parent.", name, "}");
    case Kind::kId:
      return "${id}";
    case Kind::kKnownId:
      return "${known_id}";
  }
  return "${}";
}

absl::StatusOr<TextTemplate> TextTemplate::Parse(absl::string_view text) {
  TextTemplate parsed;
  while (!text.empty()) {
    const std::size_t open = text.find("${");
    Piece& piece = parsed.pieces_.emplace_back();
    piece.text = std::string(text.substr(0, open));
    if (open == absl::string_view::npos) break;
    const std::size_t close = text.find('}', open);
    if (close == absl::string_view::npos) {
      return absl::InvalidArgumentError("a ${ without its }");
    }
    TI_ASSIGN_OR_RETURN(piece.placeholder,
                        ParsePlaceholder(text.substr(open + 2, close - open - 2)));
    piece.has_placeholder = true;
    text = text.substr(close + 1);
  }
  return parsed;
}

bool TextTemplate::BeginsWithPlaceholder() const {
  return !pieces_.empty() && pieces_.front().text.empty() && pieces_.front().has_placeholder;
}

absl::StatusOr<std::string> TextTemplate::Render(
    absl::FunctionRef<absl::StatusOr<std::string>(const Placeholder&)> value) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    out += piece.text;
    if (!piece.has_placeholder) continue;
    TI_ASSIGN_OR_RETURN(const std::string rendered, value(piece.placeholder));
    out += rendered;
  }
  return out;
}

}  // namespace tokeninventory
