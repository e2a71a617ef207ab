#include "connectors/connector_pass.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "connectors/page_request.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kMaxIncompleteScopes = 100;
// A vendor that did not answer this often in a row, each after retries, is not
// asked on in this pass.
constexpr int kMaxNoAnswersInARow = 3;
// One that answers with server errors may do so for some listings only.
constexpr int kMaxServerErrorsInARow = 20;
// Pages in a row over which a worker was lost, or that took all the time there is:
// each may have cost ten seconds.
constexpr int kMaxReadersLostInARow = 3;
// Some vendors filter behind their paging, so a page may be empty; so many in a row
// are a list that does not end.
constexpr int kMaxEmptyPagesInARow = 100;

absl::Status Stopped() { return absl::CancelledError("the pass was stopped"); }

}  // namespace

absl::StatusOr<v1::SyncResult> ConnectorPass::Run() {
  start_ = connector_.clock_->Now();
  TI_ASSIGN_OR_RETURN(pass_, context_.recorder->Begin(connector_.spec_.id));
  absl::StatusOr<SecretHeaders> headers = connector_.SignIn();
  absl::Status status;
  connector_.pass_credential_.reset();
  if (headers.ok()) connector_.pass_credential_ = FingerprintOf(*headers);
  if (!headers.ok()) {
    halted_ = v1::Source::AUTH_FAILED;
    halt_reason_ = std::string(headers.status().message());
  } else if (absl::StatusOr<std::unique_ptr<PageReader>> pages = connector_.workers_->Lease(
                 connector_.spec_.id, connector_.spec_.manifest, context_.stop);
             absl::IsCancelled(pages.status())) {
    status = Stopped();
  } else if (!pages.ok()) {
    // Nobody is asked for what cannot be read.
    halted_ = v1::Source::FAILED;
    halt_reason_ = std::string(pages.status().message());
  } else {
    pages_ = *std::move(pages);
    connector_.vendor_.SetSecretHeaders(*std::move(headers));
    status = ReadStreams();
    if (status.ok() && halted_ == v1::Source::STATE_UNSPECIFIED) {
      status = LookUpSuspects(Reports());
    }
    pages_ = nullptr;
  }
  // The credential is needed no longer; the next pass reads it anew.
  connector_.vendor_.SetSecretHeaders({});
  if (!status.ok()) {
    context_.recorder->Abandon(pass_);
    return status;
  }
  return End();
}

absl::Status ConnectorPass::ReadStreams() {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (!connector_.spec_.enabled[i]) continue;
    TI_RETURN_IF_ERROR(ReadStream(i));
  }
  return absl::OkStatus();
}

absl::Status ConnectorPass::ReadStream(std::size_t index) {
  const CompiledStream& stream = manifest_.streams[index];
  const std::string& name = stream.spec->name();
  if (halted_ != v1::Source::STATE_UNSPECIFIED) {
    AddIncomplete(name, "", absl::StrCat("not asked: ", halt_reason_));
    return absl::OkStatus();
  }
  const int incomplete_before = incomplete_listings_;
  std::size_t unasked = 0;
  if (stream.parent < 0) {
    TI_RETURN_IF_ERROR(ReadListing(index, JsonValue()));
  } else {
    // Grows no more: a parent is read before its children.
    const std::vector<JsonValue>& items = streams_[static_cast<std::size_t>(stream.parent)].items;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (halted_ != v1::Source::STATE_UNSPECIFIED) {
        unasked = items.size() - i;
        break;
      }
      TI_RETURN_IF_ERROR(ReadListing(index, items[i]));
    }
  }
  if (unasked > 0) {
    AddIncomplete(name, "", absl::StrCat(unasked, " listings not asked: ", halt_reason_));
  }
  StreamProgress& progress = streams_[index];
  progress.visited = unasked == 0;
  progress.complete =
      progress.visited && incomplete_listings_ == incomplete_before &&
      (stream.parent < 0 || streams_[static_cast<std::size_t>(stream.parent)].complete);
  return absl::OkStatus();
}

