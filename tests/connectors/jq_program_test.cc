#include "connectors/jq_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "connectors/jq_error.h"
#include "connectors/json_reader.h"

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

JsonValue Json(absl::string_view text) {
  absl::StatusOr<JsonValue> value = JsonValue::Parse(text);
  EXPECT_TRUE(value.ok()) << text << value.status();
  return value.ok() ? *value : JsonValue();
}

std::unique_ptr<JqPrograms> CompileOne(const std::string& text, bool each_row = false,
                                       absl::Duration limit = absl::Seconds(5)) {
  std::vector<JqProblem> problems;
  JqPrograms::Options options;
  options.time_limit = limit;
  auto programs = JqPrograms::Compile({{"p", text, each_row}}, options, problems);
  for (const JqProblem& problem : problems) ADD_FAILURE() << problem.line << ": " << problem.what;
  return programs;
}

absl::StatusOr<JsonValue> RunText(const std::string& text, absl::string_view input = "null",
                                  const JqContext& context = {}) {
  auto programs = CompileOne(text);
  if (programs == nullptr) return absl::InternalError("does not compile");
  return programs->Run(0, Json(input), context);
}

std::string Result(const std::string& text, absl::string_view input = "null",
                   const JqContext& context = {}) {
  const absl::StatusOr<JsonValue> result = RunText(text, input, context);
  return result.ok() ? result->Dump() : absl::StrCat("! ", result.status().message());
}

TEST(JqProgramTest, RunsSeveralProgramsWithTheirContext) {
  std::vector<JqProblem> problems;
  std::vector<JqSource> sources;
  for (int i = 0; i < 9; ++i) {
    sources.push_back(
        {absl::StrCat("p", i), absl::StrCat(". + ", i, " + $param.x  # comment"), false});
  }
  sources.push_back({"parent", "$parent.name", false});
  const auto programs = JqPrograms::Compile(sources, {}, problems);
  ASSERT_NE(programs, nullptr);
  const JqContext context{Json(R"({"x": 100})"), Json(R"({"name": "n"})")};
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(programs->Run(i, Json("1000"), context)->number_value(),
              1100 + static_cast<double>(i));
  }
  EXPECT_EQ(programs->Run(9, Json("1000"), context)->string_value(), "n");
}

TEST(JqProgramTest, ExactlyOneValue) {
  EXPECT_EQ(Result("empty"), "! the program yields no value");
  EXPECT_EQ(Result("1, 2"), "! the program yields more than one value");
  EXPECT_EQ(Result("{a: empty}"), "! the program yields no value");
  EXPECT_EQ(Result("{a: (1, 2)}"), "! the program yields more than one value");
  EXPECT_EQ(Result(".names[]?"), "! the program yields no value");
  EXPECT_EQ(Result("null"), "null");
}

TEST(JqProgramTest, ErrorNullLosesNothing) {
  EXPECT_EQ(Result("[1, error(null), 2]"), "! error without text");
  EXPECT_EQ(Result("null | error"), "! error without text");
}

TEST(JqProgramTest, NamesTheProgramAndLineThatDoesNotCompile) {
  std::vector<JqProblem> problems;
  const auto programs = JqPrograms::Compile({{"good", ".a", false},
                                             {"unknown", "# first\n.a\n| nope(.)", false},
                                             {"syntax", ".a |", false},
                                             {"variable", "$nope", true},
                                             {"open", "(1", false}},
                                            {}, problems);
  EXPECT_EQ(programs, nullptr);
  ASSERT_EQ(problems.size(), 4);
  EXPECT_EQ(problems[0].program, 1);
  EXPECT_EQ(problems[0].line, 3);
  EXPECT_EQ(problems[0].what, "nope/1 is not defined");
  EXPECT_EQ(problems[1].program, 2);
  EXPECT_THAT(problems[1].what, HasSubstr("syntax error"));
  EXPECT_EQ(problems[2].program, 3);
  EXPECT_EQ(problems[2].line, 1);
  EXPECT_EQ(problems[3].program, 4);
  EXPECT_EQ(problems[3].line, 1);
}

