#include "connectors/page_request.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "google/protobuf/struct.pb.h"

namespace tokeninventory {
namespace {

absl::Status Unusable(const Placeholder& placeholder, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(placeholder.Text(), ": ", why));
}

absl::StatusOr<std::string> RenderTarget(const CompiledManifest& manifest,
                                         const CompiledTarget& target,
                                         const TemplateValues& values) {
  std::string url;
  if (!target.is_url) {
    TI_ASSIGN_OR_RETURN(url, manifest.base.Render([&](const Placeholder& placeholder) {
      return ValueOf(placeholder, values);
    }));
    while (absl::EndsWith(url, "/")) url.pop_back();
  }
  bool first = target.is_url && target.text.BeginsWithPlaceholder();
  TI_ASSIGN_OR_RETURN(
      const std::string rest,
      target.text.Render([&](const Placeholder& placeholder) -> absl::StatusOr<std::string> {
        TI_ASSIGN_OR_RETURN(std::string value, ValueOf(placeholder, values));
        if (std::exchange(first, false)) {
          while (absl::EndsWith(value, "/")) value.pop_back();
          return value;
        }
        absl::StatusOr<std::string> segment = EncodePathSegment(value);
        if (!segment.ok()) return Unusable(placeholder, segment.status().message());
        return segment;
      }));
  return url + rest;
}

absl::StatusOr<JsonValue> RenderQuery(const QueryTemplates& query, const TemplateValues& values) {
  JsonValue rendered = JsonValue::Object();
  for (const auto& [name, text] : query) {
    TI_ASSIGN_OR_RETURN(const std::string value, text.Render([&](const Placeholder& placeholder) {
      return ValueOf(placeholder, values);
    }));
    rendered.Set(name, JsonValue::String(value));
  }
  return rendered;
}

absl::StatusOr<JsonValue> RenderJson(const google::protobuf::Struct& json,
                                     const TemplateValues& values);

absl::StatusOr<JsonValue> RenderJsonValue(const google::protobuf::Value& json,
                                          const TemplateValues& values) {
  switch (json.kind_case()) {
    case google::protobuf::Value::kBoolValue:
      return JsonValue::Bool(json.bool_value());
    case google::protobuf::Value::kNumberValue:
      return JsonValue::Number(json.number_value());
    case google::protobuf::Value::kStringValue: {
      TI_ASSIGN_OR_RETURN(const TextTemplate text, TextTemplate::Parse(json.string_value()));
      TI_ASSIGN_OR_RETURN(const std::string value, text.Render([&](const Placeholder& placeholder) {
        return ValueOf(placeholder, values);
      }));
      return JsonValue::String(value);
    }
    case google::protobuf::Value::kStructValue:
      return RenderJson(json.struct_value(), values);
    case google::protobuf::Value::kListValue: {
      JsonValue list = JsonValue::Array();
      for (const google::protobuf::Value& element : json.list_value().values()) {
        TI_ASSIGN_OR_RETURN(JsonValue rendered, RenderJsonValue(element, values));
        list.Append(std::move(rendered));
      }
      return list;
    }
    default:
      return JsonValue();
  }
}

absl::StatusOr<JsonValue> RenderJson(const google::protobuf::Struct& json,
                                     const TemplateValues& values) {
  JsonValue object = JsonValue::Object();
  for (const auto& [name, value] : json.fields()) {
    TI_ASSIGN_OR_RETURN(JsonValue rendered, RenderJsonValue(value, values));
    object.Set(name, std::move(rendered));
  }
  return object;
}

template <typename Map>
void AddHeaders(const Map& headers, PageRequest& request) {
  for (const auto& [name, value] : headers) {
    const auto same = [&name = name](const auto& header) { return header.first == name; };
    request.headers.erase(std::remove_if(request.headers.begin(), request.headers.end(), same),
                          request.headers.end());
    request.headers.emplace_back(name, value);
  }
}

// A query parameter's text.
absl::StatusOr<std::string> ParameterText(const JsonValue& value) {
  switch (value.kind()) {
    case JsonValue::Kind::kString:
      return std::string(value.string_value());
    case JsonValue::Kind::kBool:
      return std::string(value.bool_value() ? "true" : "false");
    case JsonValue::Kind::kNumber: {
      const double number = value.number_value();
      if (std::floor(number) != number || std::abs(number) >= 9007199254740992.0) {
        return absl::InvalidArgumentError("a number that is not a whole one");
      }
      return absl::StrCat(static_cast<std::int64_t>(number));
    }
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("expected text or number, got ", value.kind_name()));
  }
}

absl::StatusOr<PageRequest> NewRequest(const CompiledManifest& manifest,
                                       const CompiledTarget& target, const QueryTemplates& query,
                                       const TemplateValues& values) {
  PageRequest request;
  TI_ASSIGN_OR_RETURN(const std::string url, RenderTarget(manifest, target, values));
  TI_ASSIGN_OR_RETURN(request.url, ParseUrl(url));
  TI_ASSIGN_OR_RETURN(request.query, RenderQuery(query, values));
  request.headers.emplace_back("Accept", "application/json");
  AddHeaders(manifest.spec.headers(), request);
  return request;
}

}  // namespace

