// What becomes of an open stream when its caller may see other sources than before.
//
// A source that is hidden leaves the view at once, so that nothing of it is made any more. What
// the client was told of it is named by uid: rows that are as they were told by a scan of the
// snapshot (Removal), rows that changed since by the log up to that snapshot, which says what they
// were (`leaving_until_`). A source that comes into sight is scanned as of a snapshot, when all up
// to its revision is told, and then joins the view (Grant). One thing at a time, hiding first.
#include <algorithm>
#include <utility>

#include "inventory/cursor.h"
#include "inventory/watch_hub.h"
#include "inventory/watch_message.h"
#include "inventory/watch_session.h"

namespace tokeninventory {

void WatchSession::SetVisible(const SourceSet& visible) {
  Turn turn(*this);
  if (finished_ || wanted_.Key() == visible.Key()) return;
  AwaitHandedLocked();
  wanted_ = visible;
  if (!removal_) HideLocked();
  PumpLocked(hub_.options().clock->Now());
}

void WatchSession::SetViewLocked(const SourceSet& visible, const SourceSet& known) {
  const WatchView& view = group_->view();
  if (view.visible().Key() == visible.Key() && view.known().Key() == known.Key()) return;
  group_ = hub_.Regroup(shared_from_this(), *group_, view.WithSources(visible, known));
  ++view_number_;
}

void WatchSession::ForgetPolicyChangesLocked() {
  if (grant_) hub_.ReturnInitialTurn();
  grant_.reset();
  grant_waits_ = false;
  removal_.reset();
  leaving_until_.reset();
}

std::optional<std::int64_t> WatchSession::BoundLocked() const {
  if (!grant_) return leaving_until_;
  return std::min(grant_->snapshot->revision(),
                  leaving_until_.value_or(grant_->snapshot->revision()));
}

LogPosition WatchSession::SkipLocked(LogPosition position) const {
  LogPosition skipped = group_->Skip(position);
  const std::optional<std::int64_t> bound = BoundLocked();
  // What is quiet behind it for this view need not be so for the next one.
  if (bound) {
    skipped.revision = std::max(position.revision, std::min(skipped.revision, *bound + 1));
  }
  return skipped;
}

void WatchSession::HideLocked() {
  if (waiting_for_turn_) {  // the client is not told anything yet
    SetViewLocked(wanted_, wanted_);
    return;
  }
  // The client learns where it is, by a token for what it sees now.
  if (initial_ == nullptr) {
    WantProgressLocked(next_.index > 0 ? next_.revision : next_.revision - 1);
  }
  const bool granting = grant_ && grant_->begun;
  const SourceSet told = granting ? grant_->target : group_->view().visible();
  if (grant_) grant_->target = grant_->target.Common(wanted_);
  if (wanted_.Includes(told)) return;

  Removal removal;
  removal.view = group_->shared_view();
  removal.rows.sources = SourceDifference{told, wanted_};
  SourceSet known = group_->view().visible().Common(wanted_);
  const SourceSet visible = known;
  if (initial_ != nullptr || granting) {
    removal.snapshot = initial_ != nullptr ? initial_ : grant_->snapshot;
    removal.rows.told_revision = removal.snapshot->revision();
    if (initial_ != nullptr) removal.rows.last_row = initial_after_;
  } else {
    // It begins anew once this is told.
    if (std::exchange(grant_, nullptr)) hub_.ReturnInitialTurn();
    removal.snapshot = hub_.options().inventory->Current();
    removal.rows.told_revision = next_.index > 0 ? next_.revision : next_.revision - 1;
    if (removal.snapshot->revision() >= next_.revision) {
      leaving_until_ = removal.snapshot->revision();
    }
    if (leaving_until_) known = group_->view().known();
  }
  SetViewLocked(visible, known);
  ++view_number_;  // also when only what is being brought into sight is hidden again
  removal_ = std::make_unique<Removal>(std::move(removal));
}

void WatchSession::PumpRemovalLocked() {
  fetching_ = true;
  const bool accepted =
      hub_.RunScan([self = shared_from_this(), view_number = view_number_, removal = *removal_] {
        const EncodedRows rows =
            removal.view->EncodeGone(*removal.snapshot, removal.after, removal.rows);
        Turn turn(*self);
        if (!self->TakeFetchedLocked(view_number)) return;
        self->removal_->after = rows.after;
        if (rows.done) {
          self->removal_.reset();
          self->HideLocked();  // the policy may be another one meanwhile
        }
        if (rows.events.empty()) return self->PumpLocked(self->hub_.options().clock->Now());
        self->WriteRemovalLocked(rows.events);
      });
  if (accepted) return;
  fetching_ = false;
  hub_.WakeSoon(shared_from_this());
}

void WatchSession::WriteRemovalLocked(absl::string_view events) {
  PolicyPart part;
  std::optional<ResumePoint> resume;
  if (initial_ != nullptr || (grant_ && grant_->begun)) {
    part.revision = (initial_ != nullptr ? *initial_ : *grant_->snapshot).revision();
    part.continued = true;
    part.initial = true;
  } else if (next_.index > 0) {
    part.revision = next_.revision;
    part.continued = true;
  } else {
    part.revision = next_.revision - 1;
    // Whoever goes on from the midst of it is told all anew: the log does not have the rest.
    const std::uint64_t hash =
        removal_ ? StableHash("a part of what leaves") : group_->view().visible_hash();
    resume = ResumePoint{part.revision, hash};
    part.resume_token = EncodeResumeToken(hub_.options().epoch, part.revision, hash);
  }
  WatchMessage message = EncodePolicyPart(part, events);
  if (initial_ != nullptr && reset_) {
    message = WithReset(*std::exchange(reset_, std::nullopt), message);
    resume_.reset();
  }
  WriteLocked(std::move(message), std::nullopt);
  resume_under_way_ = resume;
}

bool WatchSession::PumpPolicyLocked() {
  if (leaving_until_ && next_.revision > *leaving_until_) {
    leaving_until_.reset();
    const SourceSet visible = group_->view().visible();
    SetViewLocked(visible, visible);
    WantProgressLocked(next_.revision - 1);
  }
  if (leaving_until_) return false;
  if (!grant_ && !grant_waits_ && !group_->view().visible().Includes(wanted_)) {
    grant_waits_ = true;
    if (hub_.TakeInitialTurn(shared_from_this())) TakeGrantTurnLocked();
  }
  if (!grant_ || next_.revision <= grant_->snapshot->revision()) return false;
  PumpGrantLocked();
  return true;
}

bool WatchSession::TakeGrantTurnLocked() {
  if (!std::exchange(grant_waits_, false)) return false;
  if (removal_ || leaving_until_ || group_->view().visible().Includes(wanted_)) return false;
  grant_ = std::make_unique<Grant>(Grant{hub_.options().inventory->Current(), wanted_, 0, false});
  ++view_number_;  // what is being read now may reach beyond the snapshot
  return true;
}

void WatchSession::PumpGrantLocked() {
  grant_->begun = true;
  fetching_ = true;
  const bool accepted = hub_.RunScan(
      [self = shared_from_this(), group = group_, view_number = view_number_, grant = *grant_] {
        const EncodedRows rows = group->view().EncodeRows(
            *grant.snapshot, grant.after, SourceDifference{grant.target, group->view().visible()});
        Turn turn(*self);
        if (!self->TakeFetchedLocked(view_number)) return;
        self->grant_->after = rows.after;
        PolicyPart part;
        part.revision = grant.snapshot->revision();
        part.continued = !rows.done;
        part.initial = true;
        std::optional<std::int64_t> resume_revision;
        if (rows.done) {
          self->grant_.reset();
          self->hub_.ReturnInitialTurn();
          self->SetViewLocked(grant.target, grant.target);
          self->WantProgressLocked(part.revision);
          resume_revision = part.revision;
          part.resume_token = EncodeResumeToken(self->hub_.options().epoch, part.revision,
                                                self->group_->view().visible_hash());
        }
        if (rows.events.empty()) return self->PumpLocked(self->hub_.options().clock->Now());
        self->WriteLocked(EncodePolicyPart(part, rows.events), resume_revision);
      });
  if (accepted) return;
  fetching_ = false;
  hub_.WakeSoon(shared_from_this());
}

}  // namespace tokeninventory