TEST(JqProgramTest, TheWorldOutsideIsShut) {
  ASSERT_EQ(setenv("TI_TEST_SECRET", "hunter2", 1), 0);
  for (const char* program : {"env | tojson", "$ENV | tojson", "env.TI_TEST_SECRET",
                              "$ENV.TI_TEST_SECRET", "[input_filename]", "get_search_list"}) {
    EXPECT_THAT(Result(program), Not(HasSubstr("hunter2"))) << program;
  }
  EXPECT_EQ(Result("$ENV"), "{}");
  EXPECT_EQ(Result("env"), "{}");
  for (const char* program :
       {"input", "[inputs]", "now", "localtime", "halt", "halt_error", "\"x\" | halt_error(1)",
        "\"m\" | modulemeta", "0 | todate", "1e300 | todate", "0 | gmtime",
        "\"2020\" | strptime(\"%Y\")", "[0] | mktime", "0 | strftime(\"%Y\")",
        "0 | strflocaltime(\"%Y\")"}) {
    EXPECT_THAT(Result(program), HasSubstr("! ")) << program;
  }
  // These write to the process' stderr in jq.
  EXPECT_EQ(Result("1 | debug"), "1");
  EXPECT_EQ(Result("1 | stderr"), "1");
}

TEST(JqProgramTest, ModulesAreRefused) {
  for (const char* program :
       {"import \"a\" as a; 1", "include \"a\"; 1", "import \"/etc/passwd\" as $x; $x"}) {
    std::vector<JqProblem> problems;
    EXPECT_EQ(JqPrograms::Compile({{"p", program, false}}, {}, problems), nullptr) << program;
    EXPECT_EQ(problems.size(), 1);
  }
}

TEST(JqProgramTest, EndlessProgramsEnd) {
  for (const char* program : {"def f: f; f", "[range(1e12)]", "[repeat(1)]", "def f: [f]; f",
                              "until(false; . + 1)", "last(range(1e12))"}) {
    const auto programs = CompileOne(program, false, absl::Milliseconds(100));
    ASSERT_NE(programs, nullptr);
    const absl::StatusOr<JsonValue> result = programs->Run(0, Json("0"), {});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded)
        << program << result.status();
  }
}