absl::Status ConnectorPass::ReadListing(std::size_t index, const JsonValue& parent) {
  Listing listing;
  listing.stream = &manifest_.streams[index];
  listing.progress = &streams_[index];
  listing.parent = parent;
  listing.scope.stream = listing.stream->spec->name();
  std::string reason;
  if (absl::StatusOr<std::string> key = ScopeKey(*listing.stream, parent); key.ok()) {
    listing.scope.key = *std::move(key);
    if (!parent.is_null()) listing.scope.item_json = parent.Dump();
    progress_.set_stream(listing.scope.stream);
    progress_.set_scope(listing.scope.key);
    TellProgress();
    TI_ASSIGN_OR_RETURN(reason, ReadPages(listing));
  } else {
    reason = std::string(key.status().message());
  }
  if (reason.empty()) {
    ++complete_listings_;
  } else {
    ++incomplete_listings_;
    AddIncomplete(listing.scope.stream, listing.scope.key, reason);
  }
  // A listing without tokens of its own proves nothing about any; what it says of
  // its children is in the reports.
  if (!HasToken(index)) return absl::OkStatus();
  return context_.recorder->EndScope(pass_, listing.scope, ScopeProof{reason.empty(), reason});
}

absl::StatusOr<std::string> ConnectorPass::ReadPages(Listing& listing) {
  const CompiledStream& stream = *listing.stream;
  TemplateValues values;
  values.param = connector_.param_;
  values.parent = listing.parent;
  absl::StatusOr<PageRequest> request = FirstRequest(manifest_, stream, values);
  if (!request.ok()) return std::string(request.status().message());

  const JqContext jq{connector_.param_, listing.parent};
  absl::flat_hash_set<std::string> asked;
  int empty_pages = 0;
  for (int page = 0;; ++page) {
    if (context_.stop.stop_requested()) return Stopped();
    CheckTime();
    if (halted_ != v1::Source::STATE_UNSPECIFIED) return halt_reason_;
    if (page >= connector_.spec_.max_pages) {
      return absl::StrCat("more than ", connector_.spec_.max_pages, " pages");
    }
    if (!asked.insert(request->ToJson().Dump()).second) {
      return std::string("the next page is one that was read before");
    }
    const VendorAnswer answer = connector_.vendor_.Ask(*request, *pages_, jq, context_.stop);
    progress_.mutable_stats()->set_requests(progress_.stats().requests() + answer.answers);
    NoteLimits();
    if (answer.failure == VendorFailure::kStopped) return Stopped();
    NoteFailure(answer);
    if (answer.failure != VendorFailure::kNone) return Explain(stream, answer);

    absl::StatusOr<PageContent> content = pages_->ReadPage(stream, listing.rows, notes_);
    if (absl::IsCancelled(content.status())) return Stopped();
    NoteReading(FailureOf(content.status()), std::string(content.status().message()));
    if (!content.ok()) {
      if (first_failure_ == VendorFailure::kNone) first_failure_ = VendorFailure::kFailed;
      return std::string(content.status().message());
    }
    bool anything_new = false;
    TI_ASSIGN_OR_RETURN(const std::string refused, TakePage(listing, *content, anything_new));
    if (!refused.empty()) return refused;
    TellProgress();
    if (content->next.is_null()) break;
    empty_pages = content->row_count == 0 ? empty_pages + 1 : 0;
    if (empty_pages >= kMaxEmptyPagesInARow) {
      return absl::StrCat(kMaxEmptyPagesInARow, " pages in a row without a record");
    }
    if (content->row_count > 0 && !anything_new) {
      return std::string("a page shows only records that were read before or cannot be read");
    }
    absl::StatusOr<PageRequest> next = NextRequest(*request, content->next);
    if (!next.ok()) return std::string(next.status().message());
    request = std::move(next);
  }
  if (listing.bad_rows > 0) {
    if (first_failure_ == VendorFailure::kNone) first_failure_ = VendorFailure::kFailed;
    return absl::StrCat(listing.bad_rows, " of ", listing.rows,
                        " records cannot be read; the first: ", listing.first_bad_row);
  }
  if (listing.total && *listing.total > static_cast<double>(listing.seen.size())) {
    if (first_failure_ == VendorFailure::kNone) first_failure_ = VendorFailure::kFailed;
    return absl::StrCat("the vendor counts ", *listing.total, " records, its pages show ",
                        listing.seen.size());
  }
  return std::string();
}

