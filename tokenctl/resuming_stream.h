// WatchTokens and WatchExpirations for as long as it takes: a stream that broke is opened again.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tokenctl/backoff.h"
#include "tokenctl/rpc_error.h"
#include "tokenctl/stream_cursor.h"

namespace tokeninventory::tokenctl {

// Whether a stream that ended so is worth opening again.
bool IsWorthRetrying(const grpc::Status& status);

// Used by one thread.
template <typename Request, typename Response>
class ResumingStream {
 public:
  using Reader = grpc::ClientAsyncReader<Response>;
  struct Calls {
    std::function<std::unique_ptr<grpc::ClientContext>()> new_context;
    // Stub::PrepareAsync…
    std::function<std::unique_ptr<Reader>(grpc::ClientContext*, const Request&,
                                          grpc::CompletionQueue*)>
        prepare;
    // The stream is gone, and is opened again after `delay`.
    std::function<void(const grpc::Status&, absl::Duration delay)> on_lost;
    // It is there again.
    std::function<void()> on_back;
  };

  // `request` says where to begin; later streams begin after the last resume token. Silence of
  // three of its progress intervals ends a stream.
  ResumingStream(Request request, Calls calls)
      : request_(std::move(request)),
        calls_(std::move(calls)),
        silence_(absl::Seconds(std::max<std::int64_t>(request_.progress_interval().seconds(), 5)) *
                 3),
        cursor_(request_.resume_token()) {}

  ~ResumingStream() {
    if (context_ != nullptr) context_->TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) {
    }
  }
  ResumingStream(const ResumingStream&) = delete;
  ResumingStream& operator=(const ResumingStream&) = delete;

  // Waits for messages that may be shown; empty when there are none until `deadline`. An error: it
  // is over, and why. Before the first message every failure is one.
  struct Result {
    std::vector<Response> messages;
    grpc::Status status;
  };
  Result Next(absl::Time deadline) {
    for (;;) {
      if (context_ == nullptr && !OpenBy(deadline)) return {};
      const absl::Time until = std::min(deadline, silent_after_);
      bool ok = false;
      void* tag = nullptr;
      const auto got = queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(until));
      if (got == grpc::CompletionQueue::TIMEOUT) {
        if (absl::Now() >= silent_after_) {
          went_silent_ = true;
          silent_after_ = absl::InfiniteFuture();
          context_->TryCancel();
        }
        if (absl::Now() >= deadline) return {};
        continue;
      }
      Result result = Handle(ok);
      if (!result.status.ok() || !result.messages.empty()) return result;
    }
  }

 private:
  // Of the one operation that is under way.
  enum class Step { kStart, kRead, kFinish };

  bool OpenBy(absl::Time deadline) {
    absl::SleepFor(std::min(retry_at_, deadline) - absl::Now());
    if (absl::Now() < retry_at_) return false;
    context_ = calls_.new_context();
    if (!cursor_.resume_token().empty()) request_.set_resume_token(cursor_.resume_token());
    reader_ = calls_.prepare(context_.get(), request_, &queue_);
    step_ = Step::kStart;
    silent_after_ = absl::Now() + silence_;
    reader_->StartCall(this);
    return true;
  }

  Result Handle(bool ok) {
    switch (step_) {
      case Step::kStart:
        ok ? Read() : Finish();
        return {};
      case Step::kRead: {
        if (!ok) {
          Finish();
          return {};
        }
        silent_after_ = absl::Now() + silence_;
        backoff_.Reset();
        if (std::exchange(lost_, false)) calls_.on_back();
        reached_ = true;
        Result result{cursor_.Take(std::move(message_)), {}};
        Read();
        return result;
      }
      case Step::kFinish:
        return Ended();
    }
    return {};
  }

  void Read() {
    step_ = Step::kRead;
    message_ = Response();
    reader_->Read(&message_, this);
  }

  void Finish() {
    step_ = Step::kFinish;
    reader_->Finish(&status_, this);
  }

  Result Ended() {
    reader_.reset();
    context_.reset();
    if (std::exchange(went_silent_, false)) {
      status_ = grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "");
    } else if (status_.ok()) {
      status_ = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream ended");
    }
    if (!reached_ || !IsWorthRetrying(status_)) return {{}, status_};
    // A stream's planned end is not worth a word.
    const bool planned = ReasonOf(status_) == "MAX_AGE" && !lost_;
    absl::Duration delay;
    if (!planned) {
      delay = std::max(backoff_.Next(random_(engine_)), RetryDelayOf(status_));
      calls_.on_lost(status_, delay);
      lost_ = true;
    }
    retry_at_ = absl::Now() + delay;
    return {cursor_.Break(), {}};
  }

  Request request_;
  const Calls calls_;
  const absl::Duration silence_;
  StreamCursor<Response> cursor_;
  Backoff backoff_;
  std::minstd_rand engine_{std::random_device()()};
  std::uniform_real_distribution<> random_{0, 1};

  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientContext> context_;  // null between streams
  std::unique_ptr<Reader> reader_;
  Step step_ = Step::kStart;
  Response message_;
  grpc::Status status_;
  absl::Time retry_at_ = absl::InfinitePast();
  absl::Time silent_after_ = absl::InfiniteFuture();
  bool went_silent_ = false;
  bool reached_ = false;  // some message came
  bool lost_ = false;     // on_lost was called, on_back not yet
};

}  // namespace tokeninventory::tokenctl