TEST(JqProgramTest, GoesOnAfterAnError) {
  const auto programs =
      CompileOne("if . == 1 then error(\"no\") elif . == 2 then def f: f; f else . end", false,
                 absl::Milliseconds(50));
  EXPECT_FALSE(programs->Run(0, Json("1"), {}).ok());
  EXPECT_EQ(programs->Run(0, Json("3"), {})->number_value(), 3);
  EXPECT_EQ(programs->Run(0, Json("2"), {}).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(programs->Run(0, Json("4"), {})->number_value(), 4);
}

TEST(JqProgramTest, EachRowFailsAlone) {
  const auto programs = CompileOne(
      "if . == 2 or . == 3 then error(\"bad row\") elif . == 5 then empty elif . == 6 then 1, 2 "
      "else . * 10 + $param.x end",
      true);
  ASSERT_NE(programs, nullptr);
  std::vector<std::string> results;
  programs->RunEach(
      0, Json("[1, 2, 3, 4, 5, 6, 7]"), JqContext{Json(R"({"x": 1})"), {}},
      [&](int row, const absl::StatusOr<JsonValue>& result) {
        EXPECT_EQ(row, static_cast<int>(results.size()));
        results.push_back(result.ok() ? result->Dump() : std::string(result.status().message()));
        return true;
      });
  EXPECT_THAT(results, ElementsAre("11", "bad row", "bad row", "41", "the program yields no value",
                                   "the program yields more than one value", "71"));
}

TEST(JqProgramTest, EachRowOfAnEndlessProgramEndsOnce) {
  const auto programs =
      CompileOne("if . == 2 then def f: f; f else . end", true, absl::Milliseconds(50));
  int calls = 0;
  absl::Status last;
  programs->RunEach(0, Json("[1, 2, 3]"), {}, [&](int, const absl::StatusOr<JsonValue>& result) {
    ++calls;
    last = result.status();
    return true;
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(last.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(JqProgramTest, ErrorsCarryNoValues) {
  const char* programs[] = {".a + 1",
                            ".a | .b",
                            ".a[0]",
                            ".a | keys",
                            ".a | tonumber",
                            ".a | fromjson",
                            ".a | error",
                            "error(.a)",
                            "error(\"bad \\(.a)\")",
                            ".a | test(.a)",
                            ".a | test(\"(\" + .a)",
                            "path(.a | tostring)",
                            "{(.a | tojson | fromjson): 1} | .[.a]",
                            ".a | has(.a)",
                            ".a | ltrimstr(1) | .x",
                            "[.a] | implode",
                            "[.a] | @csv | .[0]",
                            "[[.a]] | @csv",
                            "[[.a]] | @sh",
                            ".a | @base64d",
                            ".a | bool",
                            ".a | num",
                            ".a | list",
                            "[.a] | text",
                            "{(.a): 1} | text",
                            ".a | split(1)",
                            "[.a] | join(\",\") | .x",
                            ".a - .a",
                            ".a * {}",
                            ".a | explode | .x",
                            "range(.a)",
                            "[.a, 1] | max_by(.x)",
                            ".a | unix_s",
                            "[.a] | rfc3339",
                            ".a | utc_date | .x.y",
                            "try error(.a) catch error(.)",
                            ".a | splits(1)",
                            "[.a] | .[.a]",
                            ".a as [$x] | $x",
                            "$__loc__ | .[.a]",
                            "setpath([.a, .a]; 1) | .[0]",
                            "tojson | fromjson | .[0]",
                            "limit(1; error(.a))",
                            "first(error(.a))",
                            ".a | getpath([\"x\"])"};
  for (const char* program : programs) {
    SCOPED_TRACE(program);
    const auto compiled = CompileOne(program);
    ASSERT_NE(compiled, nullptr);
    for (const char* value : {R"({"a": "hunter2"})", R"({"a": "Cannot hunter2"})",
                              R"({"a": "string hunter2"})", R"({"a": "\u0001hunter2"})"}) {
      const absl::StatusOr<JsonValue> result = compiled->Run(0, Json(value), {});
      if (result.ok()) continue;
      EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("hunter2")));
      EXPECT_FALSE(result.status().message().empty());
    }
  }
}

TEST(JqProgramTest, AProgramsOwnWordsAreKept) {
  EXPECT_EQ(Result("error(\"no last_id\")"), "! no last_id");
  EXPECT_EQ(Result(".a | bool", R"({"a": "x"})"), "! expected a boolean, got string");
  EXPECT_EQ(Result(".a + 1", R"({"a": "x"})"), "! string cannot be added");
}

TEST(JqErrorTest, CutsTextsThatJqItselfCutShort) {
  const auto none = [](absl::string_view) { return false; };
  EXPECT_EQ(CleanJqError("string (\"hunter2...) and number (1) cannot be added", none),
            "string cannot be added");
  EXPECT_EQ(CleanJqError("Cannot index number with \"hunter2", none), "Cannot index number with");
  EXPECT_EQ(CleanJqError("", none), "the program failed");
  EXPECT_EQ(CleanJqError("hunter2", none), "the program failed");
}

TEST(PreludeTest, StrictReaders) {
  EXPECT_EQ(Result("true | bool"), "true");
  EXPECT_EQ(Result("null | bool"), "! expected a boolean, got null");
  EXPECT_EQ(Result("\"12\" | num"), "12");
  EXPECT_EQ(Result("\"1x\" | num"), "! expected a number, got string");
  EXPECT_EQ(Result("null | list"), "! expected an array, got null");
  EXPECT_EQ(Result("12 | text"), "\"12\"");
  EXPECT_EQ(Result("\"\" | text"), "null");
  EXPECT_EQ(Result(". | text", "9007199254740991"), "\"9007199254740991\"");
  EXPECT_EQ(Result(". | text", "9007199254740993"), "! a number that jq cannot hold exactly");
  EXPECT_EQ(Result(". | text", "-12345678901234567890"), "! a number that jq cannot hold exactly");
}

TEST(PreludeTest, TrimmingLeavesOtherTypesAlone) {
  EXPECT_EQ(Result("\"abc\" | ltrimstr(\"a\") | rtrimstr(\"c\")"), "\"b\"");
  EXPECT_EQ(Result("\"abc\" | ltrimstr(1)"), "\"abc\"");
  EXPECT_EQ(Result("3 | rtrimstr(\"c\")"), "3");
}

TEST(PreludeTest, TimesAreTextsOrTagged) {
  EXPECT_EQ(Result("\"2024\" | rfc3339"), R"("2024")");
  for (const char* absent : {"null", "\"\"", "\"0001-01-01T00:00:00Z\""}) {
    EXPECT_EQ(Result(absl::StrCat(absent, " | rfc3339")), "null") << absent;
  }
  EXPECT_EQ(Result("12 | rfc3339"), "! expected a time string, got number");
  EXPECT_EQ(Result("0 | unix_s"), "null");
  EXPECT_EQ(Result("\"12\" | unix_ms"), R"({"unix_ms":12})");
  EXPECT_EQ(Result("\"90\" | days"), R"({"seconds":7776000})");
  EXPECT_EQ(Result("null | days"), "null");
}

TEST(PreludeTest, NamesAreJoinedAsFarAsTheyAreTold) {
  const std::string program = "full_name(.[0]; .[1])";
  EXPECT_EQ(Result(program, R"(["Ada", "Lovelace"])"), R"("Ada Lovelace")");
  EXPECT_EQ(Result(program, R"(["", "Lovelace"])"), R"("Lovelace")");
  EXPECT_EQ(Result(program, R"(["Ada", null])"), R"("Ada")");
  EXPECT_EQ(Result(program, "[null, null]"), R"("")");
  EXPECT_EQ(Result(program, R"([7, "of nine"])"), R"("7 of nine")");
}

TEST(PreludeTest, TimesBeforeYearOneEndsAreAbsent) {
  for (const char* absent : {"null", "\"\"", R"("0001-01-01T00:00:00Z")", R"("0001-01-01")"}) {
    EXPECT_EQ(Result("rfc3339", absent), "null") << absent;
  }
  for (const char* text : {"0", "0001-01-02T00:00:00Z", "2027-01-01T00:00:00Z", "soon"}) {
    const std::string quoted = absl::StrCat("\"", text, "\"");
    EXPECT_EQ(Result("rfc3339", quoted), quoted);
    EXPECT_EQ(Result("utc_date", quoted), absl::StrCat("{\"utc_date\":", quoted, "}"));
  }
  EXPECT_EQ(Result("expires(false)", "1"), R"({"expireTime":false,"expiry":"AT"})");
  for (const char* wrong : {"true", "7", "[]", "{}"}) {
    EXPECT_THAT(Result("rfc3339", wrong), HasSubstr("expected a time string")) << wrong;
  }
}

TEST(PreludeTest, AMissingKeyIsNotNull) {
  EXPECT_EQ(Result("expires(\"e\"; rfc3339)", "{}"), "{}");
  EXPECT_EQ(Result("expires(\"e\"; rfc3339)", R"({"e": null})"), R"({"expiry":"NEVER"})");
  EXPECT_EQ(Result("last_used(\"e\"; rfc3339)", R"({"e": "t"})"),
            R"({"lastUse":"USED","lastUsedTime":"t"})");
  EXPECT_EQ(Result("expires(.e | rfc3339)", "{}"), R"({"expiry":"NEVER"})");
}

TEST(PreludeTest, NextRequests) {
  const char* page =
      R"({"request": {"method": "GET", "url": "u", "query": {"p": 1}, "json": null}})";
  EXPECT_EQ(Result("next_page(\"p\") | .query", page), R"({"p":2})");
  EXPECT_EQ(Result("cursor(\"c\"; null)", page), "null");
  EXPECT_EQ(Result("cursor(\"c\"; \"\")", page), "null");
  EXPECT_EQ(Result("cursor(\"c\"; \"x\") | .query", page), R"({"c":"x","p":1})");
  EXPECT_EQ(Result("follow(\"v\")", page), R"({"json":null,"method":"GET","query":{},"url":"v"})");
  EXPECT_EQ(Result("follow(.links.next)", page), "null");
}

TEST(JsonValueTest, ParsesExactlyOneValue) {
  EXPECT_EQ(JsonValue::Parse(R"({"a": [1, "x", null]})")->Dump(), R"({"a":[1,"x",null]})");
  EXPECT_EQ(JsonValue::Parse("\xEF\xBB\xBF {}\n")->Dump(), "{}");
  for (const char* good : {"-0.5e-3", "1E+2", "0", "\"\"", R"(["\u00e9\"\\\/\b\f\n\r\t"])",
                           "[[],{}]", R"({"a":{"b":[{}]},"c":1})", " true\r\n"}) {
    EXPECT_TRUE(JsonValue::Parse(good).ok()) << good;
  }
  for (const char* bad : {"",
                          "  ",
                          "{",
                          "[1,",
                          "[1,]",
                          "[1 2]",
                          "[,1]",
                          "[1}",
                          "{\"a\"}",
                          "{\"a\" 1}",
                          "{\"a\":1,}",
                          "{1:2}",
                          "{\"a\"\"hunter2\":1}",
                          "[1] [2]",
                          "1 2",
                          "\"hunter2\t\"",
                          "nul",
                          "nan",
                          "NaN",
                          "Infinity",
                          "01",
                          "1.",
                          ".5",
                          "+1",
                          "-",
                          "1e",
                          "0x10",
                          "'hunter2'",
                          "\"\\x\"",
                          "\"\\u12g4\"",
                          "\"\\u12",
                          "{\"a\":1}}",
                          "<html>hunter2</html>",
                          "\"hunter2"}) {
    const absl::StatusOr<JsonValue> value = JsonValue::Parse(bad);
    ASSERT_FALSE(value.ok()) << bad;
    EXPECT_FALSE(ReadPlainJson(bad)) << bad;
    EXPECT_THAT(std::string(value.status().message()), Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(std::string(JsonValue::Parse("{\n \"a\": x}").status().message()),
              HasSubstr("at line 2, column 7"));
}

TEST(JsonValueTest, DepthIsBounded) {
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  EXPECT_FALSE(JsonValue::Parse(deep).ok());
  EXPECT_TRUE(JsonValue::Parse(std::string(200, '[') + std::string(200, ']')).ok());
}

TEST(JsonValueTest, BadUtf8BecomesTheReplacementCharacter) {
  EXPECT_EQ(JsonValue::Parse("\"a\xff\"")->string_value(), "a\xEF\xBF\xBD");
}

TEST(JsonValueTest, CopiesAreIndependent) {
  JsonValue a = Json(R"({"x": 1})");
  const JsonValue b = a;
  a.Set("y", JsonValue::Bool(true));
  EXPECT_EQ(a.Dump(), R"({"x":1,"y":true})");
  EXPECT_EQ(b.Dump(), R"({"x":1})");
  JsonValue c = std::move(a);
  EXPECT_TRUE(a.is_null());  // NOLINT: moved-from values are null
  EXPECT_EQ(c.size(), 2);
  EXPECT_TRUE(c.Get("nope").is_null());
  EXPECT_TRUE(c.Has("y"));
  EXPECT_TRUE(c.At(0).is_null());
}

}  // namespace
}  // namespace tokeninventory
