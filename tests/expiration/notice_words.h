// Short ways to say what a notice says, and what a vendor shows of an end.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/proto_time.h"
#include "tests/inventory/ledger_harness.h"
#include "tokeninventory/v1/expiration.pb.h"

namespace tokeninventory::testing {

inline absl::Duration Days(double days) { return absl::Hours(24) * days; }

// `7d`, or as absl says it where it is no whole day.
inline std::string LeadText(absl::Duration lead) {
  absl::Duration rest;
  const std::int64_t days = absl::IDivDuration(lead, absl::Hours(24), &rest);
  return rest == absl::ZeroDuration() ? absl::StrCat(days, "d") : absl::FormatDuration(lead);
}

// `LEAD 7d`, `EXPIRED`, `RESOLVED EXTENDED`.
inline std::string Says(const v1::Expiration& notice) {
  if (notice.kind() == v1::Expiration::DIGEST) return "DIGEST";
  if (notice.state() == v1::Expiration::RESOLVED) {
    return absl::StrCat("RESOLVED ",
                        v1::Expiration::Resolution::Cause_Name(notice.resolution().cause()));
  }
  std::string text = v1::Expiration::Kind_Name(notice.kind());
  if (notice.kind() == v1::Expiration::LEAD) {
    absl::StrAppend(&text, " ", LeadText(FromProto(notice.lead())));
  }
  return text;
}

inline std::string Says(const std::vector<v1::Expiration>& notices) {
  return absl::StrJoin(notices, ", ", [](std::string* out, const v1::Expiration& notice) {
    absl::StrAppend(out, Says(notice));
  });
}

// A vendor's record that ends at `end`.
inline ObservedToken Expires(const std::string& id, absl::Time end) {
  return Observed(id, [end](v1::Token& token) { ToProto(end, token.mutable_expire_time()); });
}

// Rules of one rule for all tokens.
inline LeadRules LeadsOf(std::vector<absl::Duration> leads, const std::string& filter = "") {
  return *LeadRules::Make({LeadRule{filter, std::move(leads)}});
}

}  // namespace tokeninventory::testing
