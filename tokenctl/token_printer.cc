#include "tokenctl/token_printer.h"

#include "absl/strings/str_cat.h"

namespace tokeninventory::tokenctl {
namespace {

std::vector<Column> ShapesOf(const std::vector<TokenColumn>& columns, bool whole) {
  std::vector<Column> shapes;
  for (const TokenColumn& column : columns) {
    shapes.push_back(column.column);
    if (whole) shapes.back().cut_to = 0;
  }
  return shapes;
}

}  // namespace

TokenPrinter::TokenPrinter(Output format, const std::vector<TokenColumn>& columns,
                           const Terminal& terminal, const TimeFormat& times, std::ostream& out)
    : format_(format),
      columns_(columns),
      times_(times),
      out_(out),
      table_(ShapesOf(columns, format == Output::kWide), terminal) {}

void TokenPrinter::Add(const v1::Token& token) {
  switch (format_) {
    case Output::kText:
    case Output::kTable:
    case Output::kWide:
      rows_.push_back(TokenRow(token, columns_, times_));
      break;
    case Output::kJson:
      out_ << (first_ ? "[\n" : ",\n") << ToJson(token);
      break;
    case Output::kYaml:
      out_ << JsonToYaml(absl::StrCat("[", ToJson(token), "]"));
      break;
    case Output::kCsv: {
      std::vector<std::string> values;
      if (first_) {
        for (const TokenColumn& column : columns_) values.push_back(column.path);
        out_ << CsvLine(values);
        values.clear();
      }
      for (const TokenColumn& column : columns_) values.push_back(FieldText(token, column.path));
      out_ << CsvLine(values);
      break;
    }
  }
  first_ = false;
}

void TokenPrinter::FlushRows() {
  if (rows_.empty()) return;
  out_ << table_.Render(rows_);
  rows_.clear();
}

void TokenPrinter::End() {
  if (format_ == Output::kJson) out_ << (first_ ? "[]\n" : "\n]\n");
  if (format_ == Output::kYaml && first_) out_ << "[]\n";
}

}  // namespace tokeninventory::tokenctl
