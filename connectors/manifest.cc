#include "connectors/manifest.h"

#include <algorithm>
#include <regex>
#include <set>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/yaml_proto.h"

namespace tokeninventory {
namespace {

using Kind = Placeholder::Kind;

constexpr absl::string_view kLower = "abcdefghijklmnopqrstuvwxyz";

bool IsName(absl::string_view text, absl::string_view more, std::size_t longest) {
  if (text.empty() || text.size() > longest || !absl::StrContains(kLower, text[0])) return false;
  return text.find_first_not_of(absl::StrCat(kLower, "0123456789", more)) ==
         absl::string_view::npos;
}

bool IsHeaderName(absl::string_view text) {
  return !text.empty() && text.size() <= 100 &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
             absl::string_view::npos;
}

bool HasControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

// `word` with neither a letter nor a digit nor `_` on either side.
bool HasWord(absl::string_view text, absl::string_view word) {
  const auto ends_word = [text](std::size_t at) {
    return at >= text.size() ||
           !(absl::ascii_isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_');
  };
  for (std::size_t at = text.find(word); at != absl::string_view::npos;
       at = text.find(word, at + 1)) {
    if ((at == 0 || ends_word(at - 1)) && ends_word(at + word.size())) return true;
  }
  return false;
}

// Checks one manifest and builds what runs it. Used for one call.
class Checker {
 public:
  Checker(CompiledManifest& manifest, const YamlLocations& locations, ManifestReport& report)
      : manifest_(manifest), spec_(manifest.spec), locations_(locations), report_(report) {}

  void Run() {
    CheckHead();
    CheckParams();
    CheckSecrets();
    CheckHeaders("headers", spec_.headers());
    CheckAuth();
    CheckLimits();
    if (!spec_.error().empty()) manifest_.error = AddProgram("error", spec_.error(), false);
    CheckStreams();
  }

  void CompilePrograms() {
    std::vector<JqProblem> problems;
    JqPrograms::Compile(manifest_.programs, {}, problems);
    for (const JqProblem& problem : problems) {
      const std::string& path =
          manifest_.programs.empty() ? spec_.vendor() : manifest_.programs[problem.program].name;
      report_.problems.push_back(
          locations_.DescribeLine(path, problem.line, absl::StrCat("jq: ", problem.what)));
    }
  }

 private:
  void Problem(absl::string_view path, absl::string_view what) {
    report_.problems.push_back(locations_.Describe(path, what));
  }

  void CheckHead() {
    if (!IsName(spec_.vendor(), "-", 63)) {
      Problem("vendor", "must be a name of a-z, 0-9 and -");
    }
    if (spec_.title().empty()) Problem("title", "missing");
    if (!spec_.docs().empty() && !IsHttp(spec_.docs())) Problem("docs", "must be a URL");
    if (spec_.base().empty()) {
      Problem("base", "missing: the URL that paths are appended to");
      return;
    }
    manifest_.base = ParseTemplate("base", spec_.base(), {Kind::kParam});
    if (!manifest_.base.BeginsWithPlaceholder() && !IsHttp(spec_.base())) {
      Problem("base", "must begin with https:// or with a ${param.…}");
    }
  }

  void CheckParams() {
    for (const v1::ManifestParam& param : spec_.params()) {
      const std::string path = absl::StrCat("params.", param.name());
      if (!IsName(param.name(), "_", 63)) Problem(path, "must be named by a-z, 0-9 and _");
      if (param.optional() && !param.default_().empty()) {
        Problem(path, "is optional and has a default; one of them says what happens when unset");
      }
      if (param.pattern().empty()) continue;
      try {
        const std::regex pattern(param.pattern());
        if (!param.default_().empty() && !std::regex_match(param.default_(), pattern)) {
          Problem(absl::StrCat(path, ".default"), "does not match the pattern");
        }
      } catch (const std::regex_error&) {
        Problem(absl::StrCat(path, ".pattern"), "not a regular expression (ECMAScript)");
      }
    }
  }

  void CheckSecrets() {
    for (const v1::ManifestSecret& secret : spec_.secrets()) {
      if (!IsName(secret.name(), "_", 63)) {
        Problem(absl::StrCat("secrets.", secret.name()), "must be named by a-z, 0-9 and _");
      }
    }
  }

  template <typename Map>
  void CheckHeaders(const std::string& path, const Map& headers) {
    for (const auto& [name, value] : headers) {
      const std::string child = absl::StrCat(path, ".", name);
      const std::string lower = absl::AsciiStrToLower(name);
      if (!IsHeaderName(name)) {
        Problem(child, "not a header name");
      } else if (lower == "authorization" || lower == "proxy-authorization" || lower == "cookie") {
        Problem(child, "credentials belong into `auth`");
      } else if (IsEnginesHeader(lower)) {
        Problem(child, "is set by the engine");
      }
      if (HasControl(value)) Problem(child, "has a line break or another control character");
      if (absl::StrContains(value, "${")) Problem(child, "headers are constant; see `auth`");
    }
  }

  static bool IsEnginesHeader(absl::string_view lower) {
    for (const absl::string_view name :
         {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}) {
      if (lower == name) return true;
    }
    return false;
  }

  void CheckAuth() {
    std::set<std::string> used;
    int index = 0;
    for (const v1::ManifestAuth& auth : spec_.auth()) {
      const std::string path = absl::StrCat("auth[", index++, "]");
      CompiledAuth& compiled = manifest_.auth.emplace_back();
      if (auth.headers().empty() && !auth.has_basic()) {
        Problem(path, "needs `headers` or `basic`");
      }
      for (const auto& [name, value] : auth.headers()) {
        const std::string child = absl::StrCat(path, ".headers.", name);
        if (!IsHeaderName(name)) Problem(child, "not a header name");
        if (IsEnginesHeader(absl::AsciiStrToLower(name))) Problem(child, "is set by the engine");
        if (HasControl(value)) Problem(child, "has a line break or another control character");
        compiled.headers.emplace_back(name,
                                      ParseTemplate(child, value, {Kind::kParam, Kind::kSecret}));
        NoteSecrets(compiled.headers.back().second, compiled);
      }
      std::sort(compiled.headers.begin(), compiled.headers.end(),
                [](const auto& a, const auto& b) { return a.first < b.first; });
      if (auth.has_basic()) {
        compiled.has_basic = true;
        compiled.basic_user = ParseTemplate(absl::StrCat(path, ".basic.user"), auth.basic().user(),
                                            {Kind::kParam, Kind::kSecret});
        compiled.basic_password =
            ParseTemplate(absl::StrCat(path, ".basic.password"), auth.basic().password(),
                          {Kind::kParam, Kind::kSecret});
        NoteSecrets(compiled.basic_user, compiled);
        NoteSecrets(compiled.basic_password, compiled);
      }
      used.insert(compiled.secrets.begin(), compiled.secrets.end());
    }
    for (const v1::ManifestSecret& secret : spec_.secrets()) {
      if (used.count(secret.name()) == 0) {
        Problem(absl::StrCat("secrets.", secret.name()), "is used by no `auth`");
      }
    }
  }

  static void NoteSecrets(const TextTemplate& text, CompiledAuth& auth) {
    for (const TextTemplate::Piece& piece : text.pieces()) {
      if (!piece.has_placeholder || piece.placeholder.kind != Kind::kSecret) continue;
      if (std::find(auth.secrets.begin(), auth.secrets.end(), piece.placeholder.name) ==
          auth.secrets.end()) {
        auth.secrets.push_back(piece.placeholder.name);
      }
    }
  }

  void CheckLimits() {
    const v1::ManifestLimits& limits = spec_.limits();
    if (limits.requests() < 0) Problem("limits.requests", "must not be negative");
    if (limits.has_per() && limits.requests() == 0) {
      Problem("limits.per", "says nothing without `requests`");
    }
    if (limits.has_per() && limits.per().seconds() <= 0 && limits.per().nanos() <= 0) {
      Problem("limits.per", "must be longer than 0 s");
    }
    int index = 0;
    for (const v1::RateLimitBucket& bucket : limits.buckets()) {
      const std::string path = absl::StrCat("limits.buckets[", index++, "]");
      if (!IsHeaderName(bucket.remaining())) {
        Problem(absl::StrCat(path, ".remaining"), "must be a header name");
      }
      if (!IsHeaderName(bucket.reset())) {
        Problem(absl::StrCat(path, ".reset"), "must be a header name");
      }
      if (bucket.unit() == v1::RateLimitBucket::UNIT_UNSPECIFIED) {
        Problem(absl::StrCat(path, ".unit"), "missing: SECONDS, EPOCH_SECONDS or EPOCH_MILLIS");
      }
    }
    if (limits.has_retry_after()) {
      if (!IsHeaderName(limits.retry_after().header())) {
        Problem("limits.retry_after.header", "must be a header name");
      }
      if (limits.retry_after().unit() == v1::RateLimitBucket::UNIT_UNSPECIFIED) {
        Problem("limits.retry_after.unit", "missing: SECONDS, EPOCH_SECONDS or EPOCH_MILLIS");
      }
    }
  }

  void CheckStreams() {
    if (spec_.streams().empty()) Problem("streams", "missing: there is nothing to list");
    bool any_token = false;
    for (const v1::ManifestStream& stream : spec_.streams()) {
      CompiledStream& compiled = manifest_.streams.emplace_back();
      compiled.spec = &stream;
      CheckStream(stream, compiled);
      any_token |= !stream.token().empty();
    }
    if (!spec_.streams().empty() && !any_token) Problem("streams", "none has a `token`");
    CheckOrder();
  }

  void CheckStream(const v1::ManifestStream& stream, CompiledStream& compiled) {
    const std::string path = absl::StrCat("streams.", stream.name());
    const auto at = [&path](absl::string_view key) { return absl::StrCat(path, ".", key); };
    if (!IsName(stream.name(), "_", 63)) Problem(path, "must be named by a-z, 0-9 and _");
    if (!stream.default_().empty() && stream.default_() != "on" && stream.default_() != "off") {
      Problem(at("default"), "must be `on` or `off`");
    }
    std::vector<Kind> sees = {Kind::kParam};
    if (!stream.for_each().empty()) sees.push_back(Kind::kParent);

    compiled.is_post = !stream.post().empty();
    if (stream.get().empty() == stream.post().empty()) {
      Problem(path, stream.get().empty() ? "needs `get` or `post`" : "has both `get` and `post`");
    } else {
      compiled.target = CheckTarget(at(compiled.is_post ? "post" : "get"),
                                    compiled.is_post ? stream.post() : stream.get(), sees);
    }
    compiled.query = CheckQuery(at("query"), stream.query(), sees);
    if (stream.has_json() && !compiled.is_post) Problem(at("json"), "only a `post` has a body");
    CheckJson(at("json"), stream.json(), sees);
    CheckHeaders(at("headers"), stream.headers());

    if (stream.records().empty()) {
      Problem(path, "needs `records`");
    } else {
      compiled.records = AddProgram(at("records"), stream.records(), false);
    }
    if (!stream.next().empty()) compiled.next = AddProgram(at("next"), stream.next(), false);
    if (!stream.total().empty()) compiled.total = AddProgram(at("total"), stream.total(), false);
    if (!stream.item().empty()) compiled.item = AddProgram(at("item"), stream.item(), true);
    if (!stream.token().empty()) compiled.token = AddProgram(at("token"), stream.token(), true);
    if (stream.item().empty() && stream.token().empty()) {
      Problem(path, "needs `token`, `item` or both");
    }
    if (stream.id_prefix().find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-") !=
            std::string::npos ||
        stream.id_prefix().size() > 32) {
      Problem(at("id_prefix"), "at most 32 of A-Z, a-z, 0-9 and ._~-");
    }
    NoteKeyMembers(compiled);
    if (stream.has_fetch()) CheckFetch(at("fetch"), stream, sees, compiled.fetch);
  }

  void CheckFetch(const std::string& path, const v1::ManifestStream& stream, std::vector<Kind> sees,
                  CompiledFetch& compiled) {
    const v1::ManifestFetch& fetch = stream.fetch();
    compiled.present = true;
    if (stream.token().empty()) Problem(path, "says nothing without `token`");
    if (fetch.get().empty()) {
      Problem(path, "needs `get`");
      return;
    }
    sees.push_back(Kind::kId);
    compiled.target = CheckTarget(absl::StrCat(path, ".get"), fetch.get(), sees);
    sees.push_back(Kind::kKnownId);
    compiled.query = CheckQuery(absl::StrCat(path, ".query"), fetch.query(), sees);
    CheckHeaders(absl::StrCat(path, ".headers"), fetch.headers());
    bool uses_id = Uses(compiled.target.text, Kind::kId);
    for (const auto& [name, text] : compiled.query) {
      uses_id |= Uses(text, Kind::kId);
      compiled.uses_known_id |= Uses(text, Kind::kKnownId);
    }
    if (!uses_id) Problem(path, "does not use ${id}");
    if (!fetch.records().empty()) {
      compiled.records = AddProgram(absl::StrCat(path, ".records"), fetch.records(), false);
    } else if (compiled.uses_known_id) {
      Problem(path, "needs `records`: an answer that shows two tokens is a list");
    }
  }

  static bool Uses(const TextTemplate& text, Kind kind) {
    return std::any_of(text.pieces().begin(), text.pieces().end(),
                       [kind](const TextTemplate::Piece& piece) {
                         return piece.has_placeholder && piece.placeholder.kind == kind;
                       });
  }

  static bool IsHttp(absl::string_view text) {
    return absl::StartsWith(text, "https://") || absl::StartsWith(text, "http://");
  }

  CompiledTarget CheckTarget(const std::string& path, const std::string& text,
                             const std::vector<Kind>& sees) {
    CompiledTarget target;
    target.text = ParseTemplate(path, text, sees);
    const bool whole_param = target.text.BeginsWithPlaceholder() &&
                             target.text.pieces().front().placeholder.kind == Kind::kParam;
    target.is_url = whole_param || IsHttp(text);
    if (!target.is_url && !absl::StartsWith(text, "/")) {
      Problem(path, "must begin with /, https:// or a ${param.…} that holds a URL");
    }
    if (target.is_url && !HostIsFixed(target.text)) {
      Problem(path, "a host cannot have a placeholder; a whole URL may come from ${param.…}");
    }
    for (const TextTemplate::Piece& piece : target.text.pieces()) {
      if (piece.text.find_first_of("?# \t\r\n") != std::string::npos) {
        Problem(path, "a path has no ?, # or white space; parameters belong into `query`");
        break;
      }
    }
    return target;
  }

  // What a vendor's answer may fill in stands behind the host: a value must not be
  // able to choose who gets the credential.
  static bool HostIsFixed(const TextTemplate& text) {
    const std::vector<TextTemplate::Piece>& pieces = text.pieces();
    if (text.BeginsWithPlaceholder()) {
      if (pieces.size() == 1) return true;
      return absl::StartsWith(pieces[1].text, "/") ||
             (pieces[1].text.empty() && !pieces[1].has_placeholder);
    }
    const std::string& front = pieces.front().text;
    const std::size_t host = front.find("://") + 3;
    return !pieces.front().has_placeholder || front.find('/', host) != std::string::npos;
  }

  template <typename Map>
  QueryTemplates CheckQuery(const std::string& path, const Map& query,
                            const std::vector<Kind>& sees) {
    QueryTemplates templates;
    for (const auto& [name, value] : query) {
      templates.emplace_back(name, ParseTemplate(absl::StrCat(path, ".", name), value, sees));
    }
    std::sort(templates.begin(), templates.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return templates;
  }

  void CheckJson(const std::string& path, const google::protobuf::Struct& json,
                 const std::vector<Kind>& sees) {
    for (const auto& [name, value] : json.fields()) {
      CheckJsonValue(absl::StrCat(path, ".", name), value, sees);
    }
  }

  void CheckJsonValue(const std::string& path, const google::protobuf::Value& value,
                      const std::vector<Kind>& sees) {
    if (value.has_string_value()) {
      ParseTemplate(path, value.string_value(), sees);
    } else if (value.has_struct_value()) {
      CheckJson(path, value.struct_value(), sees);
    } else if (value.has_list_value()) {
      for (int i = 0; i < value.list_value().values_size(); ++i) {
        CheckJsonValue(absl::StrCat(path, "[", i, "]"), value.list_value().values(i), sees);
      }
    }
  }

  // Parses a template that may use only some kinds of placeholders, and only
  // params and secrets that are declared.
  TextTemplate ParseTemplate(const std::string& path, const std::string& text,
                             const std::vector<Kind>& sees) {
    absl::StatusOr<TextTemplate> parsed = TextTemplate::Parse(text);
    if (!parsed.ok()) {
      Problem(path, parsed.status().message());
      return TextTemplate();
    }
    for (const TextTemplate::Piece& piece : parsed->pieces()) {
      if (!piece.has_placeholder) continue;
      const Placeholder& placeholder = piece.placeholder;
      if (std::find(sees.begin(), sees.end(), placeholder.kind) == sees.end()) {
        Problem(path,
                absl::StrCat(placeholder.Text(), " cannot be used here", Where(placeholder.kind)));
        continue;
      }
      if (placeholder.kind == Kind::kParam) {
        CheckDeclared(path, placeholder, spec_.params(), "params");
      }
      if (placeholder.kind == Kind::kSecret) {
        CheckDeclared(path, placeholder, spec_.secrets(), "secrets");
      }
    }
    return *std::move(parsed);
  }

  static absl::string_view Where(Kind kind) {
    switch (kind) {
      case Kind::kSecret:
        return ": secrets are for `auth` only";
      case Kind::kParent:
        return ": the stream has no `for_each`";
      case Kind::kId:
      case Kind::kKnownId:
        return ": it is for `fetch`";
      case Kind::kParam:
        return "";
    }
    return "";
  }

  template <typename List>
  void CheckDeclared(const std::string& path, const Placeholder& placeholder, const List& declared,
                     absl::string_view list_name) {
    std::vector<std::string> names;
    for (const auto& one : declared) {
      if (one.name() == placeholder.name) return;
      names.push_back(one.name());
    }
    const std::string nearest = NearestName(placeholder.name, names);
    Problem(path,
            absl::StrCat(placeholder.Text(), " is not among `", list_name, "`",
                         nearest.empty() ? "" : absl::StrCat("; did you mean `", nearest, "`?")));
  }

  void NoteKeyMembers(CompiledStream& compiled) {
    const auto note = [&compiled](const TextTemplate& text) {
      for (const TextTemplate::Piece& piece : text.pieces()) {
        if (!piece.has_placeholder || piece.placeholder.kind != Kind::kParent) continue;
        std::vector<std::string>& members = compiled.key_members;
        if (std::find(members.begin(), members.end(), piece.placeholder.name) == members.end()) {
          members.push_back(piece.placeholder.name);
        }
      }
    };
    note(compiled.target.text);
    for (const auto& [name, text] : compiled.query) note(text);
    NoteJsonMembers(compiled.spec->json(), note);
    if (!compiled.spec->for_each().empty() && compiled.key_members.empty()) {
      Problem(absl::StrCat("streams.", compiled.spec->name()),
              "has `for_each`, but its request uses no ${parent.…}: all listings would be one");
    }
  }

  template <typename Note>
  static void NoteJsonMembers(const google::protobuf::Struct& json, const Note& note) {
    for (const auto& [name, value] : json.fields()) {
      if (value.has_string_value()) {
        if (const auto parsed = TextTemplate::Parse(value.string_value()); parsed.ok()) {
          note(*parsed);
        }
      } else if (value.has_struct_value()) {
        NoteJsonMembers(value.struct_value(), note);
      }
    }
  }

  // Parents: known, with an item, no cycle, listed before their children.
  void CheckOrder() {
    std::vector<std::string> names;
    for (const v1::ManifestStream& stream : spec_.streams()) names.push_back(stream.name());
    for (std::size_t i = 0; i < manifest_.streams.size(); ++i) {
      const v1::ManifestStream& stream = *manifest_.streams[i].spec;
      if (stream.for_each().empty()) continue;
      const std::string path = absl::StrCat("streams.", stream.name(), ".for_each");
      const int parent = manifest_.FindStream(stream.for_each());
      if (parent < 0) {
        const std::string nearest = NearestName(stream.for_each(), names);
        Problem(path, nearest.empty()
                          ? std::string("there is no such stream")
                          : absl::StrCat("there is no such stream; did you mean `", nearest, "`?"));
        continue;
      }
      manifest_.streams[i].parent = parent;
      std::vector<std::string>& needed =
          manifest_.streams[static_cast<std::size_t>(parent)].needed_members;
      needed.insert(needed.end(), manifest_.streams[i].key_members.begin(),
                    manifest_.streams[i].key_members.end());
      const v1::ManifestStream& parent_spec = spec_.streams(parent);
      if (parent_spec.item().empty()) {
        Problem(path, absl::StrCat("`", parent_spec.name(), "` has no `item`"));
      }
      if (InCycle(stream)) {
        Problem(path, "the streams are each other's parents");
      } else if (static_cast<std::size_t>(parent) >= i) {
        Problem(path, absl::StrCat("`", parent_spec.name(), "` must stand before this stream"));
      }
      if (parent_spec.default_() == "off" && stream.default_() != "off") {
        Problem(path, absl::StrCat("`", parent_spec.name(), "` is off by default, this is not"));
      }
    }
  }

  bool InCycle(const v1::ManifestStream& stream) const {
    int at = manifest_.FindStream(stream.for_each());
    for (int steps = 0; at >= 0 && steps <= spec_.streams_size(); ++steps) {
      const v1::ManifestStream& up = spec_.streams(at);
      if (up.name() == stream.name()) return true;
      at = up.for_each().empty() ? -1 : manifest_.FindStream(up.for_each());
    }
    return false;
  }

  int AddProgram(const std::string& path, const std::string& text, bool each_row) {
    if (locations_.HasCommentBehind(path)) {
      report_.warnings.push_back(locations_.Describe(
          path,
          "YAML ends this text at ` #`; write programs that have one in quotes or a | block"));
    }
    if (absl::StripAsciiWhitespace(text).empty()) {
      Problem(path, "an empty program");
      return kNoProgram;
    }
    manifest_.programs.push_back({path, text, each_row});
    return static_cast<int>(manifest_.programs.size()) - 1;
  }

  CompiledManifest& manifest_;
  const v1::Manifest& spec_;
  const YamlLocations& locations_;
  ManifestReport& report_;
};

ManifestReport Read(absl::string_view file, absl::string_view text, bool compile) {
  ManifestReport report;
  auto manifest = std::make_shared<CompiledManifest>();
  manifest->file = std::string(file);
  manifest->text = std::string(text);
  YamlReport yaml = ReadYaml(file, text, manifest->spec);
  report.problems = std::move(yaml.problems);
  if (!yaml.is_yaml) return report;
  Checker checker(*manifest, yaml.locations, report);
  checker.Run();
  if (compile) checker.CompilePrograms();
  if (report.ok()) report.manifest = std::move(manifest);
  return report;
}

}  // namespace

int CompiledManifest::FindStream(absl::string_view name) const {
  for (int i = 0; i < spec.streams_size(); ++i) {
    if (spec.streams(i).name() == name) return i;
  }
  return -1;
}

bool CompiledManifest::ReadsHeader(absl::string_view name) const {
  return std::any_of(programs.begin(), programs.end(), [name](const JqSource& program) {
    if (program.each_row) return false;
    return (HasWord(program.text, "headers") && HasWord(program.text, name)) ||
           (name == "link" && HasWord(program.text, "links"));
  });
}

std::unique_ptr<JqPrograms> CompiledManifest::NewPrograms(JqPrograms::Options options) const {
  std::vector<JqProblem> problems;
  return JqPrograms::Compile(programs, options, problems);
}

ManifestReport LoadManifest(absl::string_view file, absl::string_view text) {
  return Read(file, text, /*compile=*/true);
}

ManifestReport ReadCheckedManifest(absl::string_view file, absl::string_view text) {
  return Read(file, text, /*compile=*/false);
}

}  // namespace tokeninventory
