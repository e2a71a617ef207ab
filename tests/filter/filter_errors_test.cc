// What a person is told about a filter or an order that does not work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "inventory/filter/filter.h"
#include "inventory/filter/order.h"
#include "tests/testing/error_details.h"

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Case {
  std::string text;
  std::string reason;
  std::string message;  // part of it
};

void Check(const absl::Status& status, const std::string& field, const Case& want) {
  SCOPED_TRACE(want.text);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(testing::ReasonOf(status), want.reason);
  EXPECT_THAT(testing::FieldsOf(status), ElementsAre(field));
  EXPECT_THAT(std::string(status.message()), HasSubstr(want.message));
  EXPECT_LT(status.message().size(), 400u);
}

TEST(FilterErrorsTest, Filter) {
  const Case cases[] = {
      // Syntax.
      {"state =", "FILTER_SYNTAX", "column 8: expected a value, but the filter ends here"},
      {"state = ACTIVE AND", "FILTER_SYNTAX", "column 19: expected a field or a word"},
      {"state == ACTIVE", "FILTER_SYNTAX", "column 8: expected a value and found '='"},
      {"(state = ACTIVE", "FILTER_SYNTAX", "column 16: expected AND, OR or ')'"},
      {"state = ACTIVE)", "FILTER_SYNTAX", "column 15: expected AND, OR or the end"},
      {"scopes.id:admin:org", "FILTER_SYNTAX", "quote a value that has one of"},
      {"a=1,b=2", "FILTER_SYNTAX", "conditions are joined with AND"},
      {"name = \"x", "FILTER_SYNTAX", "column 8: the string that starts here has no end"},
      {"name = \"\\q\"", "FILTER_SYNTAX", "column 9: unknown escape"},
      {"name = \"\\ud800\"", "FILTER_SYNTAX", "column 9: unknown escape"},
      {"!state = ACTIVE", "FILTER_SYNTAX", "column 1: a lone '!'"},
      {"- a", "FILTER_SYNTAX", "column 3: no white space after '-'"},
      {"state = (ACTIVE OR role = x)", "FILTER_SYNTAX", "column 25"},
      {"role = -x", "FILTER_SYNTAX", "column 8: expected a value; quote one that starts"},
      {"expire_time < now + 30d", "FILTER_SYNTAX", "write now+30d"},
      {"expire_time < now - 30d", "FILTER_SYNTAX", "write now+30d"},
      {"expire_time < now -30d", "FILTER_SYNTAX", "write now+30d"},
      {"f(x)", "FILTER_SYNTAX", "column 1: no function 'f'"},
      {"expire_time < time.now()", "FILTER_SYNTAX", "no function 'time.now'"},
      {"expire_time < timestamp(2026)", "FILTER_SYNTAX", "timestamp() needs one quoted value"},
      {"name = \xFF", "FILTER_SYNTAX", "column 8: the filter is not valid UTF-8"},
      {"\xE6\x97\xA5 )", "FILTER_SYNTAX", "column 3"},  // characters, not bytes
      // Names.
      {"nosuch = 1", "FILTER_UNKNOWN_FIELD", "column 1: no field 'nosuch'"},
      {"a AND expires = 1", "FILTER_UNKNOWN_FIELD",
       "column 7: no field 'expires'; did you mean expire_time?"},
      {"stat = ACTIVE", "FILTER_UNKNOWN_FIELD", "did you mean state?"},
      {"email = x", "FILTER_UNKNOWN_FIELD", "did you mean owner.email?"},
      {"displayName = x", "FILTER_UNKNOWN_FIELD", "did you mean display_name?"},
      {"owner.mail = x", "FILTER_UNKNOWN_FIELD",
       "column 7: no field 'mail' in owner; did you mean email?"},
      {"owner:ann", "FILTER_UNKNOWN_FIELD", "owner has the fields id, display_name, email, kind"},
      {"1 < revision", "FILTER_UNKNOWN_FIELD", "no field '1'"},
      {"scopes.0.id:x", "FILTER_UNKNOWN_FIELD", "a list has no index"},
      {"\u202estate = ACTIVE", "FILTER_UNKNOWN_FIELD", "'\\xe2\\x80\\xaestate'"},
      // Values.
      {"state = active", "FILTER_TYPE_MISMATCH",
       "column 9: state needs one of STATE_UNSPECIFIED, ACTIVE, EXPIRED, DISABLED, INVALID, "
       "REVOKED, not 'active'"},
      {"state > ACTIVE", "FILTER_TYPE_MISMATCH", "state has no order"},
      {"state = 1", "FILTER_TYPE_MISMATCH", "needs one of"},
      {"revision = seven", "FILTER_TYPE_MISMATCH", "revision needs a number, unquoted"},
      {"revision = \"7\"", "FILTER_TYPE_MISMATCH", "revision needs a number, unquoted"},
      {"revision = 9223372036854775808", "FILTER_TYPE_MISMATCH", "a number of 64 bits"},
      {"revision = 1e400", "FILTER_TYPE_MISMATCH", "a number"},
      {"revision = nan", "FILTER_TYPE_MISMATCH", "a number"},
      {"expire_time < soon", "FILTER_TYPE_MISMATCH", "expire_time needs a time such as"},
      {"expire_time < \"2026-02-30T00:00:00Z\"", "FILTER_TYPE_MISMATCH", "needs a time"},
      {"expire_time < \"2026-01-01 00:00:00\"", "FILTER_TYPE_MISMATCH", "needs a time"},
      {"expire_time < \"now\"", "FILTER_TYPE_MISMATCH", "needs a time"},
      {"expire_time < now+5", "FILTER_TYPE_MISMATCH", "needs a time"},
      {"expire_time < now+-5d", "FILTER_TYPE_MISMATCH", "needs a time"},
      {"expire_time < duration(\"5s\")", "FILTER_TYPE_MISMATCH", "needs a time"},
      {"expire_time = *", "FILTER_TYPE_MISMATCH", "needs a time"},
      {"inactivity_window = 20", "FILTER_TYPE_MISMATCH", "needs a duration such as 20s"},
      {"inactivity_window = 20y", "FILTER_TYPE_MISMATCH", "needs a duration"},
      {"scopes.everything:yes", "FILTER_TYPE_MISMATCH", "true or false"},
      {"scopes.id = prod", "FILTER_TYPE_MISMATCH", "write scopes.id:… for any"},
      {"scopes:prod", "FILTER_TYPE_MISMATCH", "scopes has the fields type, id"},
      {"permissions = x", "FILTER_TYPE_MISMATCH", "write permissions:… for any"},
      {"permissions.0 = x", "FILTER_TYPE_MISMATCH", "no index"},
      {"owner = ann", "FILTER_TYPE_MISMATCH", "owner is no single value"},
      {"attributes = x", "FILTER_TYPE_MISMATCH",
       "attributes is no single value: write attributes:key"},
      {"attributes.when < now", "FILTER_TYPE_MISMATCH", "no times"},
      {"expire_time.seconds > 1", "FILTER_TYPE_MISMATCH", "column 13: expire_time has no fields"},
      {"name = timestamp(\"2026-01-01T00:00:00Z\")", "FILTER_TYPE_MISMATCH", "name needs a string"},
  };
  for (const Case& one : cases) {
    Check(Filter::Compile(one.text, {}).status(), "filter", one);
  }
}

