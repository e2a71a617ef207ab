#include "tests/watch_trace/etcd_trace.h"

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory::watch_trace {
namespace {

using Json = nlohmann::json;

std::string PreviousText(const std::string& value, std::int64_t revision) {
  return absl::StrCat(value, "@", revision);
}

// One key, or all keys with a prefix.
class KeySelection final : public Selection {
 public:
  KeySelection(std::string key, bool prefix) : key_(std::move(key)), prefix_(prefix) {}

  bool Admits(const Event& event) const override { return Has(event.key); }
  std::optional<Event> See(const Change& change) const override {
    if (!Has(change.key)) return std::nullopt;
    Event event;
    event.type = change.after ? Event::Type::kPut : Event::Type::kDelete;
    event.key = change.key;
    if (change.after) event.value = change.after->bytes;
    event.revision = change.revision;
    event.create = !change.before;
    if (change.before) {
      event.previous = PreviousText(change.before->bytes, change.before->revision);
    }
    return event;
  }

 private:
  bool Has(const std::string& key) const {
    return prefix_ ? absl::StartsWith(key, key_) : key == key_;
  }

  const std::string key_;
  const bool prefix_;
};

// What etcd's store makes of its writes.
class Replay {
 public:
  void Write(const Json& persisted) {
    const std::int64_t next = revision_ + 1;
    if (persisted["op"] == "txn") {
      for (const Json& op : persisted["ops"]) WriteOne(op, next);
    } else {
      WriteOne(persisted, next);
    }
    if (!log_.empty() && log_.back().revision == next) revision_ = next;
  }

  std::vector<Change> TakeLog() { return std::move(log_); }

 private:
  void WriteOne(const Json& op, std::int64_t revision) {
    if (op.value("lease_missing", false)) return;
    const std::string key = op["key"];
    Change change{revision, key, std::nullopt, std::nullopt};
    const auto found = values_.find(key);
    if (found != values_.end()) change.before = found->second;
    if (op["op"] == "put") {
      change.after = Value{op["value"], revision};
      values_[key] = *change.after;
    } else if (found == values_.end()) {
      return;
    } else {
      values_.erase(found);
    }
    log_.push_back(std::move(change));
  }

  std::int64_t revision_ = 1;
  std::map<std::string, Value> values_;
  std::vector<Change> log_;
};

Event ReadEvent(const Json& json) {
  Event event;
  event.type = json["type"] == "put" ? Event::Type::kPut : Event::Type::kDelete;
  event.key = json["key"];
  event.value = json.value("value", "");
  event.revision = json["revision"];
  event.create = json.value("create", false);
  // Its `version`, which counts the puts, has no equal in this service.
  if (json.contains("prev")) {
    event.previous = PreviousText(json["prev"]["value"], json["prev"]["mod_revision"]);
  }
  return event;
}

}  // namespace

Trace EtcdTrace(const Json& test_case) {
  Trace trace;
  Replay replay;
  for (const Json& persisted : test_case["persisted"]) replay.Write(persisted);
  trace.log = replay.TakeLog();
  for (const Json& json : test_case["watches"]) {
    Watch watch;
    const Json& request = json["request"];
    watch.selection =
        std::make_shared<KeySelection>(request["key"], request.value("prefix", false));
    watch.from_revision = request.value("revision", std::int64_t{0});
    for (const Json& received : json["responses"]) {
      Response response;
      if (received.contains("events")) {
        for (const Json& event : received["events"]) response.events.push_back(ReadEvent(event));
      }
      if (received.value("progress", false)) response.bookmark = received["revision"];
      watch.responses.push_back(std::move(response));
    }
    trace.watches.push_back(std::move(watch));
  }
  return trace;
}

}  // namespace tokeninventory::watch_trace
