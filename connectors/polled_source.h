// What the Poller needs of a source: Connector is one; tests have their own.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "connectors/http/request_meter.h"
#include "inventory/pass.h"
#include "tokeninventory/v1/sources.pb.h"

namespace tokeninventory {

// What a pass is given by whoever runs it.
struct PassContext {
  PassRecorder* recorder = nullptr;
  // Ends the pass soon: waits and requests are interrupted.
  std::stop_token stop;
  // May be empty. Called on the pass' thread, after every page at most.
  std::function<void(const v1::SyncProgress&)> on_progress;
  // When the next pass is due after one that ended in `state`, not before what
  // the vendor asked for. Written into the source's status.
  std::function<absl::Time(v1::Source::State state, absl::Time not_before)> next_sync_time;
};

// Used by one thread at a time.
class PolledSource {
 public:
  virtual ~PolledSource() = default;

  virtual const std::string& id() const = 0;
  // Time between passes.
  virtual absl::Duration interval() const = 0;

  // Runs one pass; blocks. A pass in which the vendor failed is a result. Errors:
  // CANCELLED after a stop; otherwise what the recorder said (UNAVAILABLE).
  virtual absl::StatusOr<v1::SyncResult> RunPass(const PassContext& context) = 0;

  // Whether a credential can be read that is another than the last pass had: then
  // one that was refused need not wait. May read files, asks no vendor.
  virtual bool CredentialChanged() { return false; }

  // Counts the requests that are sent for it, here and elsewhere; null when nobody does.
  // Always the same.
  virtual std::shared_ptr<const RequestMeter> request_meter() const { return nullptr; }
};

}  // namespace tokeninventory
