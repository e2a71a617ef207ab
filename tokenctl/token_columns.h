// Columns of lists of tokens: any field of Token, by the name that the API has for it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tokenctl/text/table.h"
#include "tokenctl/text/times.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::tokenctl {

// A column. `path` is a field of Token as filters name it: `display_name`, `owner.email`,
// `scopes.id`, `attributes.team`.
struct TokenColumn {
  std::string path;
  Column column;
};

// The columns of `table`, of `wide`, and those for programs.
std::vector<TokenColumn> DefaultColumns();
std::vector<TokenColumn> WideColumns();
std::vector<TokenColumn> CsvColumns();

// Those of a list by comma. INVALID_ARGUMENT tells of a name that Token has not.
absl::StatusOr<std::vector<TokenColumn>> ParseColumns(absl::string_view list);

// Whether some column shows what only the FULL view carries.
bool NeedFullView(const std::vector<TokenColumn>& columns);

// A field as text for programs: times as RFC 3339, several values by comma, empty when unset.
std::string FieldText(const v1::Token& token, absl::string_view path);

// The same for people.
Cell TokenCell(const v1::Token& token, const TokenColumn& column, const TimeFormat& times);
Row TokenRow(const v1::Token& token, const std::vector<TokenColumn>& columns,
             const TimeFormat& times);

// `opal-prod` of `sources/opal-prod`.
absl::string_view SourceId(absl::string_view name);

// What people call it: e-mail, else display name, else id. Printable.
std::string PrincipalLabel(const v1::Principal& principal);

// What people call it: its display name, else the last part of its name. Printable.
std::string TokenLabel(const v1::Token& token);

Style StyleOf(v1::Token::State state);

// When the token ends, from effective_expire_time; `never` and `unknown` where there is none.
Cell EndCell(const v1::Token& token, const TimeFormat& times);

}  // namespace tokeninventory::tokenctl
