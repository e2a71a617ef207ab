// A WatchTokens client that keeps a copy of the inventory, as the service's
// users do, and checks what the stream promises while it goes.
#pragma once

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/watch_trace/token_trace.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

namespace tokeninventory::testing {

// Used by one thread, except Cancel.
class Watcher {
 public:
  // A new watcher; the copy and the place survive Connect and Disconnect.
  Watcher() = default;

  // Opens a stream: from the initial state the first time, then after the last
  // resume token. `deadline_seconds` bounds a failing test.
  void Connect(v1::TokenInventory::Stub& stub, int deadline_seconds = 60) {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(std::chrono::system_clock::now() +
                           std::chrono::seconds(deadline_seconds));
    v1::WatchTokensRequest request;
    request.set_parent("sources/-");
    request.set_view(v1::FULL);
    request.mutable_progress_interval()->set_seconds(1);
    if (resume_token_.empty()) {
      request.mutable_initial_state();
      copy_.clear();
    } else {
      request.set_resume_token(resume_token_);
    }
    stream_ = stub.WatchTokens(context_.get(), request);
    records_.push_back({std::move(request), {}});
  }

  // Reads messages until `done()`; false when the stream ended first.
  bool ReadUntil(const std::function<bool()>& done) {
    while (!done()) {
      v1::WatchTokensResponse response;
      if (!stream_->Read(&response)) return false;
      Apply(response);
      records_.back().responses.push_back(std::move(response));
    }
    return true;
  }

  // Until everything up to `revision` was told.
  bool ReadUntilRevision(std::int64_t revision) {
    return ReadUntil([&] { return told_revision_ >= revision; });
  }

  grpc::Status Finish() { return stream_->Finish(); }
  void Cancel() { context_->TryCancel(); }

  const std::map<std::string, v1::Token>& copy() const { return copy_; }
  const std::string& resume_token() const { return resume_token_; }
  bool synced() const { return synced_; }
  bool last_had_progress() const { return last_had_progress_; }
  std::int64_t told_revision() const { return told_revision_; }
  // All that was asked and received: a stream for each Connect.
  const std::vector<watch_trace::WatchRecord>& records() const { return records_; }

 private:
  void Apply(const v1::WatchTokensResponse& response) {
    for (const v1::TokenEventBatch& batch : response.batches()) {
      if (continued_) {
        EXPECT_EQ(batch.revision(), revision_) << "a revision was left half told";
      } else {
        EXPECT_GT(batch.revision(), revision_) << "revisions must rise";
      }
      revision_ = batch.revision();
      continued_ = batch.continued();
      for (const v1::TokenEvent& event : batch.events()) Apply(batch, event);
    }
    if (response.has_synced()) {
      synced_ = true;
      told_revision_ = response.synced().revision();
    }
    last_had_progress_ = response.has_progress();
    if (response.has_progress()) {
      EXPECT_GE(response.progress().revision(), told_revision_);
      told_revision_ = response.progress().revision();
    }
    if (!response.resume_token().empty()) {
      EXPECT_FALSE(continued_);
      resume_token_ = response.resume_token();
      if (revision_ > told_revision_) told_revision_ = revision_;
    }
  }

  void Apply(const v1::TokenEventBatch& batch, const v1::TokenEvent& event) {
    EXPECT_TRUE(seen_.insert(event.uid() + "@" + std::to_string(event.token().revision())).second)
        << event.uid() << " came twice";
    if (!batch.initial()) {
      EXPECT_EQ(event.token().revision(), batch.revision());
    }
    const std::string& name = event.token().name();
    switch (event.type()) {
      case v1::TokenEvent::ADDED:
        EXPECT_EQ(copy_.count(name), 0u) << name << " was there";
        copy_[name] = event.token();
        break;
      case v1::TokenEvent::MODIFIED:
        EXPECT_EQ(copy_.count(name), 1u) << name << " was not there";
        EXPECT_GT(event.changed_fields().paths_size(), 0);
        copy_[name] = event.token();
        break;
      case v1::TokenEvent::REMOVED:
        EXPECT_EQ(copy_.erase(name), 1u) << name << " was not there";
        EXPECT_NE(event.remove_cause(), v1::TokenEvent::REMOVE_CAUSE_UNSPECIFIED);
        break;
      default:
        ADD_FAILURE() << "an event without a type";
    }
  }

  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchTokensResponse>> stream_;
  std::vector<watch_trace::WatchRecord> records_;
  std::map<std::string, v1::Token> copy_;
  std::set<std::string> seen_;
  std::string resume_token_;
  std::int64_t revision_ = 0;
  std::int64_t told_revision_ = 0;
  bool continued_ = false;
  bool synced_ = false;
  bool last_had_progress_ = false;
};

}  // namespace tokeninventory::testing
