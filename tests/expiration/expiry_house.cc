#include "tests/expiration/expiry_house.h"

#include <limits>
#include <tuple>
#include <utility>

#include "gtest/gtest.h"
#include "inventory/expiration/notice.h"

namespace tokeninventory::testing {

namespace {

// All that is ever said is to be read.
LedgerSetup Remembering(LedgerSetup setup) {
  setup.retention.max_age = Days(100'000);
  return setup;
}

}  // namespace

ExpiryHouse::ExpiryHouse(LedgerSetup setup)
    : setup_(Remembering(std::move(setup))), house_(setup_) {}

void ExpiryHouse::Settle() {
  // A tick is bounded: until one round brings nothing.
  std::int64_t before = -1;
  while (before != house_.revision()) {
    before = house_.revision();
    house_.Settle();
  }
}

std::string ExpiryHouse::SaidAfter(absl::Duration by) { return SaidAt(now() + by); }

std::string ExpiryHouse::SaidAt(absl::Time time) {
  house_.clock().Set(time);
  Settle();
  return Said();
}

void ExpiryHouse::CheckEvent(const v1::Expiration& notice) {
  EXPECT_TRUE(event_ids_.insert(notice.event_id()).second) << "told twice: " << Says(notice);
  const std::string& about = notice.token_uid().empty() ? notice.source() : notice.token_uid();
  EXPECT_EQ(notice.uid(), NoticeUid(about, notice.kind(), notice.generation()));
  EXPECT_EQ(notice.event_id(), NoticeEventId(notice));
  EXPECT_EQ(notice.name(), NoticeName(notice.source(), notice.uid()));
  EXPECT_LE(FromProto(notice.due_time()), FromProto(notice.update_time()));
  EXPECT_EQ(notice.token_uid(), notice.token().uid());
  EXPECT_EQ(notice.has_resolution(),
            notice.state() == v1::Expiration::RESOLVED && notice.kind() != v1::Expiration::DIGEST);
  EXPECT_EQ(notice.has_digest(), notice.kind() == v1::Expiration::DIGEST);
}

// By due_time, then uid. A resolution goes right before the notice that follows it.
void ExpiryHouse::CheckOrder(const std::vector<v1::Expiration>& revision) const {
  std::pair<absl::Time, std::string> last(absl::InfinitePast(), "");
  for (std::size_t i = 0; i < revision.size(); ++i) {
    const v1::Expiration& notice = revision[i];
    if (notice.token_uid().empty()) continue;
    const bool is_followed =
        i + 1 < revision.size() && revision[i + 1].token().name() == notice.token().name();
    if (is_followed) continue;
    std::pair<absl::Time, std::string> here(FromProto(notice.due_time()), notice.uid());
    EXPECT_LT(last, here);
    last = std::move(here);
  }
}

std::vector<v1::Expiration> ExpiryHouse::News() {
  std::vector<v1::Expiration> news;
  LogPosition from{told_ + 1, 0};
  std::vector<v1::Expiration> revision;
  std::int64_t number = 0;
  const auto close = [&] {
    CheckOrder(revision);
    if (!revision.empty()) sizes_[number] = revision.size();
    revision.clear();
  };
  for (;;) {
    const auto page = house_.store().ReadLog(from, std::int64_t{1} << 30);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || page->entries.empty()) break;
    for (const LogEntry& entry : page->entries) {
      if (entry.revision != number) close();
      number = entry.revision;
      from = {entry.revision, entry.index + 1};
      if (entry.change.subject != LogSubject::kNotice) continue;
      v1::Expiration notice;
      EXPECT_TRUE(notice.ParseFromString(entry.change.after));
      EXPECT_EQ(notice.revision(), entry.revision);
      EXPECT_EQ(FromProto(notice.update_time()), entry.commit_time);
      std::string& last = replayed_[entry.change.row];
      EXPECT_EQ(entry.change.before, last);
      last = entry.change.after;
      CheckEvent(notice);
      revision.push_back(notice);
      news.push_back(std::move(notice));
    }
    told_ = page->entries.back().revision;
  }
  close();
  CheckReplay();
  return news;
}

void ExpiryHouse::CheckReplay() {
  const auto snapshot = house_.inventory().Current();
  std::map<std::int64_t, std::string> shown;
  snapshot->notices().Scan(0, [&](std::int64_t row, const auto& notice) {
    shown[row] = notice->bytes;
    return true;
  });
  for (auto it = replayed_.begin(); it != replayed_.end();) {
    // Its token was purged with it.
    const bool purged = !shown.contains(it->first) && snapshot->At(it->first).full.empty();
    it = purged ? replayed_.erase(it) : std::next(it);
  }
  EXPECT_EQ(shown, replayed_);
  ExpectConsistent(house_, /*whole_feed=*/false);
}

std::string ExpiryHouse::Said(bool also_of_sources) {
  std::string text;
  for (const v1::Expiration& notice : News()) {
    if (notice.token_uid().empty() && !also_of_sources) continue;
    if (!text.empty()) text += "; ";
    const std::string about = notice.token_uid().empty()
                                  ? notice.source().substr(std::string("sources/").size())
                                  : notice.token().provider_token_id();
    const std::string says = absl::StrCat(about, " ", Says(notice));
    absl::StrAppend(&text, notice.digested() ? absl::StrCat("(", says, ")") : says);
  }
  return text;
}

}  // namespace tokeninventory::testing
