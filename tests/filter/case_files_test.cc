// The case files from outside (testdata/*.json, each with its `source`), run as
// data. Where the two reference parsers of AIP-160 differ, the table below says
// what this dialect does and why; a row that is out of date fails the test.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "inventory/filter/filter.h"
#include "inventory/filter/literals.h"
#include "inventory/filter/order.h"
#include "inventory/filter/parser.h"
#include "tests/filter/resource.pb.h"
#include "tests/testing/error_details.h"

namespace tokeninventory {
namespace {

using filter::Comparator;
using filter::Node;
using filter::Operand;
using Json = nlohmann::json;

Json ReadCases(const std::string& file) {
  std::ifstream stream(std::string(TI_FILTER_TESTDATA) + file);
  return Json::parse(stream);
}

// -- A tree in the notation of aip160_differential.json. LUCI's parser leaves it
// to later whether a bare word is a number; aip-go's tells at once, and what
// follows a colon is a string to it.

enum class Style { kAipGo, kLuci };

Json ToJson(const Node& node, bool after_has, Style style);

Json ToJson(const Operand& operand, bool after_has, Style style) {
  if (operand.kind == Operand::Kind::kGroup) return ToJson(*operand.group, false, style);
  if (operand.kind == Operand::Kind::kCall) {
    std::string name;
    for (const auto& word : operand.words) name += (name.empty() ? "" : ".") + word.text;
    Json call = {"call", name};
    for (const Operand& argument : operand.arguments)
      call.push_back(ToJson(argument, false, style));
    return call;
  }
  const filter::Word& first = operand.words.front();
  const bool member = operand.words.size() > 1;
  Json json;
  std::int64_t integer = 0;
  const auto number = filter::ParseNumber(first.text);
  if (first.quoted && !member) {
    json = {"str", first.text};
  } else if (style == Style::kLuci) {
    json = {"id", first.text};
  } else if (!member && first.text.front() != '+' && absl::SimpleAtoi(first.text, &integer)) {
    json = {"int", integer};
  } else if (!member && number.has_value() && first.text.find('.') != std::string::npos) {
    json = {"float", number->real};
  } else {
    json = {after_has && !member ? "str" : "id", first.text};
  }
  for (std::size_t i = 1; i < operand.words.size(); ++i) {
    json = {".", json, operand.words[i].text};
  }
  return json;
}

Json ToJson(const Node& node, bool after_has, Style style) {
  const std::map<Comparator, std::string> comparators = {
      {Comparator::kLess, "<"},    {Comparator::kLessEqual, "<="},
      {Comparator::kGreater, ">"}, {Comparator::kGreaterEqual, ">="},
      {Comparator::kEqual, "="},   {Comparator::kNotEqual, "!="},
      {Comparator::kHas, ":"},
  };
  switch (node.kind) {
    case Node::Kind::kNot:
      return {"NOT", ToJson(*node.children[0], after_has, style)};
    case Node::Kind::kRestriction:
      if (node.comparator == Comparator::kNone) return ToJson(node.left, after_has, style);
      // `a:(b)` is `a:b` to both.
      return {comparators.at(node.comparator), ToJson(node.left, false, style),
              ToJson(node.right, node.comparator == Comparator::kHas, style)};
    default:
      break;
  }
  const std::string name = node.kind == Node::Kind::kAnd  ? "AND"
                           : node.kind == Node::Kind::kOr ? "OR"
                                                          : "FUZZY";
  Json json = ToJson(*node.children[0], after_has, style);
  for (std::size_t i = 1; i < node.children.size(); ++i) {
    json = {name, json, ToJson(*node.children[i], after_has, style)};
  }
  return json;
}

// -- The decisions.

enum class Verdict { kAsAipGo, kAsLuci, kOwn, kReject };

struct Decision {
  Verdict verdict;
  const char* why;
  std::vector<std::string> filters;
  const char* own_tree = nullptr;  // kOwn
};

const std::vector<Decision>& Decisions() {
  static const auto* const decisions = new std::vector<Decision>{
      {Verdict::kAsLuci,
       "the AIP's own durations and exponents",
       {"risk_score > 7e1", "age > 90d", "age > 7776000s", "duration: 20s"}},
      {Verdict::kOwn,
       "a duration with a fraction is one value, no field of 1",
       {"duration != 1.5s"},
       R"(["!=",["id","duration"],["id","1.5s"]])"},
      {Verdict::kOwn,
       "a duration with a fraction is one value, no field of 0",
       {"duration<0.000000001s"},
       R"(["<",["id","duration"],["id","0.000000001s"]])"},
      {Verdict::kAsAipGo,
       "numbers may be negative, and fractions are numbers",
       {"risk_score = -1", "risk_score > -1", "a = 1.5", "2.5 >= 2.4", "foo >= (-2.4)"}},
      {Verdict::kAsLuci,
       "before a term a dash negates, as in the grammar's own example -30",
       {"-30"}},
      {Verdict::kReject, "a number does not end in a dot", {"a = 5."}},
      {Verdict::kAsLuci,
       "dashes belong to words: UUIDs, deploy-bot",
       {"deploy-bot", "term -negated-term"}},
      {Verdict::kReject,
       "the grammar has no white space after '-': `a - b` is a slip",
       {"- a", " - negated "}},
      {Verdict::kReject,
       "a dangling keyword is a cut filter, no search for a word",
       {"AND", "OR", "NOT", "a AND", "a OR", "a NOT", "NOT:AND"}},
      {Verdict::kAsAipGo,
       "behind a dot a keyword is a name, as in the grammar",
       {"a.NOT = 1", "a.AND.OR = 1"}},
      {Verdict::kReject, "the grammar has no white space around '.'", {"a .b", "a. b"}},
      {Verdict::kAsLuci,
       "people write it; nothing else it could mean",
       {"( composite )", " ( composite ) ", ""}},
      {Verdict::kAsAipGo,
       "both sorts of quotes, with escapes in them",
       {"a = 'x\"y'", "a = ''", "msg != 'hello'", "msg != \"[ \\'hello\\' ]\"", "\"a\".b = 1"}},
      {Verdict::kAsLuci,
       "white space is ASCII; the error then shows the odd character",
       {"a\u00a0=\u00a01"}},
      {Verdict::kReject, "a lone '!' is a slip of != or NOT", {"a =! 1", "!a", "a!b!=c"}},
      {Verdict::kReject, "the grammar's arguments do not end in a comma", {"f(x,)"}},
      {Verdict::kReject, "white space stands between two terms", {"-a NOT a[b].call(arg)[0] > 0"}},
      {Verdict::kAsAipGo,
       "function calls are the grammar's; the checker knows two of them",
       {"expire_time < timestamp(\"2026-01-01T00:00:00Z\")",
        "age > duration(\"2160h\")",
        "f(x)",
        "f( x )",
        "f(x,y)",
        "experiment.rollout <= cohort(request.user)",
        "regex(m.key, '^.*prod.*$')",
        "math.mem('30mb')",
        "(msg.endsWith('world') AND retries < 10)",
        "time.now()",
        "timestamp(\"2012-04-21T11:30:00-04:00\")",
        "duration(\"4h0m0s\")",
        "\n\t\t\t\tstart_time > timestamp(\"2006-01-02T15:04:05+07:00\") AND\n\t\t\t\t(driver = "
        "\"driver1\" OR start_driver = \"driver1\" OR end_driver = \"driver1\")\n\t\t\t",
        "expire_time > time.now()",
        "time.now() > timestamp(\"2012-04-21T11:30:00-04:00\")",
        "ttl > duration(\"30s\")",
        "ttl > duration(\"INVALID\")",
        "ttl > duration(input_field)",
        "c.d=\"e\" f.g.3>argument(h) AND getattr(i.map, arg(j)) < arg(10)",
        "k.3 < 7.6 arg(name): (1 2 3)",
        "a:1 OR b=2 AND c OR NOT d.call(10, 11, 12)",
        "foo()",
        "b < foo(3)",
        "a.\"string field\" > id.call()"}},
  };
  return *decisions;
}

// Where this dialect leaves a verdict that both parsers share: its caps.
struct CapException {
  std::string generated;  // what the case says of its long filter
  std::size_t length;
};
const CapException kCapExceptions[] = {{"32 levels", 401}, {"100 terms", 2586}};

// The filter of a case; long ones are described there.
std::string FilterOf(const Json& row) {
  if (!row.contains("generator")) return row["filter"];
  std::string filter;
  switch (row["length"].get<int>()) {
    case 2000:
      return std::string(2000, 'a');
    case 401:
      return std::string(200, '(') + "a" + std::string(200, ')');
    case 801:
      for (int i = 0; i < 200; ++i) filter += "NOT ";
      return filter + "a";
    case 2586:
      for (int i = 0; i < 300; ++i) absl::StrAppend(&filter, i == 0 ? "" : " OR ", "a=", i);
      return filter;
    case 5006:
      return "a = \"" + std::string(5000, 'x') + "\"";
    default:
      ADD_FAILURE() << "an unknown long filter: " << row;
      return "";
  }
}

class DifferentialTest : public ::testing::Test {
 protected:
  const Json cases_ = ReadCases("aip160_differential.json");
};

TEST_F(DifferentialTest, SharedVerdictsHold) {
  int checked = 0;
  for (const Json& row : cases_["cases"]) {
    const std::string verdict = row["verdict"];
    if (verdict != "agree" && verdict != "both-reject") continue;
    SCOPED_TRACE(row["filter"].dump());
    const std::string text = FilterOf(row);
    ASSERT_EQ(text.size(), row.value("length", text.size()));
    const auto tree = filter::Parse(text);
    bool capped = false;
    for (const CapException& exception : kCapExceptions) capped |= text.size() == exception.length;
    ++checked;
    if (capped) {
      EXPECT_EQ(testing::ReasonOf(tree), "FILTER_TOO_COMPLEX");
    } else if (verdict == "both-reject") {
      EXPECT_EQ(testing::ReasonOf(tree), "FILTER_SYNTAX");
    } else {
      ASSERT_TRUE(tree.ok()) << tree.status();
      const Json& want = row["aip_go"]["ast"];
      if (want != "(large)") {
        EXPECT_EQ(ToJson(**tree, false, Style::kAipGo), want);
      }
    }
  }
  EXPECT_EQ(checked,
            cases_["counts"]["agree"].get<int>() + cases_["counts"]["both-reject"].get<int>());
}

TEST_F(DifferentialTest, EachDifferenceIsDecided) {
  std::map<std::string, const Decision*> decisions;
  for (const Decision& decision : Decisions()) {
    for (const std::string& text : decision.filters) {
      EXPECT_TRUE(decisions.emplace(text, &decision).second) << text;
    }
  }
  for (const Json& row : cases_["cases"]) {
    const std::string verdict = row["verdict"];
    if (verdict == "agree" || verdict == "both-reject") continue;
    SCOPED_TRACE(row["filter"].dump());
    const auto found = decisions.find(row["filter"]);
    if (found == decisions.end()) {
      ADD_FAILURE() << "no decision";
      continue;
    }
    const Decision& decision = *found->second;
    decisions.erase(found);
    const auto tree = filter::Parse(row["filter"].get<std::string>());
    if (decision.verdict == Verdict::kReject) {
      EXPECT_EQ(testing::ReasonOf(tree), "FILTER_SYNTAX");
      continue;
    }
    ASSERT_TRUE(tree.ok()) << tree.status();
    const Style style = decision.verdict == Verdict::kAsLuci ? Style::kLuci : Style::kAipGo;
    const Json got = *tree == nullptr ? Json{"TRUE"} : ToJson(**tree, false, style);
    switch (decision.verdict) {
      case Verdict::kAsAipGo:
        EXPECT_EQ(got, row["aip_go"]["ast"]);
        break;
      case Verdict::kAsLuci:
        EXPECT_EQ(got, row["luci"]["ast"]);
        break;
      default:
        EXPECT_EQ(got, Json::parse(decision.own_tree));
        // Else it belongs to another row.
        EXPECT_TRUE(!row["aip_go"]["ok"] || got != row["aip_go"]["ast"]);
        EXPECT_TRUE(!row["luci"]["ok"] || got != row["luci"]["ast"]);
        break;
    }
  }
  for (const auto& [text, decision] : decisions) {
    ADD_FAILURE() << "a decision about no case: " << text;
  }
}

TEST_F(DifferentialTest, DeliberateExceptionsAreAccepted) {
  EXPECT_EQ(cases_["deliberate_exceptions_proposed"].size(), 2u);
  for (const Json& row : cases_["deliberate_exceptions_proposed"]) {
    EXPECT_TRUE(filter::Parse(row["filter"].get<std::string>()).ok()) << row;
  }
  EXPECT_TRUE(Filter::Compile("expire_time < 2026-01-01T00:00:00Z", {}).ok());
  EXPECT_TRUE(Filter::Compile("revision = -9223372036854775808", {}).ok());
}

// -- aip160_semantics.json.

class SemanticsTest : public ::testing::Test {
 protected:
  SemanticsTest() {
    for (const auto& [name, json] : cases_["resources"].items()) {
      filter::testing::Resource resource;
      const auto status = google::protobuf::util::JsonStringToMessage(json.dump(), &resource);
      EXPECT_TRUE(status.ok()) << status.ToString();
      resources_[name] = resource.SerializeAsString();
    }
  }

