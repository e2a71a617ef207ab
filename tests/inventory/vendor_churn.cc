#include "tests/inventory/vendor_churn.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tokeninventory::testing {

VendorChurn::VendorChurn(LedgerHarness& house, unsigned seed, std::string source)
    : house_(house), source_(std::move(source)), random_(seed) {
  Remember();
}

void VendorChurn::Step() {
  // Some change, some go (too few for the mass-drop guard), some come (back).
  int gone = 0;
  for (auto it = roles_.begin(); it != roles_.end();) {
    const std::uint64_t what = random_() % 20;
    if (what == 0 && gone < 5) {
      it = roles_.erase(it);
      ++gone;
      continue;
    }
    if (what == 1) ++it->second;
    ++it;
  }
  for (std::uint64_t i = 0; i < 3 + random_() % 5; ++i) {
    const bool is_back = random_() % 2 == 0;
    roles_[absl::StrCat(is_back ? static_cast<int>(random_() % 100) : next_id_++)] = 0;
  }
  const auto pass = house_.ledger().Begin(source_);
  ASSERT_TRUE(pass.ok()) << pass.status();
  const ScopeRef scope{"tokens", "", ""};
  std::vector<ObservedToken> page;
  const auto observe = [&] {
    const auto counts = house_.ledger().Observe(*pass, scope, std::exchange(page, {}));
    EXPECT_TRUE(counts.ok()) << counts.status();
    Remember();
  };
  for (const auto& [id, role] : roles_) {
    page.push_back(Observed(id, [role = role](v1::Token& t) { t.set_role(absl::StrCat(role)); }));
    if (page.size() == 25) observe();
  }
  observe();
  EXPECT_TRUE(house_.ledger().EndScope(*pass, scope, {true, ""}).ok());
  house_.EndPass(*pass, {{"tokens", true}});
  Remember();
}

void VendorChurn::Start(int passes) {
  running_ = true;
  thread_ = std::thread([this, passes] {
    for (int i = 0; i < passes && !stop_; ++i) Step();
    running_ = false;
  });
}

void VendorChurn::Join() {
  if (thread_.joinable()) thread_.join();
}

void VendorChurn::Stop() {
  stop_ = true;
  Join();
}

std::shared_ptr<const Snapshot> VendorChurn::At(std::int64_t revision) const {
  MutexLock lock(mutex_);
  const auto it = snapshots_.find(revision);
  return it == snapshots_.end() ? nullptr : it->second;
}

std::int64_t VendorChurn::newest() const {
  MutexLock lock(mutex_);
  return snapshots_.rbegin()->first;
}

void VendorChurn::Remember() {
  auto snapshot = house_.inventory().Current();
  MutexLock lock(mutex_);
  snapshots_[snapshot->revision()] = std::move(snapshot);
}

}  // namespace tokeninventory::testing
