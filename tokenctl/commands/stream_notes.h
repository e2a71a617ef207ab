// What people are told of a stream that breaks, comes back or begins anew.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tokenctl/text/times.h"
#include "tokeninventory/v1/watch.pb.h"

namespace tokeninventory::tokenctl {

// Longest silence that the service is asked for: three of them, and the stream is taken for dead.
inline constexpr int kProgressSeconds = 5;

inline std::string LostNote(const std::string& why, absl::Duration delay) {
  return absl::StrCat(why, " (trying again in ", DurationText(absl::Ceil(delay, absl::Seconds(1))),
                      ")");
}

inline std::string BackNote() { return "connected again; nothing was missed"; }

inline std::string ResetNote(const v1::WatchReset& reset) {
  return absl::StrCat("the view begins anew, changes in between are not known",
                      reset.reason() == v1::WatchReset::REASON_UNSPECIFIED
                          ? ""
                          : absl::StrCat(" (", v1::WatchReset::Reason_Name(reset.reason()), ")"));
}

}  // namespace tokeninventory::tokenctl