absl::StatusOr<std::string> ConnectorPass::TakePage(Listing& listing, PageContent& content,
                                                    bool& anything_new) {
  v1::SyncStats& stats = *progress_.mutable_stats();
  stats.set_pages(stats.pages() + 1);
  stats.set_records(stats.records() + content.row_count);
  listing.rows += content.row_count;
  listing.bad_rows += content.bad_rows;
  if (listing.first_bad_row.empty()) listing.first_bad_row = content.first_bad_row;
  listing.total = content.total;

  std::vector<ObservedToken> tokens;
  tokens.reserve(content.rows.size());  // a row is a token, or none
  for (PageRow& row : content.rows) {
    // Lists shift while they are read: a row may come twice.
    if (!listing.seen.insert(std::move(row.identity)).second) continue;
    anything_new = true;
    for (ObservedToken& token : row.tokens) tokens.push_back(std::move(token));
    if (!row.item.is_null() && listing.progress->item_texts.insert(row.item.Dump()).second) {
      listing.progress->items.push_back(std::move(row.item));
    }
  }
  if (tokens.empty()) return std::string();
  const absl::StatusOr<PageCounts> counts =
      context_.recorder->Observe(pass_, listing.scope, std::move(tokens));
  if (counts.status().code() == absl::StatusCode::kInvalidArgument) {
    if (first_failure_ == VendorFailure::kNone) first_failure_ = VendorFailure::kFailed;
    return std::string(counts.status().message());
  }
  TI_RETURN_IF_ERROR(counts.status());
  stats.set_tokens_added(stats.tokens_added() + counts->added);
  stats.set_tokens_updated(stats.tokens_updated() + counts->updated);
  stats.set_tokens_unchanged(stats.tokens_unchanged() + counts->unchanged);
  return std::string();
}

std::string ConnectorPass::Explain(const CompiledStream& stream, const VendorAnswer& answer) {
  const std::string& needs = stream.spec->needs();
  switch (answer.failure) {
    case VendorFailure::kCredential:
      return ExplainRefusal(answer);
    case VendorFailure::kForbidden:
      return needs.empty() ? absl::StrCat("the credential may not read this (", answer.reason, ")")
                           : absl::StrCat("the credential may not read this (", answer.reason,
                                          "); it needs ", needs);
    case VendorFailure::kRateLimited:
      return absl::StrCat("the vendor asks to slow down (", answer.reason, ")");
    default:
      return answer.reason;
  }
}

std::string ConnectorPass::ExplainRefusal(const VendorAnswer& answer) const {
  const std::string advice = connector_.CredentialAdvice();
  return absl::StrCat("the vendor refuses the credential (", answer.reason, ")",
                      advice.empty() ? "" : "; ", advice);
}

void ConnectorPass::CheckTime() {
  if (connector_.clock_->Now() - start_ <= connector_.spec_.max_pass_time) return;
  halted_ = v1::Source::DEGRADED;
  halt_reason_ = absl::StrCat("the pass takes longer than ",
                              absl::FormatDuration(connector_.spec_.max_pass_time));
  if (first_failure_ == VendorFailure::kNone) first_failure_ = VendorFailure::kFailed;
}

void ConnectorPass::NoteFailure(const VendorAnswer& answer) {
  const bool no_answer = answer.failure == VendorFailure::kNoAnswer;
  const bool server_error = answer.failure == VendorFailure::kServerError;
  no_answers_in_a_row_ = no_answer ? no_answers_in_a_row_ + 1 : 0;
  server_errors_in_a_row_ = server_error ? server_errors_in_a_row_ + 1 : 0;
  // What took an answer may still be lost when it reads it.
  if (answer.failure == VendorFailure::kNone) return;
  NoteReading(answer.failure, answer.reason);
  if (first_failure_ == VendorFailure::kNone) first_failure_ = answer.failure;
  not_before_ = std::max(not_before_, answer.not_before);
  if (answer.failure == VendorFailure::kCredential) {
    halted_ = v1::Source::AUTH_FAILED;
    halt_reason_ = ExplainRefusal(answer);
  } else if (answer.failure == VendorFailure::kRateLimited) {
    halted_ = v1::Source::RATE_LIMITED;
    halt_reason_ = absl::StrCat("the vendor asks to slow down (", answer.reason, ")");
  } else if (no_answers_in_a_row_ >= kMaxNoAnswersInARow ||
             server_errors_in_a_row_ >= kMaxServerErrorsInARow) {
    halted_ = v1::Source::UNREACHABLE;
    halt_reason_ = answer.reason;
  }
}

