// An ExpiryHouse that clients watch.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "inventory/expiration/expiration_watch_view.h"
#include "tests/expiration/expiry_house.h"
#include "tests/expiration/plain_stream.h"

namespace tokeninventory::testing {

// What a client asks of WatchExpirations.
struct NoticeWish {
  std::string source = {};
  std::string filter = {};
  absl::Duration max_lead = absl::InfiniteDuration();
};

// Thread-compatible. Streams must be gone before Reopen and before it goes.
class WatchedHouse {
 public:
  using Start = WatchSession::Start;

  explicit WatchedHouse(LedgerSetup setup = {}) : expiry_(std::move(setup)) { StartHub(); }

  // The service's end; Reopen starts it again.
  void Close() {
    hub_ = nullptr;
    house().Close();
  }
  void Reopen() {
    hub_ = nullptr;
    expiry_.Reopen();
    StartHub();
  }

  std::unique_ptr<NoticeStream> Watch(Start start, const NoticeWish& wish = {},
                                      std::int64_t after_revision = 0) {
    ExpirationScope scope;
    scope.source = wish.source;
    scope.filter_text = wish.filter;
    scope.max_lead = wish.max_lead;
    FilterOptions options;
    options.allow_now = false;
    auto filter = Filter::Compile(wish.filter, options);
    EXPECT_TRUE(filter.ok()) << filter.status();
    scope.filter = *std::move(filter);
    return WatchWith<v1::WatchExpirationsResponse>(
        std::make_shared<ExpirationWatchView>(std::move(scope)), start, after_revision);
  }
  std::unique_ptr<NoticeStream> Resume(const std::string& token, const NoticeWish& wish = {}) {
    const auto revision = DecodeResumeToken(token, house().ledger().epoch());
    EXPECT_TRUE(revision.ok()) << revision.status();
    return Watch(Start::kAfterRevision, wish, *revision);
  }
  template <typename Response>
  std::unique_ptr<PlainStream<Response>> WatchWith(std::shared_ptr<const WatchView> view,
                                                   Start start, std::int64_t after_revision = 0) {
    WatchSession::Options options;
    options.view = std::move(view);
    options.start = start;
    options.after_revision = after_revision;
    options.progress_interval = absl::Seconds(15);
    auto stream = std::make_unique<PlainStream<Response>>(*hub_, std::move(options));
    const absl::Status status = stream->Open();
    EXPECT_TRUE(status.ok()) << status;
    return stream;
  }

  // Takes all that is there for a client, up to the head.
  template <typename Response>
  void CatchUp(PlainStream<Response>& stream) {
    while (stream.told() < house().revision()) {
      // What concerns nobody is told by Progress, when its time has come.
      house().clock().Advance(absl::Seconds(15));
      ASSERT_TRUE(stream.Take());
    }
  }

  ExpiryHouse& expiry() { return expiry_; }
  LedgerHarness& house() { return expiry_.house(); }
  WatchHub& hub() { return *hub_; }

 private:
  void StartHub() {
    WatchHub::Options options;
    options.inventory = &house().inventory();
    options.feed = &house().feed();
    options.store = &house().store();
    options.clock = &house().clock();
    options.epoch = house().ledger().epoch();
    // A test may leave a stream alone for weeks.
    options.stall_timeout = Days(100'000);
    options.max_age = Days(100'000);
    hub_ = std::make_unique<WatchHub>(std::move(options));
  }

  ExpiryHouse expiry_;
  std::unique_ptr<WatchHub> hub_;
};

// `a LEAD 7d; a EXPIRED`: the events that a stream told, or what was open before it.
inline std::string Heard(const NoticeStream& stream, bool initial = false) {
  std::vector<std::string> words;
  for (const auto& message : stream.messages()) {
    for (const v1::ExpirationBatch& batch : message.batches()) {
      if (batch.initial() != initial) continue;
      EXPECT_GT(batch.expirations_size(), 0);
      for (const v1::Expiration& notice : batch.expirations()) {
        EXPECT_TRUE(notice.token().permissions().empty()) << "BASIC";
        const std::string about = notice.token_uid().empty()
                                      ? notice.source().substr(std::string("sources/").size())
                                      : notice.token().provider_token_id();
        words.push_back(absl::StrCat(about, " ", Says(notice)));
      }
    }
  }
  return absl::StrJoin(words, "; ");
}

inline std::vector<std::string> EventIds(const NoticeStream& stream) {
  std::vector<std::string> ids;
  for (const auto& message : stream.messages()) {
    for (const v1::ExpirationBatch& batch : message.batches()) {
      for (const v1::Expiration& notice : batch.expirations()) ids.push_back(notice.event_id());
    }
  }
  return ids;
}

}  // namespace tokeninventory::testing
