#include "tests/watch_trace/token_trace.h"

#include <google/protobuf/util/message_differencer.h>

#include <memory>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "inventory/cursor.h"
#include "inventory/filter/filter.h"
#include "inventory/token_bytes.h"

namespace tokeninventory::watch_trace {
namespace {

constexpr std::int64_t kPageBytes = 1 << 20;

v1::Token Parse(const std::string& bytes) {
  v1::Token token;
  token.ParseFromString(bytes);
  return token;
}

// The value of a deleted key: its last token and the cause.
std::string RemovedValue(v1::TokenEvent::RemoveCause cause, const v1::Token& token) {
  return absl::StrCat(v1::TokenEvent::RemoveCause_Name(cause), " ", SerializeToken(token));
}

// The top-level fields in which two tokens differ.
class FieldReporter final : public google::protobuf::util::MessageDifferencer::Reporter {
 public:
  using Path = std::vector<google::protobuf::util::MessageDifferencer::SpecificField>;
  using Message = google::protobuf::Message;

  void ReportAdded(const Message&, const Message&, const Path& path) override { Add(path); }
  void ReportDeleted(const Message&, const Message&, const Path& path) override { Add(path); }
  void ReportModified(const Message&, const Message&, const Path& path) override { Add(path); }

  // By rising number, without those that always change.
  std::string Names() const {
    std::vector<std::string> names;
    for (const int number : numbers_) {
      const auto* field = v1::Token::descriptor()->FindFieldByNumber(number);
      if (field->name() != "revision" && field->name() != "update_time") {
        names.push_back(field->name());
      }
    }
    return absl::StrJoin(names, ",");
  }

 private:
  void Add(const Path& path) { numbers_.insert(path.front().field->number()); }

  std::set<int> numbers_;
};

std::string ChangedFieldNames(const v1::Token& before, const v1::Token& after) {
  FieldReporter reporter;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesTo(&reporter);
  differencer.Compare(before, after);
  return reporter.Names();
}

// The contract of WatchTokens for one change, told anew: which tokens a watcher
// of this parent and filter knows, and in which view.
class TokenSelection final : public Selection {
 public:
  TokenSelection(const v1::WatchTokensRequest& request, Filter filter)
      : prefix_(request.parent() == "sources/-" ? "" : request.parent() + "/tokens/"),
        full_(request.view() == v1::FULL),
        filter_(std::move(filter)) {}

  bool Admits(const Event& event) const override {
    if (event.type == Event::Type::kDelete) return true;  // it may be one that ceased to match
    const v1::Token token = Parse(event.value);
    // A BASIC token lacks what the filter may ask for.
    return absl::StartsWith(token.name(), prefix_) && (!full_ || Knows(token));
  }

  std::optional<Event> See(const Change& change) const override {
    const v1::Token before = change.before ? Parse(change.before->bytes) : v1::Token();
    const v1::Token after = change.after ? Parse(change.after->bytes) : v1::Token();
    const bool knew = change.before && Knows(before);
    const bool knows = change.after && Knows(after);
    if (!knew && !knows) return std::nullopt;
    Event event;
    event.key = change.key;
    event.revision = change.revision;
    if (knows) {
      event.type = Event::Type::kPut;
      event.value = SerializeToken(Shown(after));
      event.create = !knew;
      if (knew) event.previous = ChangedFieldNames(before, after);
      return event;
    }
    event.type = Event::Type::kDelete;
    const v1::TokenEvent::RemoveCause cause =
        change.after && IsThere(after)                            ? v1::TokenEvent::LEFT_FILTER
        : change.after && after.presence() == v1::Token::DETACHED ? v1::TokenEvent::DETACHED
                                                                  : v1::TokenEvent::DELETED;
    event.value = RemovedValue(cause, Shown(change.after ? after : before));
    return event;
  }

 private:
  static bool IsThere(const v1::Token& token) {
    return token.presence() == v1::Token::LISTED || token.presence() == v1::Token::MISSING;
  }

  bool Knows(const v1::Token& token) const {
    if (!IsThere(token) || !absl::StartsWith(token.name(), prefix_)) return false;
    const std::string bytes = SerializeToken(token);
    FilterRow row;
    row.bytes = bytes;
    return filter_.Matches(row);
  }

  v1::Token Shown(v1::Token token) const {
    if (full_) return token;
    const auto* descriptor = v1::Token::descriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      if (descriptor->field(i)->number() < kFirstFullOnlyField) continue;
      v1::Token::GetReflection()->ClearField(&token, descriptor->field(i));
    }
    return token;
  }

  const std::string prefix_;
  const bool full_;
  const Filter filter_;
};

Event ReadEvent(const v1::TokenEvent& told, std::int64_t revision) {
  Event event;
  event.key = told.uid();
  event.revision = revision;
  event.create = told.type() == v1::TokenEvent::ADDED;
  if (told.type() == v1::TokenEvent::REMOVED) {
    event.type = Event::Type::kDelete;
    event.value = RemovedValue(told.remove_cause(), told.token());
  } else {
    event.type = Event::Type::kPut;
    event.value = SerializeToken(told.token());
  }
  if (told.type() == v1::TokenEvent::MODIFIED || told.has_changed_fields()) {
    event.previous = absl::StrJoin(told.changed_fields().paths(), ",");
  }
  return event;
}

// Puts a stream's messages together.
class WatchReader {
 public:
  WatchReader(Watch& watch, const std::string& epoch) : watch_(watch), epoch_(epoch) {}