absl::StatusOr<std::string> ValueOf(const Placeholder& placeholder, const TemplateValues& values) {
  switch (placeholder.kind) {
    case Placeholder::Kind::kParam:
    case Placeholder::Kind::kParent: {
      const JsonValue& from =
          placeholder.kind == Placeholder::Kind::kParam ? values.param : values.parent;
      const JsonValue value = from.Get(placeholder.name);
      if (!value.is_string()) return Unusable(placeholder, "is not set");
      return std::string(value.string_value());
    }
    case Placeholder::Kind::kId:
      if (values.id.empty()) return Unusable(placeholder, "is not set");
      return values.id;
    case Placeholder::Kind::kKnownId:
      if (values.known_id.empty()) return Unusable(placeholder, "is not set");
      return values.known_id;
    case Placeholder::Kind::kSecret:
      break;
  }
  return Unusable(placeholder, "cannot be used here");
}

JsonValue PageRequest::ToJson() const {
  JsonValue value = JsonValue::Object();
  value.Set("method", JsonValue::String(is_post ? "POST" : "GET"));
  value.Set("url", JsonValue::String(url.Text()));
  value.Set("query", query);
  value.Set("json", json);
  return value;
}

absl::StatusOr<HttpRequest> PageRequest::ToHttp() const {
  HttpRequest request;
  request.is_post = is_post;
  request.url = url;
  request.headers = headers;
  std::vector<std::pair<std::string, std::string>> parameters;
  absl::Status status;
  query.ForEachMember([&](absl::string_view name, const JsonValue& value) {
    if (value.is_null()) return true;
    absl::StatusOr<std::string> text = ParameterText(value);
    if (!text.ok()) {
      status = absl::InvalidArgumentError(
          absl::StrCat("query parameter ", name, ": ", text.status().message()));
      return false;
    }
    parameters.emplace_back(std::string(name), *std::move(text));
    return true;
  });
  TI_RETURN_IF_ERROR(status);
  // jq's objects have no order; a request should have one.
  std::sort(parameters.begin(), parameters.end());
  const std::string added = EncodeQuery(parameters);
  if (!added.empty()) {
    request.url.query =
        request.url.query.empty() ? added : absl::StrCat(request.url.query, "&", added);
  }
  if (is_post && !json.is_null()) request.body = json.Dump();
  return request;
}

absl::StatusOr<PageRequest> FirstRequest(const CompiledManifest& manifest,
                                         const CompiledStream& stream,
                                         const TemplateValues& values) {
  TI_ASSIGN_OR_RETURN(PageRequest request,
                      NewRequest(manifest, stream.target, stream.query, values));
  request.is_post = stream.is_post;
  if (stream.spec->has_json()) {
    TI_ASSIGN_OR_RETURN(request.json, RenderJson(stream.spec->json(), values));
  }
  AddHeaders(stream.spec->headers(), request);
  return request;
}

absl::StatusOr<PageRequest> FetchRequest(const CompiledManifest& manifest,
                                         const CompiledStream& stream,
                                         const TemplateValues& values) {
  TI_ASSIGN_OR_RETURN(PageRequest request,
                      NewRequest(manifest, stream.fetch.target, stream.fetch.query, values));
  AddHeaders(stream.spec->fetch().headers(), request);
  return request;
}

absl::StatusOr<PageRequest> NextRequest(const PageRequest& current, const JsonValue& next) {
  PageRequest request = current;
  const JsonValue method = next.Get("method");
  if (!method.is_string() || method.string_value() != (current.is_post ? "POST" : "GET")) {
    return absl::InvalidArgumentError("the next request has another method");
  }
  const JsonValue url = next.Get("url");
  if (!url.is_string()) return absl::InvalidArgumentError("the next request has no URL");
  TI_ASSIGN_OR_RETURN(request.url, ResolveUrl(current.url, url.string_value()));
  if (!SameOrigin(request.url, current.url)) {
    return absl::InvalidArgumentError("the next page is at another host, scheme or port");
  }
  request.query = next.Get("query");
  if (!request.query.is_object()) {
    return absl::InvalidArgumentError("the next request's query is no object");
  }
  request.json = next.Get("json");
  if (!request.json.is_null() && !current.is_post) {
    return absl::InvalidArgumentError("the next request has a body");
  }
  return request;
}

absl::StatusOr<std::string> ScopeKey(const CompiledStream& stream, const JsonValue& parent) {
  std::string key;
  for (const std::string& member : stream.key_members) {
    const JsonValue value = parent.Get(member);
    if (!value.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat("${parent.", member, "}: is not set"));
    }
    absl::StrAppend(&key, key.empty() ? "" : ",", member, "=");
    // Two items never make the same key.
    for (const char c : value.string_value()) {
      if (c == ',' || c == '=' || c == '%' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        key += PercentEncode(absl::string_view(&c, 1));
      } else {
        key += c;
      }
    }
  }
  return key;
}

}  // namespace tokeninventory
