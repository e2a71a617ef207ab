#include "tokenctl/text/table.h"

#include <gtest/gtest.h>

namespace tokeninventory::tokenctl {
namespace {

Terminal OfWidth(int width) {
  return {.is_terminal = width > 0, .colour = false, .utf8 = true, .width = width, .height = 24};
}

const std::vector<Column> kColumns = {{.title = "NAME", .cut_to = 4},
                                      {.title = "COUNT", .right = true},
                                      {.title = "WHEN"},
                                      {.title = "MORE", .optional = true}};

std::vector<Row> Rows() {
  return {{Cell("東京-token"), Cell("7"), Cell("2026-01-31 in 3 days", Style::kPlain, "in 3 days"),
           Cell("x")},
          {Cell("b"), Cell("1234"), Cell(""), Cell("")}};
}

TEST(TableTest, FitsItsTerminal) {
  const struct {
    int width;
    const char* want;
  } kCases[] = {
      {0,
       "NAME        COUNT  WHEN                  MORE\n"
       "東京-token      7  2026-01-31 in 3 days  x\n"
       "b            1234\n"},
      {45,
       "NAME        COUNT  WHEN                  MORE\n"
       "東京-token      7  2026-01-31 in 3 days  x\n"
       "b            1234\n"},
      // Brief cells first …
      {40,
       "NAME        COUNT  WHEN       MORE\n"
       "東京-token      7  in 3 days  x\n"
       "b            1234\n"},
      // … then without what is optional, …
      {33,
       "NAME        COUNT  WHEN\n"
       "東京-token      7  in 3 days\n"
       "b            1234\n"},
      // … and cut at last.
      {24,
       "NAME    COUNT  WHEN\n"
       "東京-…      7  in 3 days\n"
       "b        1234\n"},
      // Not below what must stay.
      {5,
       "NAME  COUNT  WHEN\n"
       "東…       7  in 3 days\n"
       "b      1234\n"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Table(kColumns, OfWidth(c.width)).Render(Rows()), c.want) << c.width;
  }
}

TEST(TableTest, LaterPagesKeepTheLayout) {
  Table table({{.title = "NAME", .cut_to = 4}, {.title = "N"}}, OfWidth(10));
  EXPECT_EQ(table.Render({{Cell("abcdef"), Cell("1")}}), "NAME    N\nabcdef  1\n");
  EXPECT_EQ(table.Render({{Cell("abcdefgh"), Cell("2")}}), "abcde…  2\n");
}

TEST(TableTest, ColoursTakeNoRoom) {
  Terminal terminal = OfWidth(20);
  terminal.colour = true;
  Table table({{.title = "A"}, {.title = "B"}}, terminal);
  EXPECT_EQ(table.Render({{Cell("x", Style::kBad), Cell("y")}}),
            "\x1b[2mA\x1b[0m  \x1b[2mB\x1b[0m\n\x1b[1;31mx\x1b[0m  y\n");
}

}  // namespace
}  // namespace tokeninventory::tokenctl
