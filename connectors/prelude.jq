# What every program of a manifest finds defined. Comes before each of them, so
# `import` and `include` are syntax errors. Errors of the functions here name
# types only; they are marked (\u0001) so that the engine shows them as they are.
# ---- shut: what reaches outside the page, loses a record without a word, or can abort the process ----
def _raise: error;
def _fail: "\u0001" + . | _raise;
def error: (if type == "string" then "\u0002" + . else "\u0001error without text" end) | _raise;
def error(f): f | error;
def env: {}; def debug: .; def debug(f): .; def stderr: .; def input_filename: null; def input_line_number: 0; def get_search_list: [];
def input: "input is not available" | _fail; def inputs: input; def modulemeta: "modulemeta is not available" | _fail;
def halt: "halt is not available" | _fail; def halt_error: halt; def halt_error($c): halt;
def _clock: "programs see no clock" | _fail;
def now: _clock; def localtime: _clock; def strflocaltime(f): _clock;
def _dates: "use rfc3339, unix_s, … for times" | _fail;
def todate: _dates; def fromdate: _dates; def date: _dates; def gmtime: _dates; def mktime: _dates;
def strptime(f): _dates; def strftime(f): _dates; def dateadd(u; n): _dates; def datesub(u; n): _dates;
def todateiso8601: _dates; def fromdateiso8601: _dates; def dateiso8601: _dates;
# jq's own lose memory for what is not text.
def _ltrimstr($x): ltrimstr($x); def ltrimstr($x): if type == "string" and ($x | type) == "string" then _ltrimstr($x) else . end;
def _rtrimstr($x): rtrimstr($x); def rtrimstr($x): if type == "string" and ($x | type) == "string" then _rtrimstr($x) else . end;
# ---- strict readers: a missing or retyped field is an error, never the end of a list ----
def bool: if type == "boolean" then . else "expected a boolean, got \(type)" | _fail end;
def num: if type == "number" then . elif type == "string" and test("^-?[0-9]{1,15}$") then tonumber else "expected a number, got \(type)" | _fail end;
def list: if type == "array" then . else "expected an array, got \(type)" | _fail end;
def text: if type == "string" and . != "" then . elif . == null or . == "" then null elif type == "boolean" then tostring
  elif type != "number" then "expected text, got \(type)" | _fail
  elif floor == . and (if . < 0 then -. else . end) < 9007199254740992 then tostring else "a number that jq cannot hold exactly" | _fail end;
# ---- times: null and "" (for numbers 0, for texts year 1) mean absent; the engine reads the rest: RFC 3339 as it is, other forms tagged ----
def _time_text(tag): if type == "string" then (if . == "" or startswith("0001-01-01") then null else tag end)
  elif . == null then null else "expected a time string, got \(type)" | _fail end;
# Most are texts behind year 1, or null: the short ways cost half. Whether a value is true costs least to ask.
def rfc3339: if . then if type == "string" and . >= "0001-01-02" then . else _time_text(.) end
  elif . == null then null else _time_text(.) end;
def utc_date: _time_text({utc_date: .});
def rfc2822: _time_text({rfc2822: .});
def unix_s: if . == null or . == "" or . == 0 then null else {unix_s: num} end;
def unix_ms: if . == null or . == "" or . == 0 then null else {unix_ms: num} end;
def days: if . == null then null else {seconds: (num * 86400)} end;
def iso_duration: if . == null or . == "" then null elif type == "string" then {iso_duration: .} else "expected a duration, got \(type)" | _fail end;
# ---- pieces of a Token ----
def _expires: {expiry: "AT", expireTime: .};
def expires(t): t | if . then _expires elif . == null then {expiry: "NEVER"} else _expires end;
def _last_used: {lastUse: "USED", lastUsedTime: .};
def last_used(t): t | if . then _last_used elif . == null then {lastUse: "NEVER_USED"} else _last_used end;
# (key; conversion): a missing key means "not told", null means never. (value): for vendors that leave the key out to say never.
def expires(k; conv): if has(k) then expires(.[k] | conv) else {} end;
def last_used(k; conv): if has(k) then last_used(.[k] | conv) else {} end;
def one_of($table): if type == "string" then $table[.] else null end;      # unknown stays unset; keep the vendor's word beside it
def full_name(a; b): [a, b] | if length == 2 and (.[0] | type) == "string" and (.[1] | type) == "string" and .[0] != "" and .[1] != "" then .[0] + " " + .[1]
  else map(select(. != null and . != "")) | join(" ") end;
def user(id; name; email): if . == null then null else
  {id: (id | text), displayName: name, email: email, kind: "USER"} | if .id // .displayName // .email then . else null end end;
def words: if . == null then null else split(" ") | map(select(. != "")) end;
def everything: [{everything: true}];
def https: if type == "string" and startswith("http:") then "https:" + .[5:] else . end;
# ---- the next request ----
def follow(u): u as $u | if $u == null or $u == "" then null else .request | .url = $u | .query = {} end;
def cursor($name; c): c as $c | if $c == null or $c == "" then null else .request | .query[$name] = $c end;
def next_page($name): .request | .query[$name] = (.query[$name] | num) + 1;