TEST(FilterErrorsTest, NowInAWatch) {
  FilterOptions watch;
  watch.allow_now = false;
  Check(Filter::Compile("state = ACTIVE AND expire_time < now+7d", watch).status(), "filter",
        {"", "FILTER_TYPE_MISMATCH",
         "column 34: no 'now' in a watch: time alone would move tokens in and out of the filter; "
         "give a fixed time, or use WatchExpirations"});
  EXPECT_TRUE(Filter::Compile("expire_time < 2026-01-01", watch).ok());
}

TEST(FilterErrorsTest, LittleIsQuoted) {
  const std::string secret(5000, 'x');
  for (const std::string& text :
       {secret + " = 1", "state = " + secret, "revision = " + secret, "owner." + secret + " = 1",
        "owner:" + secret, secret + "(", "a\n" + secret + "\n)", "name = x " + secret + "(y)"}) {
    const absl::Status status = Filter::Compile(text, {}).status();
    EXPECT_LT(status.message().size(), 400u);
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
  }
}

TEST(FilterErrorsTest, OrderBy) {
  const Case cases[] = {
      {"name,", "ORDER_BY_SYNTAX", "column 6: expected a field, but the text ends here"},
      {"name asc desc", "ORDER_BY_SYNTAX", "column 10: expected ',' or the end"},
      {"name up", "ORDER_BY_SYNTAX", "column 6: expected asc, desc or ','"},
      {"name DESC", "ORDER_BY_SYNTAX", "column 6: expected asc, desc or ','"},
      {"name, name desc", "ORDER_BY_SYNTAX", "column 7: 'name' is named twice"},
      {"-name", "ORDER_BY_SYNTAX", "column 1: expected a field"},
      {"nam", "ORDER_BY_UNKNOWN_FIELD", "did you mean name?"},
      {"uid, owner.mail", "ORDER_BY_UNKNOWN_FIELD", "column 12: no field 'mail' in owner"},
      {"owner", "ORDER_BY_NOT_SORTABLE", "order by one of its fields, such as owner.id"},
      {"scopes.id", "ORDER_BY_NOT_SORTABLE", "has no single value"},
      {"permissions", "ORDER_BY_NOT_SORTABLE", "has no single value"},
      {"attributes.region", "ORDER_BY_NOT_SORTABLE", "has no single value"},
      {"expire_time.seconds", "ORDER_BY_NOT_SORTABLE", "expire_time has no fields"},
      {std::string(3000, 'a'), "ORDER_BY_SYNTAX", "at most 2 KiB"},
      {"name,uid,source,provider,kind,hint,role,state,expiry", "ORDER_BY_SYNTAX",
       "at most 8 fields"},
  };
  for (const Case& one : cases) Check(OrderBy::Compile(one.text).status(), "order_by", one);
}

}  // namespace
}  // namespace tokeninventory
