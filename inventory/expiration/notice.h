// A notice in memory, and what makes it the same notice everywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tokeninventory/v1/expiration.pb.h"

namespace tokeninventory {

// Immutable. The stored form carries the FULL token as of the notice's newest event,
// so that a filter can ask for any field; clients are shown its BASIC view.
struct Notice {
  std::string bytes;          // serialised v1::Expiration
  std::size_t head_size = 0;  // of the bytes before the token
  std::string source;         // id
  v1::Expiration::Kind kind = v1::Expiration::KIND_UNSPECIFIED;
  v1::Expiration::State state = v1::Expiration::STATE_UNSPECIFIED;
  bool digested = false;
  absl::Duration lead;                    // zero when none was told
  absl::Time end = absl::InfinitePast();  // effective_expire_time; of a source: InfinitePast
  std::uint64_t tie = 0;                  // orders notices of the same end

  absl::string_view head() const { return absl::string_view(bytes).substr(0, head_size); }
  // The serialised token; empty when the notice is about a source.
  absl::string_view token() const;
  bool is_open() const { return state == v1::Expiration::OPEN; }
  bool is_about_token() const { return head_size < bytes.size(); }
  // Whether a client that asks for leads up to `most` is shown it.
  bool reaches(absl::Duration most) const {
    return !is_about_token() || kind != v1::Expiration::LEAD || lead <= most;
  }
};

// DATA_LOSS when `bytes` is no serialised v1::Expiration.
absl::StatusOr<std::shared_ptr<const Notice>> ParseNotice(std::string bytes);

// What ParseNotice makes of SerializeNotice's, which takes longer.
std::shared_ptr<const Notice> MakeNotice(const v1::Expiration& notice, absl::string_view token);

// The stored form of `notice`, whose own `token` is not looked at: `token` is the
// serialised one, or empty.
std::string SerializeNotice(const v1::Expiration& notice, absl::string_view token);

// What a client is sent: the head, and `token`'s BASIC view.
void AppendNoticeMessage(std::string& out, int field, absl::string_view head,
                         absl::string_view token);

// `Expiration.uid`. `about` is the token's uid or the source's id; kinds that a notice
// goes through one after the other (LEAD, EXPIRED, OVERDUE) give the same.
std::string NoticeUid(absl::string_view about, v1::Expiration::Kind kind, std::int64_t generation);

// `Expiration.event_id`, from what `notice` says now.
std::string NoticeEventId(const v1::Expiration& notice);

// `sources/{source}/expirations/{uid}`.
std::string NoticeName(absl::string_view source_name, absl::string_view uid);

}  // namespace tokeninventory
