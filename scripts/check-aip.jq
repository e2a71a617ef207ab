# A FileDescriptorSet (JSON) in, one line per problem out: those rules of Google's API linter that
# need no annotations, under the linter's own names. $exceptions: [{path, rule}], path null = all.

def prepositions: ["after","at","before","between","but","by","except","for","from","in","including",
  "into","of","over","since","to","toward","under","upon","with","within","without"];
def reserved: ["abstract","and","as","assert","async","await","bool","boolean","break","case","catch",
  "class","const","continue","def","default","del","delete","do","double","elif","else","enum","except",
  "export","extends","finally","float","for","from","function","global","if","import","in","instanceof",
  "int","interface","is","lambda","let","long","new","not","or","package","pass","private","protected",
  "public","raise","return","static","super","switch","this","throw","try","typeof","var","void",
  "while","with","yield"];
def abbreviations: ["configuration","identifier","information","specification","statistics"];

def words: ascii_downcase | split("_");
def has_word($list): words | any(. as $w | $list | index([$w]));
def is_repeated: .label == "LABEL_REPEATED";
def is_string: .type == "TYPE_STRING" and (is_repeated | not);
def field($name): [.field[]? | select(.name == $name)][0] // {};
def resource($verb): .name | ltrimstr($verb);

# Every message with its full name, nested ones included; not the entries of maps.
def messages($prefix): .[]? | ($prefix + "." + .name) as $full
  | select(.options.mapEntry | not) | (. + {full: $full}), (.nestedType | messages($full));

def field_problems:
  (select(.type | IN("TYPE_UINT32", "TYPE_UINT64", "TYPE_FIXED32", "TYPE_FIXED64"))
    | "core::0141::forbidden-types"),
  (select(.typeName == ".google.protobuf.Timestamp" and (.name | test("_times?$") | not))
    | "core::0142::time-field-names"),
  (select((.name | test("_time$")) and .typeName != ".google.protobuf.Timestamp")
    | "core::0142::time-field-type"),
  (select(.typeName == ".google.protobuf.Any") | "core::0146::any"),
  (select(.name | has_word(prepositions) and (IN("order_by", "group_by") | not))
    | "core::0140::prepositions"),
  (select(.name | IN(reserved[])) | "core::0140::reserved-words"),
  (select(.name | has_word(abbreviations)) | "core::0140::abbreviations"),
  (select(.name | has_word(["url", "urls"])) | "core::0140::uri"),
  (select(.name | test("_[0-9]")) | "core::0140::numbers"),
  (select((.name | endswith("_name")) and (.name | test("display_name$|^(given|family)_name$") | not))
    | "core::0122::name-suffix"),
  (select(.name == "unreachable" and (is_repeated and .type == "TYPE_STRING" | not))
    | "core::0217::unreachable-field-type"),
  (select(.name == "filter" and (is_string | not)) | "core::0160::filter-field-type");

def method_problems($messages):
  def message($type): [$messages[] | select("." + .full == $type)][0] // {};
  message(.inputType) as $in | message(.outputType) as $out
  | ($in.full // "" | split(".") | last) as $in_name | ($out.full // "" | split(".") | last) as $out_name
  | (select($in_name != .name + "Request") | "core::0136::request-message-name"),
  (if (.name | startswith("Get")) then
     (select($out_name != resource("Get")) | "core::0131::response-message-name"),
     (select($in | field("name") | is_string | not) | "core::0131::request-name-field")
   else
     (select($out_name != .name + "Response") | "core::0136::response-message-name")
   end),
  (select((.name | startswith("List")) and ($in | field("page_size").type != "TYPE_INT32"))
    | "core::0158::request-page-size-field"),
  (select((.name | startswith("List")) and ($in | field("page_token") | is_string | not))
    | "core::0158::request-page-token-field"),
  (select((.name | startswith("List")) and ($out | field("next_page_token") | is_string | not))
    | "core::0158::response-next-page-token-field"),
  (select((.name | startswith("List")) and ($out.field[0] // {} | is_repeated | not))
    | "core::0158::response-repeated-first-field"),
  (select((.name | startswith("BatchGet")) and ($in | field("names") | is_repeated | not))
    | "core::0231::request-names-field");

def enum_problems:
  (select((.value[0].name // "") | endswith("_UNSPECIFIED") | not) | "core::0126::unspecified"),
  (select(.name | endswith("Status")) | "core::0216::synonyms"),
  (select(any(.value[]; .name | has_word(abbreviations))) | "core::0140::abbreviations");

def file_problems:
  (select(.syntax != "proto3") | "core::0191::proto-version"),
  (select(.options.javaPackage | not) | "core::0191::java-package"),
  (select(.options.javaMultipleFiles | not) | "core::0191::java-multiple-files"),
  (select(.options.javaOuterClassname | not) | "core::0191::java-outer-classname");

[.file[] | . + {full: .name, messages: [(.package as $p | .messageType | messages($p))]}] as $files
| [$files[].messages[]] as $all
| if ($all | length) == 0 or ([$files[].service[]?] | length) == 0
  then "nothing to check: no message or no service found" else empty end,
  ($files[] | .name as $path
   | ((file_problems | {rule: ., at: $path}),
      (.messages[] | .full as $m | .field[]? | {rule: field_problems, at: ($m + "." + .name)}),
      (.messages[] | .full as $m | .enumType[]? | {rule: enum_problems, at: ($m + "." + .name)}),
      (.enumType[]? | {rule: enum_problems, at: .name}),
      (.service[]? | .name as $s | .method[]? | {rule: method_problems($all), at: ($s + "." + .name)}))
   | . as $problem
   | select(any($exceptions[]; .rule == $problem.rule and (.path == null or .path == $path)) | not)
   | "\($path): \(.at): \(.rule)")
