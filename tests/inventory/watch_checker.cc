#include "tests/inventory/watch_checker.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "inventory/token_bytes.h"

namespace tokeninventory::testing {
namespace {

// By uid.
std::map<std::string, v1::Token> TokensIn(const Snapshot& snapshot, const WatchScope& scope) {
  std::map<std::string, v1::Token> tokens;
  ScanFilter scan;
  scan.visible = snapshot.Visible(scope.visible);
  if (!scope.source.empty()) scan.source = snapshot.FindSource(scope.source);
  snapshot.Scan(0, scan, [&](const TokenRef& ref) {
    if (!scope.filter.matches_all() && !scope.filter.Matches(ref.filter_row())) return true;
    v1::Token token;
    const absl::string_view bytes = ref.bytes(scope.view);
    EXPECT_TRUE(token.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    tokens[token.uid()] = token;
    return true;
  });
  return tokens;
}

}  // namespace

WatchScope MakeScope(v1::TokenView view, const std::string& source, const std::string& filter) {
  WatchScope scope;
  scope.source = source;
  scope.view = view;
  scope.filter_text = filter;
  const absl::StatusOr<Filter> compiled = Filter::Compile(filter, FilterOptions());
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  if (compiled.ok()) scope.filter = *compiled;
  return scope;
}

void WatchChecker::Know(const Snapshot& snapshot) {
  tokens_ = TokensIn(snapshot, scope_);
  told_revision_ = snapshot.revision();
  batch_revision_ = snapshot.revision();
  synced_ = true;
  tokens_at_resume_ = tokens_;
}

void WatchChecker::Reconnect() {
  tokens_ = tokens_at_resume_;
  told_revision_ = token_revision_;
  batch_revision_ = token_revision_;
  continued_ = false;
}

void WatchChecker::Take(const v1::WatchTokensResponse& message) {
  EXPECT_TRUE(message.batches_size() > 0 || message.has_synced() || message.has_progress())
      << "an empty message";
  if (message.has_reset()) TakeReset(message);
  for (const v1::TokenEventBatch& batch : message.batches()) TakeBatch(batch);
  if (message.has_synced()) {
    EXPECT_FALSE(synced_) << "synced twice";
    continued_ = false;  // nothing of what was left may be seen any more
    synced_ = true;
    told_revision_ = message.synced().revision();
    EXPECT_TRUE(batch_revision_ == 0 || batch_revision_ == told_revision_);
    batch_revision_ = told_revision_;
  }
  if (message.has_progress()) {
    const v1::Progress& progress = message.progress();
    EXPECT_TRUE(synced_) << "progress within the initial state";
    EXPECT_GE(progress.revision(), told_revision_);
    EXPECT_GE(progress.revision(), batch_revision_);
    EXPECT_GE(progress.head_revision(), progress.revision());
    EXPECT_LE(progress.oldest_revision(), progress.head_revision());
    told_revision_ = progress.revision();
    continued_ = false;  // so no more of that revision concerns the watcher
    last_progress_ = progress;
    ++progresses_;
  }
  const bool partial = continued_ || !synced_;
  EXPECT_EQ(message.resume_token().empty(), partial) << message.ShortDebugString().substr(0, 300);
  if (message.resume_token().empty()) return;
  const auto revision = DecodeResumeToken(message.resume_token(), epoch_);
  ASSERT_TRUE(revision.ok()) << revision.status();
  EXPECT_GE(*revision, told_revision_);
  EXPECT_GE(*revision, token_revision_);
  token_revision_ = *revision;
  told_revision_ = *revision;
  resume_token_ = message.resume_token();
  tokens_at_resume_ = tokens_;
}

void WatchChecker::TakeReset(const v1::WatchTokensResponse& message) {
  EXPECT_NE(message.reset().reason(), v1::WatchReset::REASON_UNSPECIFIED);
  EXPECT_TRUE(message.has_synced() || message.batches_size() > 0) << "the initial state follows";
  // A client forgets all; the store may even be another one.
  tokens_.clear();
  tokens_at_resume_.clear();
  resume_token_.clear();
  batch_revision_ = told_revision_ = token_revision_ = 0;
  continued_ = synced_ = false;
  ++resets_;
}

void WatchChecker::TakeBatch(const v1::TokenEventBatch& batch) {
  ASSERT_GT(batch.events_size(), 0) << "an empty batch";
  const bool hides =
      batch.events(0).remove_cause() == v1::TokenEvent::NO_PERMISSION && !batch.has_commit_time();
  if (hides || (batch.initial() && synced_)) return TakePolicyBatch(batch);
  EXPECT_EQ(batch.initial(), !synced_);
  if (batch.initial()) {
    EXPECT_FALSE(batch.has_commit_time());
    EXPECT_TRUE(batch_revision_ == 0 || (continued_ && batch.revision() == batch_revision_));
    for (const v1::TokenEvent& event : batch.events()) TakeInitialEvent(event, batch.revision());
  } else {
    EXPECT_TRUE(batch.has_commit_time());
    if (continued_) {
      EXPECT_EQ(batch.revision(), batch_revision_) << "more of the same revision was promised";
    } else {
      EXPECT_GT(batch.revision(), batch_revision_);
      EXPECT_GT(batch.revision(), told_revision_) << "this was told before";
    }
    for (const v1::TokenEvent& event : batch.events()) TakeEvent(event, batch);
    told_revision_ = batch.continued() ? batch.revision() - 1 : batch.revision();
  }
  events_ += batch.events_size();
  batch_revision_ = batch.revision();
  continued_ = batch.continued();
}

void WatchChecker::TakePolicyBatch(const v1::TokenEventBatch& batch) {
  EXPECT_FALSE(batch.has_commit_time());
  EXPECT_GE(batch.revision(), batch_revision_);
  for (const v1::TokenEvent& event : batch.events()) {
    if (event.type() == v1::TokenEvent::REMOVED) {
      TakeHidden(event);
    } else {
      TakeInitialEvent(event, batch.revision());
    }
  }
  if (!continued_ && synced_) told_revision_ = std::max(told_revision_, batch.revision());
  events_ += batch.events_size();
  batch_revision_ = batch.revision();
  continued_ = batch.continued();
}

void WatchChecker::TakeHidden(const v1::TokenEvent& event) {
  EXPECT_EQ(event.remove_cause(), v1::TokenEvent::NO_PERMISSION);
  EXPECT_FALSE(event.has_token());
  EXPECT_FALSE(event.uid().empty());
  hidden_.insert(event.uid());
  tokens_.erase(event.uid());
}

void WatchChecker::TakeInitialEvent(const v1::TokenEvent& event, std::int64_t revision) {
  EXPECT_EQ(event.type(), v1::TokenEvent::ADDED);
  EXPECT_EQ(event.uid(), event.token().uid());
  EXPECT_LE(event.token().revision(), revision);
  EXPECT_TRUE(tokens_.emplace(event.uid(), event.token()).second) << event.uid() << " again";
}

void WatchChecker::TakeEvent(const v1::TokenEvent& event, const v1::TokenEventBatch& batch) {
  if (event.remove_cause() == v1::TokenEvent::NO_PERMISSION) return TakeHidden(event);
  EXPECT_EQ(event.uid(), event.token().uid());
  EXPECT_EQ(event.token().revision(), batch.revision());
  const auto known = tokens_.find(event.uid());
  EXPECT_EQ(event.type() == v1::TokenEvent::REMOVED,
            event.remove_cause() != v1::TokenEvent::REMOVE_CAUSE_UNSPECIFIED);
  EXPECT_TRUE(event.type() == v1::TokenEvent::MODIFIED || !event.has_changed_fields());
  switch (event.type()) {
    case v1::TokenEvent::ADDED:
      EXPECT_TRUE(known == tokens_.end()) << event.uid() << " was there";
      break;
    case v1::TokenEvent::MODIFIED: {
      ASSERT_TRUE(known != tokens_.end()) << event.uid() << " was not there";
      EXPECT_LT(known->second.revision(), event.token().revision());
      if (scope_.view != v1::FULL) break;  // the mask also names what BASIC does not show
      const std::vector<std::string> changed =
          FieldNames(ChangedFields(SerializeToken(known->second), SerializeToken(event.token())));
      EXPECT_TRUE(std::equal(changed.begin(), changed.end(), event.changed_fields().paths().begin(),
                             event.changed_fields().paths().end()))
          << event.ShortDebugString();
      break;
    }
    case v1::TokenEvent::REMOVED:
      ASSERT_TRUE(known != tokens_.end()) << event.uid() << " was not there";
      tokens_.erase(known);
      return;
    default:
      ADD_FAILURE() << "an event of no type";
  }
  tokens_[event.uid()] = event.token();
}

void WatchChecker::ExpectKnows(const Snapshot& snapshot) const {
  EXPECT_TRUE(synced_);
  EXPECT_FALSE(continued_);
  EXPECT_EQ(told_revision_, snapshot.revision());
  const auto expected = TokensIn(snapshot, scope_);
  EXPECT_EQ(tokens_.size(), expected.size());
  for (const auto& [uid, token] : tokens_) {
    EXPECT_TRUE(expected.contains(uid)) << token.name() << " of revision " << token.revision();
  }
  for (const auto& [uid, token] : expected) {
    const auto known = tokens_.find(uid);
    ASSERT_TRUE(known != tokens_.end()) << token.name() << " is not known";
    EXPECT_EQ(SerializeToken(known->second), SerializeToken(token));
  }
}

}  // namespace tokeninventory::testing
