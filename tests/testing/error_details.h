// What a status tells a client (AIP-193): reason, fields, delay.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace tokeninventory::testing {

// The detail of this type that `status` carries.
template <typename Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const auto payload =
      status.GetPayload(absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  Detail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

// The reason of its ErrorInfo; empty when it has none.
inline std::string ReasonOf(const absl::Status& status) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : std::string();
}
template <typename Value>
std::string ReasonOf(const absl::StatusOr<Value>& result) {
  return ReasonOf(result.status());
}

// The fields that its BadRequest names.
inline std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  if (const auto bad = DetailOf<google::rpc::BadRequest>(status)) {
    for (const auto& violation : bad->field_violations()) fields.push_back(violation.field());
  }
  return fields;
}
template <typename Value>
std::vector<std::string> FieldsOf(const absl::StatusOr<Value>& result) {
  return FieldsOf(result.status());
}

}  // namespace tokeninventory::testing
