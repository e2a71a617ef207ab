// Judges what a watcher received: nothing twice, nothing left out, in order.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "inventory/snapshot.h"
#include "inventory/token_watch_view.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::testing {

// The tokens of a source (all when empty) that match a filter.
WatchScope MakeScope(v1::TokenView view, const std::string& source = "",
                     const std::string& filter = "");

// Takes the messages of one stream in order and fails the test where one breaks
// the contract. Keeps what a client would know. Thread-compatible.
class WatchChecker {
 public:
  // `epoch` is the store's; `scope` what the stream asked for.
  WatchChecker(std::string epoch, WatchScope scope)
      : epoch_(std::move(epoch)), scope_(std::move(scope)) {}

  // What the client knew before a stream that does not begin with the initial
  // state, and up to which revision.
  void Know(const Snapshot& snapshot);

  // The caller may now see these sources; the stream says so in its time.
  void SetVisible(const SourceSet& visible) { scope_.visible = visible; }

  // The stream broke; the next one goes on behind resume_token(), so that what
  // was told since is told again.
  void Reconnect();

  void Take(const v1::WatchTokensResponse& message);

  // The client knows all up to this revision.
  std::int64_t told_revision() const { return told_revision_; }
  bool synced() const { return synced_; }
  // The newest resume token; empty before the first.
  const std::string& resume_token() const { return resume_token_; }
  std::int64_t events() const { return events_; }
  int progresses() const { return progresses_; }
  int resets() const { return resets_; }
  // The uids that left the caller's sight.
  const std::multiset<std::string>& hidden() const { return hidden_; }
  const v1::Progress& last_progress() const { return last_progress_; }

  // Expects that the client knows exactly what it asked for of `snapshot`.
  void ExpectKnows(const Snapshot& snapshot) const;

 private:
  void TakeReset(const v1::WatchTokensResponse& message);
  void TakeBatch(const v1::TokenEventBatch& batch);
  // Of a batch that tells what another policy hid or brought into sight.
  void TakePolicyBatch(const v1::TokenEventBatch& batch);
  void TakeHidden(const v1::TokenEvent& event);
  void TakeEvent(const v1::TokenEvent& event, const v1::TokenEventBatch& batch);
  void TakeInitialEvent(const v1::TokenEvent& event, std::int64_t revision);

  std::string epoch_;
  WatchScope scope_;
  std::map<std::string, v1::Token> tokens_;  // by uid
  std::int64_t batch_revision_ = 0;          // of the last batch
  bool continued_ = false;                   // the last batch said so
  std::int64_t told_revision_ = 0;
  std::int64_t token_revision_ = 0;  // of the last resume token
  bool synced_ = false;
  std::string resume_token_;
  std::map<std::string, v1::Token> tokens_at_resume_;
  std::int64_t events_ = 0;
  int progresses_ = 0;
  int resets_ = 0;
  std::multiset<std::string> hidden_;
  v1::Progress last_progress_;
};

}  // namespace tokeninventory::testing
