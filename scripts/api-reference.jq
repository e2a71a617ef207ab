# A FileDescriptorSet (JSON, with comments) in, docs/api.md out: services first, then messages and
# enums, those of one proto file under one heading.

# In the order in which one reads them. What no client sees is left out: files that operators write
# (config, manifest) and the inside of opaque tokens.
def chapters: [
  ["tokeninventory/v1/token_inventory.proto", "Requests and answers of TokenInventory"],
  ["tokeninventory/v1/sources.proto", "Requests and answers of Sources"],
  ["tokeninventory/v1/token.proto", "Tokens"],
  ["tokeninventory/v1/expiration.proto", "Notices"],
  ["tokeninventory/v1/source.proto", "Sources and their state"],
  ["tokeninventory/v1/watch.proto", "Streams"],
  ["google/rpc/error_details.proto", "Errors"]];
def left_out: ["tokeninventory/v1/config.proto", "tokeninventory/v1/manifest.proto",
  "tokeninventory/v1/tokenctl_config.proto", "tokeninventory/internal/v1/page_worker.proto",
  "tokeninventory/internal/v1/cursor.proto"];

def anchor: ascii_downcase | gsub("[^a-z0-9_-]"; "");
def link: "[\(.)](#\(anchor))";

# --- the model: one object per service, message and enum, with its comment ------------------------

