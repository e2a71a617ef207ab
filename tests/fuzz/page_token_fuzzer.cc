// Any bytes as a page token and as a resume token; and as a cursor, which must
// come back from the token made of it unless it says something impossible.
#include <google/protobuf/util/message_differencer.h>

#include <string>

#include "inventory/cursor.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tokeninventory::internal::v1::PageCursor;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto page = tokeninventory::DecodePageToken(text, "epoch", 7);
  TI_FUZZ_CHECK(page.ok() || page.status().code() == absl::StatusCode::kInvalidArgument);
  if (page.ok()) TI_FUZZ_CHECK(page->request_hash() == 7 && page->epoch() == "epoch");
  const auto resume = tokeninventory::DecodeResumeToken(text, "epoch");
  TI_FUZZ_CHECK(resume.ok() || resume.status().code() == absl::StatusCode::kInvalidArgument ||
                resume.status().code() == absl::StatusCode::kFailedPrecondition);
  if (resume.ok()) TI_FUZZ_CHECK(*resume >= 0);

  PageCursor cursor;
  if (!cursor.ParseFromString(std::string(text))) return 0;
  cursor.DiscardUnknownFields();
  const std::string token = tokeninventory::EncodePageToken(cursor);
  const auto back = tokeninventory::DecodePageToken(token, cursor.epoch(), cursor.request_hash());
  if (back.ok()) {
    cursor.set_version(back->version());
    TI_FUZZ_CHECK(google::protobuf::util::MessageDifferencer::Equals(*back, cursor));
    TI_FUZZ_CHECK(
        !tokeninventory::DecodePageToken(token, cursor.epoch(), cursor.request_hash() + 1).ok());
    TI_FUZZ_CHECK(
        !tokeninventory::DecodePageToken(token, cursor.epoch() + "x", cursor.request_hash()).ok());
    // Page tokens are no resume tokens of another store.
    TI_FUZZ_CHECK(!tokeninventory::DecodeResumeToken(token, cursor.epoch() + "x").ok());
  }
  return 0;
}
