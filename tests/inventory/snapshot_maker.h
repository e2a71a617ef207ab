// Snapshots made by hand, for tests of what reads them.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "inventory/snapshot.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"

namespace tokeninventory::testing {

// A token as the Ledger would have made it.
inline v1::Token MakeToken(const std::string& source, const std::string& id,
                           v1::Token::Presence presence = v1::Token::LISTED) {
  v1::Token token;
  token.set_name(TokenName(source, id));
  token.set_uid(absl::StrCat("uid-", source, "-", id));
  token.set_source(SourceName(source));
  token.set_provider("acme-cloud");
  token.set_provider_token_id(id);
  token.set_presence(presence);
  token.set_state(v1::Token::ACTIVE);
  token.add_permissions("read:everything");  // FULL only
  return token;
}

// Makes one snapshot after another. Thread-compatible.
class SnapshotMaker {
 public:
  SnapshotMaker() { Begin(); }

  SnapshotMaker& Source(const std::string& id, v1::Source::State state = v1::Source::OK) {
    auto status = std::make_shared<v1::Source>();
    status->set_name(SourceName(id));
    status->set_state(state);
    builder_->PutSource(id, std::move(status));
    return *this;
  }
  SnapshotMaker& Put(std::int64_t row, const v1::Token& token) {
    builder_->PutToken(row, SerializeToken(token));
    return *this;
  }
  SnapshotMaker& Purge(std::int64_t row) {
    builder_->Purge(row);
    return *this;
  }

  // The next revision, with all that was put since the last call.
  std::shared_ptr<const Snapshot> Build() {
    current_ = builder_->Build(current_->revision() + 1);
    Begin();
    return current_;
  }

 private:
  void Begin() { builder_ = std::make_unique<SnapshotBuilder>(*current_); }

  std::shared_ptr<const Snapshot> current_ = std::make_shared<const Snapshot>();
  std::unique_ptr<SnapshotBuilder> builder_;
};

}  // namespace tokeninventory::testing