  absl::Status Read(const v1::WatchTokensResponse& message) {
    for (const v1::TokenEventBatch& batch : message.batches()) ReadBatch(batch);
    if (message.has_synced()) {
      if (!watch_.initial) watch_.initial.emplace();
      watch_.initial->revision = message.synced().revision();
      watch_.initial->complete = true;
    }
    // It also ends a revision of which nothing more concerns the watcher.
    if (message.has_progress()) AddBookmark(message.progress().revision());
    if (message.resume_token().empty()) return absl::OkStatus();
    const auto revision = DecodeResumeToken(message.resume_token(), epoch_);
    if (!revision.ok()) return revision.status();
    AddBookmark(*revision);
    return absl::OkStatus();
  }

  void End() {
    if (open_) watch_.responses.back().cut = true;
  }

 private:
  void ReadBatch(const v1::TokenEventBatch& batch) {
    if (batch.initial()) {
      if (!watch_.initial) watch_.initial.emplace();
      watch_.initial->revision = batch.revision();
      for (const v1::TokenEvent& event : batch.events()) {
        watch_.initial->events.push_back(ReadEvent(event, event.token().revision()));
      }
      return;
    }
    if (!open_) watch_.responses.emplace_back();
    for (const v1::TokenEvent& event : batch.events()) {
      watch_.responses.back().events.push_back(ReadEvent(event, batch.revision()));
    }
    open_ = batch.continued();
  }

  void AddBookmark(std::int64_t revision) {
    watch_.responses.push_back({{}, revision, false});
    open_ = false;
  }

  Watch& watch_;
  const std::string& epoch_;
  bool open_ = false;  // the last batch was `continued`
};

absl::StatusOr<Watch> MakeWatch(const WatchRecord& record, const std::string& epoch) {
  Watch watch;
  FilterOptions options;
  options.allow_now = false;
  absl::StatusOr<Filter> filter = Filter::Compile(record.request.filter(), options);
  if (!filter.ok()) return filter.status();
  watch.selection = std::make_shared<TokenSelection>(record.request, *std::move(filter));
  if (record.request.has_resume_token()) {
    const auto revision = DecodeResumeToken(record.request.resume_token(), epoch);
    if (!revision.ok()) return revision.status();
    watch.from_revision = *revision + 1;
  }
  WatchReader reader(watch, epoch);
  for (const v1::WatchTokensResponse& message : record.responses) {
    const absl::Status status = reader.Read(message);
    if (!status.ok()) return status;
  }
  reader.End();
  return watch;
}

}  // namespace

absl::Status WriteLog::ReadFrom(TokenStore& store) {
  const absl::StatusOr<StoreHead> head = store.Head();
  if (!head.ok()) return head.status();
  epoch_ = head->epoch;
  for (;;) {
    const absl::StatusOr<LogPage> page = store.ReadLog(next_, kPageBytes);
    if (!page.ok()) return page.status();
    if (page->entries.empty()) return absl::OkStatus();
    for (const LogEntry& entry : page->entries) {
      const absl::Status added = Add(entry);
      if (!added.ok()) return added;
    }
    if (page->ends_revision) next_ = {next_.revision + 1, 0};
  }
}

absl::Status WriteLog::Add(const LogEntry& entry) {
  if (LogPosition{entry.revision, entry.index} == LogPosition{next_.revision + 1, 0}) {
    next_ = {entry.revision, 0};
  }
  if (!(LogPosition{entry.revision, entry.index} == next_)) {
    return absl::DataLossError(absl::StrCat("change ", entry.index, " of revision ", entry.revision,
                                            " comes where change ", next_.index, " of ",
                                            next_.revision, " should"));
  }
  ++next_.index;
  if (entry.change.subject != LogSubject::kToken) return absl::OkStatus();
  Change change;
  change.revision = entry.revision;
  std::set<std::string> uids;
  for (const bool is_after : {false, true}) {
    const std::string& bytes = is_after ? entry.change.after : entry.change.before;
    if (bytes.empty()) continue;
    const v1::Token token = Parse(bytes);
    uids.insert(token.uid());
    (is_after ? change.after : change.before) = Value{bytes, token.revision()};
  }
  if (uids.size() != 1) {
    return absl::DataLossError(
        absl::StrCat("a change of revision ", entry.revision, " is of ", uids.size(), " tokens"));
  }
  change.key = *uids.begin();
  std::string& known = tokens_[change.key];
  if (known != entry.change.before) {
    return absl::DataLossError(absl::StrCat("revision ", entry.revision, " changes ", change.key,
                                            " from what it was not"));
  }
  known = entry.change.after;
  changes_.push_back(std::move(change));
  return absl::OkStatus();
}

absl::StatusOr<Trace> MakeTrace(const WriteLog& log, const std::vector<WatchRecord>& records) {
  Trace trace;
  trace.log = log.changes();
  for (const WatchRecord& record : records) {
    absl::StatusOr<Watch> watch = MakeWatch(record, log.epoch());
    if (!watch.ok()) return watch.status();
    trace.watches.push_back(*std::move(watch));
  }
  return trace;
}

int CountEvents(const Trace& trace) {
  std::size_t count = 0;
  for (const Watch& watch : trace.watches) {
    if (watch.initial) count += watch.initial->events.size();
    for (const Response& response : watch.responses) count += response.events.size();
  }
  return static_cast<int>(count);
}

}  // namespace tokeninventory::watch_trace