void ConnectorPass::NoteReading(VendorFailure failure, const std::string& reason) {
  readers_lost_in_a_row_ = failure == VendorFailure::kReaderLost ? readers_lost_in_a_row_ + 1 : 0;
  if (readers_lost_in_a_row_ < kMaxReadersLostInARow) return;
  halted_ = v1::Source::FAILED;
  halt_reason_ = reason;
}

void ConnectorPass::AddIncomplete(const std::string& stream, const std::string& scope,
                                  const std::string& reason) {
  if (incomplete_.size() >= kMaxIncompleteScopes) return;
  v1::IncompleteScope& incomplete = incomplete_.emplace_back();
  incomplete.set_stream(stream);
  incomplete.set_scope(scope);
  incomplete.set_reason(reason);
}

void ConnectorPass::NoteLimits() {
  progress_.clear_rate_limits();
  for (v1::RateLimit& limit : connector_.vendor_.last_told()) {
    *progress_.add_rate_limits() = std::move(limit);
  }
}

void ConnectorPass::TellProgress() {
  if (context_.on_progress) context_.on_progress(progress_);
}

std::vector<StreamReport> ConnectorPass::Reports() const {
  std::vector<StreamReport> reports;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (!connector_.spec_.enabled[i] || !HasToken(i)) continue;
    const int parent = manifest_.streams[i].parent;
    // A scope that was not visited because the pass ended early is not gone.
    const bool parents_complete =
        streams_[i].visited && (parent < 0 || streams_[static_cast<std::size_t>(parent)].complete);
    reports.push_back({manifest_.streams[i].spec->name(), parents_complete});
  }
  return reports;
}

absl::Status ConnectorPass::LookUpSuspects(const std::vector<StreamReport>& reports) {
  TI_ASSIGN_OR_RETURN(const std::vector<Suspect> suspects,
                      context_.recorder->Suspects(pass_, reports, connector_.spec_.max_probes));
  std::map<std::string, bool> answering;
  // By stream and key: a suspect of each scope that did not show a token which the vendor knows.
  std::map<std::pair<std::string, std::string>, const Suspect*> wrong;
  bool asked_for_all = suspects.size() < static_cast<std::size_t>(connector_.spec_.max_probes);
  for (const Suspect& suspect : suspects) {
    if (context_.stop.stop_requested()) return Stopped();
    bool exists = false;
    TI_RETURN_IF_ERROR(LookUp(suspect, answering, exists));
    if (exists) wrong[{suspect.scope.stream, suspect.scope.key}] = &suspect;
    if (halted_ != v1::Source::STATE_UNSPECIFIED) {
      // The listings are read; only the proofs are missing.
      halted_ = v1::Source::STATE_UNSPECIFIED;
      asked_for_all = false;
      break;
    }
  }
  for (const auto& [name, suspect] : wrong) {
    const ScopeRef& scope = suspect->scope;
    if (!suspect->scope_answered) {
      AddIncomplete(scope.stream, scope.key, "nothing names this listing, but its tokens exist");
    } else if (!asked_for_all) {
      // What was not asked for may exist just as well.
      const std::string reason = "tokens that exist are missing in it";
      AddIncomplete(scope.stream, scope.key, reason);
      TI_RETURN_IF_ERROR(context_.recorder->EndScope(pass_, scope, ScopeProof{false, reason}));
    }
  }
  return absl::OkStatus();
}

