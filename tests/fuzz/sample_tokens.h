// Tokens for fuzzers to evaluate filters and orders on.
#pragma once

#include <string>
#include <vector>

#include "inventory/filter/filter_row.h"
#include "inventory/token_bytes.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::testing {

// One with every sort of field set, one with hardly any, one with odd values.
inline std::vector<std::string> SampleTokens() {
  v1::Token full;
  full.set_name("sources/opal-prod/tokens/a");
  full.set_uid("u-a");
  full.set_source("sources/opal-prod");
  full.set_provider("opal");
  full.set_display_name("Deploy Bot");
  full.mutable_owner()->set_email("ann@example.com");
  full.mutable_owner()->set_kind(v1::Principal::USER);
  full.set_access_level(v1::Token::WRITE);
  full.mutable_create_time()->set_seconds(1767225600);
  full.mutable_expire_time()->set_seconds(1800000000);
  full.mutable_expire_time()->set_nanos(5);
  full.set_state(v1::Token::ACTIVE);
  full.set_revision(7);
  full.add_scopes()->set_id("prod");
  full.add_scopes()->set_everything(true);
  full.add_permissions("read");
  full.mutable_inactivity_window()->set_seconds(7776000);
  auto& attributes = *full.mutable_attributes()->mutable_fields();
  attributes["a"].set_string_value("x");
  attributes["b"].set_number_value(1.5);
  attributes["c"].set_bool_value(true);
  attributes["d"].mutable_list_value()->add_values()->set_string_value("x");
  (*attributes["e"].mutable_struct_value()->mutable_fields())["a"].set_number_value(1);

  v1::Token bare;
  bare.set_uid("u-b");

  v1::Token odd;
  odd.set_uid("u-c");
  odd.set_display_name(std::string("a\0b*", 4));
  odd.mutable_owner();
  odd.mutable_expire_time()->set_seconds(253402300799);
  odd.mutable_create_time()->set_seconds(-62135596800);
  odd.set_state(static_cast<v1::Token::State>(255));
  odd.set_revision(-1);
  odd.mutable_attributes();
  return {SerializeToken(full), SerializeToken(bare), SerializeToken(odd)};
}

// The rows of `tokens`, which must outlive them, as must `columns`.
inline std::vector<FilterRow> RowsOf(const std::vector<std::string>& tokens,
                                     TokenColumns& columns) {
  std::vector<FilterRow> rows;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    columns.Set(static_cast<int>(i), tokens[i]);
    FilterRow& row = rows.emplace_back();
    row.bytes = tokens[i];
    row.full_offset = ReadTokenFacts(row.bytes).basic_size;
    row.columns = &columns;
    row.row = static_cast<int>(i);
  }
  return rows;
}

}  // namespace tokeninventory::testing
