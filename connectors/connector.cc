#include "connectors/connector.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "connectors/connector_pass.h"
#include "connectors/page_request.h"

namespace tokeninventory {

Connector::Connector(ConnectorSpec spec, std::shared_ptr<HttpClient> http,
                     std::shared_ptr<PageWorkers> workers, Clock* clock,
                     std::shared_ptr<RequestBudget> budget, std::shared_ptr<VendorAccount> account)
    : spec_(std::move(spec)),
      http_(std::move(http)),
      workers_(std::move(workers)),
      clock_(clock),
      vendor_(http_.get(), clock, std::move(budget), std::move(account),
              {spec_.insecure_http, spec_.retry}),
      param_(JsonValue::Object()) {
  for (const v1::ManifestParam& param : spec_.manifest->spec.params()) {
    const auto value = spec_.params.find(param.name());
    param_.Set(param.name(),
               value == spec_.params.end() ? JsonValue() : JsonValue::String(value->second));
  }
}

Connector::~Connector() = default;

absl::StatusOr<SecretHeaders> Connector::SignIn() const {
  SecretHeaders headers;
  if (spec_.auth < 0) return headers;
  const CompiledAuth& auth = spec_.manifest->auth[static_cast<std::size_t>(spec_.auth)];
  std::map<std::string, SecretString> secrets;
  for (const std::string& name : auth.secrets) {
    const auto source = spec_.secrets.find(name);
    if (source == spec_.secrets.end()) {
      return absl::FailedPreconditionError(absl::StrCat("secret ", name, " is not configured"));
    }
    TI_ASSIGN_OR_RETURN(secrets[name], source->second.Read());
  }
  TemplateValues values;
  values.param = param_;
  const auto value = [&](const Placeholder& placeholder) -> absl::StatusOr<std::string> {
    if (placeholder.kind == Placeholder::Kind::kSecret) {
      return std::string(secrets[placeholder.name].Reveal());
    }
    return ValueOf(placeholder, values);
  };
  for (const auto& [name, text] : auth.headers) {
    TI_ASSIGN_OR_RETURN(std::string rendered, text.Render(value));
    headers.emplace_back(name, SecretString(std::move(rendered)));
  }
  if (auth.has_basic) {
    TI_ASSIGN_OR_RETURN(const std::string user, auth.basic_user.Render(value));
    TI_ASSIGN_OR_RETURN(std::string password, auth.basic_password.Render(value));
    const SecretString wiped(password);
    std::string encoded;
    absl::Base64Escape(absl::StrCat(user, ":", wiped.Reveal()), &encoded);
    headers.emplace_back("Authorization", SecretString(absl::StrCat("Basic ", encoded)));
  }
  return headers;
}

std::string Connector::CredentialAdvice() const {
  std::vector<std::string> places;
  if (spec_.auth >= 0) {
    for (const std::string& name :
         spec_.manifest->auth[static_cast<std::size_t>(spec_.auth)].secrets) {
      const auto source = spec_.secrets.find(name);
      if (source != spec_.secrets.end()) places.push_back(source->second.Advice());
    }
  }
  return absl::StrJoin(places, ", ");
}

bool Connector::CredentialChanged() {
  const absl::StatusOr<SecretHeaders> headers = SignIn();
  return headers.ok() && FingerprintOf(*headers) != pass_credential_;
}

absl::StatusOr<v1::SyncResult> Connector::RunPass(const PassContext& context) {
  ConnectorPass pass(*this, context);
  return pass.Run();
}

FetchedToken Connector::Fetch(PageReader& pages, const CompiledStream& stream,
                              const JsonValue& parent, const std::string& provider_token_id,
                              const std::string& known_id, const std::stop_token& stop,
                              int& answers) {
  FetchedToken fetched;
  TemplateValues values;
  values.param = param_;
  values.parent = parent;
  values.id = provider_token_id;
  values.known_id = known_id;
  const absl::StatusOr<PageRequest> request = FetchRequest(*spec_.manifest, stream, values);
  if (!request.ok()) {
    fetched.reason = std::string(request.status().message());
    return fetched;
  }
  const JqContext jq{param_, parent};
  const VendorAnswer answer = vendor_.Ask(*request, pages, jq, stop);
  answers += answer.answers;
  fetched.failure = answer.failure;
  if (answer.failure == VendorFailure::kGone) {
    fetched.outcome = FetchedToken::Outcome::kGone;
    return fetched;
  }
  if (answer.failure != VendorFailure::kNone) {
    fetched.reason = answer.reason;
    return fetched;
  }
  MappingNotes notes;
  absl::StatusOr<PageContent> content = pages.ReadFetched(stream, notes);
  if (!content.ok() || content->bad_rows > 0) {
    fetched.failure = content.ok() ? VendorFailure::kFailed : FailureOf(content.status());
    fetched.reason =
        content.ok() ? content->first_bad_row : std::string(content.status().message());
    return fetched;
  }
  bool known_shown = false;
  for (PageRow& row : content->rows) {
    for (ObservedToken& token : row.tokens) {
      known_shown |= token.token.provider_token_id() == known_id;
      if (token.token.provider_token_id() != provider_token_id) continue;
      fetched.outcome = FetchedToken::Outcome::kFound;
      fetched.token = std::move(token);
      return fetched;
    }
  }
  if (stream.fetch.records == kNoProgram) {
    // One record was asked for and another one came.
    fetched.failure = VendorFailure::kFailed;
    fetched.reason = "the vendor answered with another record";
  } else if (stream.fetch.uses_known_id && !known_shown) {
    fetched.reason = "the answer does not show the known token either";
  } else {
    fetched.outcome = FetchedToken::Outcome::kGone;
  }
  return fetched;
}

bool Connector::Answers(PageReader& pages, const CompiledStream& stream, const JsonValue& parent,
                        const std::stop_token& stop, int& answers) {
  TemplateValues values;
  values.param = param_;
  values.parent = parent;
  const absl::StatusOr<PageRequest> request = FirstRequest(*spec_.manifest, stream, values);
  if (!request.ok()) return false;
  const JqContext jq{param_, parent};
  const VendorAnswer answer = vendor_.Ask(*request, pages, jq, stop);
  answers += answer.answers;
  if (answer.failure != VendorFailure::kNone) return false;
  MappingNotes notes;
  return pages.ReadPage(stream, 0, notes).ok();
}

absl::StatusOr<FetchedToken> Connector::FetchOne(const ScopeRef& scope,
                                                 const std::string& provider_token_id,
                                                 const std::string& known_id, bool parent_answers,
                                                 const std::stop_token& stop) {
  const int index = spec_.manifest->FindStream(scope.stream);
  if (index < 0) return absl::UnimplementedError("the manifest has no such stream");
  const CompiledStream& stream = spec_.manifest->streams[static_cast<std::size_t>(index)];
  if (!stream.fetch.present) {
    return absl::UnimplementedError("the vendor has no request for one token");
  }
  JsonValue parent;
  if (!scope.item_json.empty()) {
    TI_ASSIGN_OR_RETURN(parent, JsonValue::Parse(scope.item_json));
  }
  TI_ASSIGN_OR_RETURN(SecretHeaders headers, SignIn());
  TI_ASSIGN_OR_RETURN(const std::unique_ptr<PageReader> pages,
                      workers_->Lease(spec_.id, spec_.manifest, stop));
  vendor_.SetSecretHeaders(std::move(headers));
  int answers = 0;
  FetchedToken fetched = Fetch(*pages, stream, parent, provider_token_id, known_id, stop, answers);
  if (fetched.outcome == FetchedToken::Outcome::kGone && !parent_answers &&
      !Answers(*pages, stream, parent, stop, answers)) {
    fetched.outcome = FetchedToken::Outcome::kNotProven;
    fetched.reason = "its listing does not answer either";
  }
  vendor_.SetSecretHeaders({});
  return fetched;
}

}  // namespace tokeninventory