def comments: [.sourceCodeInfo.location[]
  | {key: ((.path // []) | map(tostring) | join(".")), value: (.leadingComments // "")}] | from_entries;
def indexed: (. // []) | to_entries[] | .value + {at: .key};

def enums($c; $path; $prefix): indexed
  | ($path + "." + (.at | tostring)) as $p
  | {sort: "enum", name: ($prefix + .name), comment: $c[$p],
     rows: [.value | indexed | {name, number: (.number // 0), comment: $c["\($p).2.\(.at)"]}]};

def messages($c; $path; $prefix): indexed | select(.options.mapEntry | not)
  | ($path + "." + (.at | tostring)) as $p | . as $message
  | {sort: "message", name: ($prefix + .name), comment: $c[$p],
     oneofs: [.oneofDecl | indexed | {name, comment: $c["\($p).8.\(.at)"]}],
     rows: [.field | indexed
       | . + {comment: $c["\($p).2.\(.at)"],
              oneof: (if .oneofIndex != null and (.proto3Optional | not)
                      then $message.oneofDecl[.oneofIndex].name else null end),
              entry: ((.typeName // "") as $type | [$message.nestedType[]? | select(.options.mapEntry)
                      | select("." + $message.name + "." + .name | . as $suffix | $type | endswith($suffix))][0])}]},
    (.nestedType | messages($c; $p + ".3"; $prefix + $message.name + ".")),
    (.enumType | enums($c; $p + ".4"; $prefix + $message.name + "."));

def model: comments as $c
  | {file: .name, comment: $c["12"],
     services: [.service | indexed | .at as $at
       | {name, comment: $c["6.\($at)"],
          methods: [.method | indexed | . + {comment: $c["6.\($at).2.\(.at)"]}]}],
     types: ([.messageType | messages($c; "4"; "")] + [.enumType | enums($c; "5"; "")])};

# --- the text -------------------------------------------------------------------------------------

# Names of messages and methods that stand in a comment become links; what is in backticks stays.
def prose($names; $self): split("`") | to_entries
  | map(if .key % 2 == 1 then .value else
      .value | gsub("<"; "&lt;")
      | gsub("(?<![A-Za-z.])(?<p>(Sources|TokenInventory)\\.)?(?<n>([A-Z][a-z]+){2,})(?![A-Za-z]|\\.[A-Za-z])";
             if .n != $self and $names[.n] then "[\(.p // "")\(.n)](#\(.n | anchor))" else "\(.p // "")\(.n)" end)
    end) | join("`");
def paragraph($names; $self): (. // "") | gsub("(?m)^ "; "") | sub("\\s+$"; "") | prose($names; $self);
def cell($names; $self): paragraph($names; $self)
  | gsub("\n\n+"; "<br><br>") | gsub("\n"; " ") | gsub("\\|"; "\\|");

def well_known: ltrimstr(".google.protobuf.")
  | "[\(.)](https://protobuf.dev/reference/protobuf/google.protobuf/#\(
      gsub("(?<h>[a-z])(?<u>[A-Z])"; "\(.h)-\(.u)") | ascii_downcase))";
def type: if .typeName == null then "`\(.type | ltrimstr("TYPE_") | ascii_downcase)`"
  elif .typeName | startswith(".google.protobuf.") then .typeName | well_known
  else .typeName | sub("^\\.(tokeninventory\\.v1|google\\.rpc)\\."; "") | link end;
def full_type: if .entry then "map of \(.entry.field[0] | type) to \(.entry.field[1] | type)"
  elif .label == "LABEL_REPEATED" then "repeated " + type else type end
  + if .oneof then "<br>one of `\(.oneof)`" else "" end;

def service($names): .name as $service | "## \(.name)\n\n\(.comment | paragraph($names; $service))\n\n"
  + ([.methods[] | "### \(.name)\n\n"
      + "\(.inputType | {typeName: .} | type) → "
      + "\(if .serverStreaming then "stream of " else "" end)\(.outputType | {typeName: .} | type)\n\n"
      + "\(.name as $self | .comment | paragraph($names; $self))\n"] | join("\n"));

def fields($names): .name as $self | if .rows == [] then "" else
  "\n| # | field | type | meaning |\n|---|---|---|---|\n"
  + ([.rows[] | "| \(.number) | `\(.name)` | \(full_type) | \(.comment | cell($names; $self)) |\n"] | join(""))
  + ([.oneofs[] | select(.comment // "" != "")
      | "\n`\(.name)`: \(.comment | paragraph($names; $self))\n"] | join("")) end;
def values($names): .name as $self | "\n| # | value | meaning |\n|---|---|---|\n"
  + ([.rows[] | "| \(.number) | `\(.name)` | \(.comment | cell($names; $self)) |\n"] | join(""));

def described($names): .name as $self | "### \(.name)\n\n"
  + (if .sort == "enum" then "Enum. " else "" end)
  + "\(.comment | paragraph($names; $self))\n"
  + (if .sort == "enum" then values($names) else fields($names) end);

[.file[] | select(.name | startswith("google/protobuf/") | not)] as $all
| (chapters | map(.[0])) as $shown
| ($all | map(.name) - $shown - left_out) as $forgotten
| if $forgotten != [] then error("neither shown nor left out: \($forgotten)") else . end
| [chapters[] | . as [$name, $title] | $all[] | select(.name == $name) | model + {$title}] as $files
| ([$files[].services[] | .name, .methods[].name] + [$files[].types[].name]) as $headings
| ($headings + [chapters[][1] | gsub(" "; "-")] | group_by(anchor) | map(select(length > 1))) as $twins
| if $twins != [] then error("the same anchor: \($twins)") else . end
| ($headings | map({key: ., value: true}) | from_entries) as $names
| "# API reference\n\n"
  + "Of gRPC package `tokeninventory.v1`, made from the comments in [`proto/`](../proto) by `scripts/api-reference`.\n"
  + "What expires is told in [expirations.md](expirations.md), how to filter in [filter.md](filter.md); small clients in\n"
  + "five languages are in [`examples/`](../examples).\n\n"
  + "| service | methods |\n|---|---|\n"
  + ([$files[].services[] | "| \(.name | link) | \([.methods[].name | link] | join(" · ")) |\n"] | join(""))
  + "\n| types | |\n|---|---|\n"
  + ([$files[] | "| [\(.title)](#\(.title | gsub(" "; "-") | anchor)) | \(
      [.types[] | select(.name | contains(".") | not) | .name | link] | join(" · ")) |\n"] | join(""))
  + "\n" + ([$files[].services[] | service($names)] | join("\n"))
  + ([$files[] | "\n## \(.title)\n\n\(.comment | paragraph($names; ""))\n\n"
      + ([.types[] | described($names)] | join("\n"))] | join(""))