  absl::StatusOr<std::set<std::string>> Matching(const std::string& text) const {
    FilterOptions options;
    options.type = filter::testing::Resource::descriptor();
    const auto compiled = Filter::Compile(text, options);
    if (!compiled.ok()) return compiled.status();
    std::set<std::string> names;
    for (const auto& [name, bytes] : resources_) {
      FilterRow row;
      row.bytes = bytes;
      if (compiled->Matches(row)) names.insert(name);
    }
    return names;
  }

  const Json cases_ = ReadCases("aip160_semantics.json");
  std::map<std::string, std::string> resources_;
};

TEST_F(SemanticsTest, EachCaseHolds) {
  for (const Json& row : cases_["cases"]) {
    SCOPED_TRACE(row.dump());
    const auto names = Matching(row["filter"]);
    if (row.contains("expect")) {
      EXPECT_EQ(names.status().code(), absl::StatusCode::kInvalidArgument);
      continue;
    }
    ASSERT_TRUE(names.ok()) << names.status();
    if (row.contains("same_as")) {
      EXPECT_EQ(*names, *Matching(row["same_as"]));
    } else {
      EXPECT_EQ(*names, row["match"].get<std::set<std::string>>());
    }
  }
}

TEST_F(SemanticsTest, TheModelHasWhatTokenHasNot) {
  using Names = std::set<std::string>;
  EXPECT_EQ(*Matching("m.foo = \"42\""), Names{"r1"});
  EXPECT_EQ(*Matching("m.foo = \"4*\""), Names{"r1"});
  EXPECT_EQ(*Matching("m.nosuch != \"42\""), Names{});
  EXPECT_EQ(*Matching("a:c"), Names{"r1"});
  EXPECT_EQ(*Matching("a:*"), (Names{"r1", "r3"}));
  EXPECT_EQ(*Matching("a.x < 0.5"), (Names{"r1", "r3"}));
  EXPECT_EQ(*Matching("a.n > 42.5"), Names{"r1"});
  EXPECT_EQ(*Matching("a.n < 50.5 a.n >= 49.5"), Names{"r1"});
  EXPECT_EQ(*Matching("a.n != 50.5"), (Names{"r1", "r3"}));
  EXPECT_EQ(*Matching("parts.p.n:1"), Names{});
  EXPECT_EQ(*Matching("NOT list.n:1"), (Names{"r1", "r2", "r3"}));
  EXPECT_EQ(*Matching("my.foo"), Names{"r1"});
}

// -- aip132_order_by.json.

std::string Written(const std::vector<OrderTerm>& terms) {
  std::string text;
  for (const OrderTerm& term : terms) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", term.path, term.descending ? " desc" : " asc");
  }
  return text;
}

TEST(OrderByCasesTest, Parse) {
  const Json cases = ReadCases("aip132_order_by.json");
  for (const Json& row : cases["parse"]) {
    SCOPED_TRACE(row.dump());
    const auto terms = ParseOrderBy(row["order_by"].get<std::string>());
    if (row["expect"] == "INVALID_ARGUMENT") {
      EXPECT_EQ(testing::ReasonOf(terms), "ORDER_BY_SYNTAX");
      continue;
    }
    ASSERT_TRUE(terms.ok()) << terms.status();
    std::vector<OrderTerm> want;
    for (const Json& field : row["expect"]) want.push_back({field["path"], field["desc"]});
    EXPECT_EQ(Written(*terms), Written(want));
  }
}

TEST(OrderByCasesTest, LuciParse) {
  const Json cases = ReadCases("aip132_order_by.json");
  for (const Json& row : cases["luci_parse"]) {
    SCOPED_TRACE(row.dump());
    const auto terms = ParseOrderBy(row["order_by"].get<std::string>());
    if (row["expect"] == "INVALID_ARGUMENT") {
      EXPECT_EQ(testing::ReasonOf(terms), "ORDER_BY_SYNTAX");
      continue;
    }
    ASSERT_TRUE(terms.ok()) << terms.status();
    std::string want = row["expect"];
    if (want[0] == '(') want = "";
    // The file quotes an odd name; a path of ours is plain text.
    want.erase(std::remove(want.begin(), want.end(), '\''), want.end());
    EXPECT_EQ(Written(*terms), want);
  }
}

// The cases' paths, as fields of Token.
std::string TokenPath(const std::string& path) {
  const std::map<std::string, std::string> paths = {
      {"name", "name"},   {"author", "owner.id"},       {"read", "state"},
      {"foo", "no_such"}, {"book.name", "owner.email"}, {"book.foo", "owner.no_such"},
  };
  return paths.at(path);
}

TEST(OrderByCasesTest, ValidatePaths) {
  const Json cases = ReadCases("aip132_order_by.json");
  for (const Json& row : cases["validate_paths"]) {
    SCOPED_TRACE(row.dump());
    std::string text;
    for (const std::string path : row["order_by_fields"]) {
      absl::StrAppend(&text, text.empty() ? "" : ", ", TokenPath(path));
    }
    const auto order = OrderBy::Compile(text);
    if (row["expect"] == "OK") {
      EXPECT_TRUE(order.ok()) << order.status();
    } else {
      EXPECT_EQ(testing::ReasonOf(order), "ORDER_BY_UNKNOWN_FIELD");
    }
  }
}

TEST(OrderByCasesTest, LuciClause) {
  // `foo` twice; a field that cannot be sorted by. The rule on default fields is
  // ours by the uid that ends each order.
  EXPECT_EQ(ReadCases("aip132_order_by.json")["luci_clause"].size(), 3u);
  EXPECT_EQ(testing::ReasonOf(OrderBy::Compile("name, name")), "ORDER_BY_SYNTAX");
  EXPECT_EQ(testing::ReasonOf(OrderBy::Compile("scopes desc")), "ORDER_BY_NOT_SORTABLE");
}

}  // namespace
}  // namespace tokeninventory
