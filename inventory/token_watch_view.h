// What WatchTokens shows: changes of tokens.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/field_mask.pb.h"
#include "inventory/filter/filter.h"
#include "inventory/watch_view.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {

// What a watcher of tokens asks for.
struct WatchScope {
  std::string source;  // id; empty: all
  SourceSet visible;
  v1::TokenView view = v1::BASIC;
  std::string filter_text;
  Filter filter;  // made of it
  // MODIFIED is shown only when one of these fields changed; empty: any.
  std::vector<int> changed_fields;
};

// The numbers of Token's top-level fields that a request's `changed_fields` names.
// INVALID_ARGUMENT, with the nearest name, for others and for those that always
// change.
absl::StatusOr<std::vector<int>> ParseChangedFields(const google::protobuf::FieldMask& mask);

// Thread-safe.
class TokenWatchView final : public WatchView {
 public:
  explicit TokenWatchView(WatchScope scope);
  TokenWatchView(WatchScope scope, SourceSet known);

  EncodedChanges EncodeChanges(const std::vector<std::shared_ptr<const FeedRevision>>& revisions,
                               LogPosition from, absl::string_view epoch,
                               bool ends_revision) const override;
  // `after` is a row.
  EncodedInitial EncodeInitial(const Snapshot& snapshot, std::int64_t after,
                               absl::string_view epoch,
                               const v1::Progress& progress) const override;

  EncodedRows EncodeRows(const Snapshot& snapshot, std::int64_t after,
                         const SourceDifference& sources) const override;
  EncodedRows EncodeGone(const Snapshot& snapshot, std::int64_t after,
                         const LeavingRows& rows) const override;
  std::shared_ptr<const WatchView> WithSources(SourceSet visible, SourceSet known) const override;

  bool is_filtered() const override;

  const WatchScope& scope() const { return scope_; }

 private:
  void AppendChange(const FeedChange& change, std::string& events) const;
  // Calls `append(token, events)` for what a scan of these sources finds, until the events
  // fill a message; a row behind `last_row` ends it.
  template <typename Append>
  EncodedRows EncodeScan(const Snapshot& snapshot, std::int64_t after, std::vector<bool> visible,
                         std::int64_t last_row, Append append) const;

  const WatchScope scope_;
  const std::string name_prefix_;  // of the tokens that it shows
};

}  // namespace tokeninventory
