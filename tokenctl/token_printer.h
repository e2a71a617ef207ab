// A list of tokens in the form that was asked for.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "tokenctl/output/formats.h"
#include "tokenctl/text/table.h"
#include "tokenctl/token_columns.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::tokenctl {

// Writes tokens as they come. JSON is one array with a line for each token.
//
// Used by one thread.
class TokenPrinter {
 public:
  TokenPrinter(Output format, const std::vector<TokenColumn>& columns, const Terminal& terminal,
               const TimeFormat& times, std::ostream& out);

  template <typename Tokens>
  void Print(const Tokens& tokens) {
    for (const v1::Token& token : tokens) Add(token);
    FlushRows();
  }
  // After the last token.
  void End();

 private:
  void Add(const v1::Token& token);
  void FlushRows();

  const Output format_;
  const std::vector<TokenColumn> columns_;
  const TimeFormat times_;
  std::ostream& out_;
  Table table_;
  std::vector<Row> rows_;
  bool first_ = true;
};

}  // namespace tokeninventory::tokenctl