absl::Status ConnectorPass::LookUp(const Suspect& suspect, std::map<std::string, bool>& answering,
                                   bool& exists) {
  const int index = manifest_.FindStream(suspect.scope.stream);
  if (index < 0) return absl::OkStatus();
  const CompiledStream& stream = manifest_.streams[static_cast<std::size_t>(index)];
  if (!stream.fetch.present || !connector_.spec_.enabled[static_cast<std::size_t>(index)]) {
    return absl::OkStatus();
  }
  if (stream.fetch.uses_known_id && suspect.known_provider_token_id.empty()) {
    return absl::OkStatus();
  }
  JsonValue parent;
  if (!suspect.scope.item_json.empty()) {
    absl::StatusOr<JsonValue> item = JsonValue::Parse(suspect.scope.item_json);
    if (!item.ok()) return absl::OkStatus();
    parent = *std::move(item);
  }
  int answers = 0;
  FetchedToken fetched = connector_.Fetch(*pages_, stream, parent, suspect.provider_token_id,
                                          suspect.known_provider_token_id, context_.stop, answers);
  absl::Status status;
  if (fetched.outcome == FetchedToken::Outcome::kFound) {
    exists = true;
    std::vector<ObservedToken> found;
    found.push_back(std::move(fetched.token));
    const absl::StatusOr<PageCounts> counts =
        context_.recorder->Observe(pass_, suspect.scope, std::move(found));
    if (counts.status().code() != absl::StatusCode::kInvalidArgument) status = counts.status();
  } else if (fetched.outcome == FetchedToken::Outcome::kGone) {
    bool answers_now = suspect.scope_answered;
    if (!answers_now) {
      const std::string scope = absl::StrCat(suspect.scope.stream, "?", suspect.scope.key);
      const auto known = answering.find(scope);
      answers_now = known != answering.end()
                        ? known->second
                        : (answering[scope] =
                               connector_.Answers(*pages_, stream, parent, context_.stop, answers));
    }
    if (answers_now) status = context_.recorder->ProveGone(pass_, suspect.row);
  } else if (fetched.failure == VendorFailure::kStopped) {
    status = Stopped();
  } else if (fetched.failure == VendorFailure::kCredential ||
             fetched.failure == VendorFailure::kRateLimited ||
             fetched.failure == VendorFailure::kReaderLost ||
             fetched.failure == VendorFailure::kNoAnswer) {
    halted_ = v1::Source::DEGRADED;  // no more of these
  }
  progress_.mutable_stats()->set_requests(progress_.stats().requests() + answers);
  return status;
}

v1::Source::State ConnectorPass::StateNow() const {
  if (halted_ != v1::Source::STATE_UNSPECIFIED) return halted_;
  if (incomplete_listings_ == 0 && incomplete_.empty()) return v1::Source::OK;
  if (complete_listings_ > 0) return v1::Source::DEGRADED;
  switch (first_failure_) {
    case VendorFailure::kForbidden:
      return v1::Source::AUTH_FAILED;
    case VendorFailure::kServerError:
    case VendorFailure::kNoAnswer:
      return v1::Source::UNREACHABLE;
    default:
      return v1::Source::FAILED;
  }
}

std::string ConnectorPass::ErrorNow() const {
  if (halted_ != v1::Source::STATE_UNSPECIFIED) return halt_reason_;
  if (incomplete_.empty()) return std::string();
  const v1::IncompleteScope& first = incomplete_.front();
  const std::string where =
      first.scope().empty() ? first.stream() : absl::StrCat(first.stream(), " ", first.scope());
  const int listings = complete_listings_ + incomplete_listings_;
  if (listings == 1 || incomplete_listings_ == 0) return absl::StrCat(where, ": ", first.reason());
  return absl::StrCat(incomplete_listings_, " of ", listings, " listings incomplete; ", where, ": ",
                      first.reason());
}

absl::StatusOr<v1::SyncResult> ConnectorPass::End() {
  if (notes_.dropped_secrets > 0) {
    LogWarning("texts of records left out: they look like whole secrets",
               {{"source", connector_.spec_.id}, {"texts", absl::StrCat(notes_.dropped_secrets)}});
  }
  progress_.mutable_stats()->set_secrets_dropped(notes_.dropped_secrets);
  PassEnd end;
  end.state = StateNow();
  end.error = ErrorNow();
  end.incomplete_scopes = incomplete_;
  end.streams = Reports();
  end.next_sync_time = context_.next_sync_time
                           ? context_.next_sync_time(end.state, not_before_)
                           : connector_.clock_->Now() + connector_.spec_.interval;
  NoteLimits();
  end.rate_limits.assign(progress_.rate_limits().begin(), progress_.rate_limits().end());
  end.stats = progress_.stats();
  TI_ASSIGN_OR_RETURN(PassOutcome outcome, context_.recorder->End(pass_, end));
  v1::SyncResult result;
  result.set_state(outcome.state);
  result.set_error(outcome.error);
  for (v1::IncompleteScope& scope : outcome.incomplete_scopes) {
    *result.add_incomplete_scopes() = std::move(scope);
  }
  *result.mutable_stats() = outcome.stats;
  result.set_revision(outcome.revision);
  ToProto(start_, result.mutable_start_time());
  ToProto(connector_.clock_->Now(), result.mutable_end_time());
  return result;
}

}  // namespace tokeninventory
