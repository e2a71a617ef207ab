// A WatchTokens client that keeps a copy, whoever may see what: in real gRPC, with a thread of
// its own that reads all that comes.
#pragma once

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "tests/testing/gate.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

namespace tokeninventory::testing {

// Thread-safe.
class PolicyClient {
 public:
  // Calls with `authorization`; `request` begins with the initial state, or with what the client
  // knows already.
  PolicyClient(v1::TokenInventory::Stub& stub, const std::string& authorization,
               const v1::WatchTokensRequest& request) {
    context_.AddMetadata("authorization", authorization);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
    stream_ = stub.WatchTokens(&context_, request);
    thread_ = std::thread([this] { Read(); });
  }
  ~PolicyClient() {
    context_.TryCancel();
    thread_.join();
  }

  // What the client sees now.
  struct Sight {
    std::map<std::string, v1::Token> tokens;  // by uid
    std::multiset<std::string> hidden;        // uids, in events of NO_PERMISSION
    std::map<v1::TokenEvent::RemoveCause, int> removed;
    std::set<std::string> sources;  // of the last Progress
    std::int64_t told = 0;
    int resets = 0;
    std::string resume_token;
    bool ended = false;
    grpc::Status status;

    std::set<std::string> Names() const {
      std::set<std::string> names;
      for (const auto& [uid, token] : tokens) names.insert(token.name());
      return names;
    }
  };
  Sight Now() const {
    MutexLock lock(mutex_);
    return sight_;
  }
  // Waits until the client sees what `done` wants, or the stream has ended; what it sees then.
  Sight Await(const std::function<bool(const Sight&)>& done) const {
    const auto deadline = std::chrono::steady_clock::now() + kLongWait;
    MutexLock lock(mutex_);
    while (!done(sight_) && !sight_.ended && std::chrono::steady_clock::now() < deadline) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(100));
    }
    EXPECT_TRUE(done(sight_)) << "the stream ended, or this never came: "
                              << sight_.status.error_message();
    return sight_;
  }
  Sight AwaitSources(const std::set<std::string>& sources) const {
    return Await([&](const Sight& sight) { return sight.sources == sources; });
  }
  Sight AwaitEnd() const {
    return Await([](const Sight& sight) { return sight.ended; });
  }

 private:
  void Read() {
    v1::WatchTokensResponse response;
    while (stream_->Read(&response)) {
      MutexLock lock(mutex_);
      Take(response);
      changed_.NotifyAll();
    }
    const grpc::Status status = stream_->Finish();
    MutexLock lock(mutex_);
    sight_.ended = true;
    sight_.status = status;
    changed_.NotifyAll();
  }

  void Take(const v1::WatchTokensResponse& response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (response.has_reset()) {
      sight_.tokens.clear();
      ++sight_.resets;
    }
    for (const v1::TokenEventBatch& batch : response.batches()) {
      for (const v1::TokenEvent& event : batch.events()) Take(event);
      if (batch.has_commit_time()) sight_.told = batch.revision() - (batch.continued() ? 1 : 0);
    }
    if (response.has_synced()) sight_.told = response.synced().revision();
    if (response.has_progress()) {
      sight_.told = response.progress().revision();
      sight_.sources.clear();
      for (const auto& source : response.progress().sources()) {
        sight_.sources.insert(source.source());
      }
      // What is told between this and the next Progress is of these, or comes into sight.
      left_.clear();
    }
    if (!response.resume_token().empty()) sight_.resume_token = response.resume_token();
  }

  void Take(const v1::TokenEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto known = sight_.tokens.find(event.uid());
    if (event.type() == v1::TokenEvent::REMOVED) {
      ++sight_.removed[event.remove_cause()];
      if (event.remove_cause() == v1::TokenEvent::NO_PERMISSION) {
        EXPECT_FALSE(event.has_token());
        sight_.hidden.insert(event.uid());
        if (known != sight_.tokens.end()) left_.insert(known->second.source());
      } else {
        EXPECT_TRUE(known != sight_.tokens.end()) << event.ShortDebugString();
      }
      sight_.tokens.erase(event.uid());
      return;
    }
    EXPECT_EQ(event.type() == v1::TokenEvent::ADDED, known == sight_.tokens.end())
        << event.ShortDebugString();
    // A source of which one row was taken away says nothing until that was made known.
    EXPECT_EQ(left_.count(event.token().source()), 0u) << event.token().name();
    sight_.tokens[event.uid()] = event.token();
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchTokensResponse>> stream_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  Sight sight_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> left_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace tokeninventory::testing
