#include "tests/vendor_sim/fault_catalogue.h"

#include <zlib.h>

#include <utility>

#include "tests/vendor_sim/spoilers.h"

namespace tokeninventory::vendor_sim {
namespace {

constexpr std::size_t kHugeBody = 100'000'000;
constexpr int kDeep = 100'000;

std::string Planted(const std::string& before, const std::string& after) {
  return before + kPlantedText + after;
}

Fault Answer(int status, std::string body, std::string content_type = "application/json") {
  Fault fault;
  fault.status = status;
  fault.body = std::move(body);
  fault.content_type = std::move(content_type);
  return fault;
}

Fault Status(int status, std::vector<std::pair<std::string, std::string>> headers = {}) {
  Fault fault = Answer(status, Planted(R"({"message":")", R"("})"));
  fault.headers = std::move(headers);
  return fault;
}

Fault Delivered(Delivery delivery, std::optional<std::size_t> cut_after = {}) {
  Fault fault;
  fault.delivery = delivery;
  fault.cut_after = cut_after;
  return fault;
}

Fault Edited(void (*edit)(Response&)) {
  Fault fault;
  fault.edit_response = [edit](const Request&, Response& response) { edit(response); };
  return fault;
}

Fault EditedFor(void (*edit)(const Request&, Response&)) {
  Fault fault;
  fault.edit_response = edit;
  return fault;
}

Fault TotalMoved(int by) {
  Fault fault;
  fault.edit_response = [by](const Request&, Response& response) { AddToTotal(response, by); };
  return fault;
}

Fault Announced(std::ptrdiff_t more) {
  Fault fault;
  fault.announce_more = more;
  return fault;
}

Fault Padded(std::size_t bytes) {
  Fault fault;
  fault.padding = bytes;
  return fault;
}

Fault AsksForTheFirstPage() {
  Fault fault;
  fault.edit_request = ForgetThePage;
  return fault;
}

Fault RemovesShown() {
  Fault fault;
  fault.remove_shown = 1;
  return fault;
}

Fault Skewed(const char* date) {
  Fault fault;
  fault.headers = {{"Date", date}};
  return fault;
}

// A list, and then as many spaces as fit: 100 MB in 100 kB.
Fault CompressedBomb() {
  std::string packed;
  z_stream stream{};
  // 16: with gzip's header instead of zlib's.
  deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string piece = "[]" + std::string(1'000'000, ' ');
  std::string out(64 * 1024, '\0');
  for (std::size_t done = 0; done < kHugeBody; done += piece.size()) {
    const bool last = done + piece.size() >= kHugeBody;
    stream.next_in = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_in = static_cast<uInt>(piece.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(out.data());
      stream.avail_out = static_cast<uInt>(out.size());
      deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
      packed.append(out, 0, out.size() - stream.avail_out);
    } while (stream.avail_out == 0);
    piece.assign(piece.size(), ' ');
  }
  deflateEnd(&stream);
  Fault fault = Answer(200, std::move(packed));
  fault.headers = {{"Content-Encoding", "gzip"}};
  return fault;
}

std::vector<NamedFault> MakeCatalogue() {
  using enum FaultKind;
  std::vector<NamedFault> all;
  const auto add = [&](std::string name, FaultKind kind, std::string what, Fault fault) {
    all.push_back({std::move(name), std::move(what), kind, std::move(fault)});
  };
  for (const int status : {400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 591}) {
    add(std::to_string(status), kFailure, "that status", Status(status));
  }
  add("429-for-an-hour", kFailure, "429, Retry-After an hour",
      Status(429, {{"Retry-After", "3600"}}));
  add("redirect", kFailure, "302 to the same host", Status(302, {{"Location", "/elsewhere"}}));
  add("redirect-off", kFailure, "302 to another host",
      Status(302, {{"Location", "http://other.example/"}}));

  add("stall", kFailure, "no answer comes", Delivered(Delivery::kStall));
  add("stall-in-body", kFailure, "the answer stops coming", Delivered(Delivery::kStallInBody, 20));
  add("reset", kFailure, "the connection is reset", Delivered(Delivery::kReset));
  add("reset-in-body", kFailure, "… in the middle of the answer",
      Delivered(Delivery::kResetInBody, 20));
  add("cut-body", kFailure, "the connection is closed early", Delivered(Delivery::kWhole, 20));
  add("length-too-long", kFailure, "more is announced than comes", Announced(50));
  add("length-too-short", kFailure, "less is announced than comes", Announced(-5));
  add("body-100mb", kFailure, "100 MB of spaces behind the answer", Padded(kHugeBody));
  add("gzip-bomb", kFailure, "100 MB in 100 kB", CompressedBomb());

  add("empty-body", kFailure, "200 without a body", Answer(200, ""));
  add("html-login", kFailure, "200 with a login page",
      Answer(200, Planted("<!DOCTYPE html><title>Sign in</title><p>", ""), "text/html"));
  add("malformed-json", kFailure, "200 with half a JSON text",
      Answer(200, Planted(R"([{"id": ")", R"(", )")));
  add("deep-json", kFailure, "200 with 100 000 brackets", Answer(200, std::string(kDeep, '[')));
  add("error-object", kFailure, "200 with an error message",
      Answer(200, Planted(R"({"message":")", R"("})")));
  add("graphql-error", kFailure, "200 with GraphQL's errors",
      Answer(200, Planted(R"({"errors":[{"message":")", R"("}]})")));
  add("json-null", kFailure, "200 with null", Answer(200, "null"));
  add("json-text", kFailure, "200 with a text", Answer(200, Planted("\"", "\"")));
  add("not-utf8", kFailure, "200 with bytes that are no text",
      Answer(200, std::string("\xff\xfe\x00[\x80", 5)));
  add("null-list", kFailure, "null where the list belongs", Edited(NullTheList));
  add("null-records", kWrong, "nulls instead of records", Edited(NullTheRecords));
  add("null-values", kWrong, "records of nulls", Edited(NullTheValues));
  add("wrong-types", kWrong, "every value of another type", Edited(RetypeTheValues));

  add("empty-list", kShort, "an empty list", Edited(EmptyTheList));
  add("same-page", kWrong, "always the first page", AsksForTheFirstPage());
  add("next-is-this", kWrong, "the next page is this one", EditedFor(RepeatThePage));
  add("never-ends", kWrong, "every page says that there are more", EditedFor(NeverEndThePages));
  add("no-next", kShort, "the end comes after the first page", Edited(EndThePages));
  add("next-off", kWrong, "the next page is at another host", Edited(MoveNextPageToAnotherHost));
  add("total-higher", kWrong, "more are counted than shown", TotalMoved(3));
  add("total-lower", kPlausible, "fewer are counted than shown", TotalMoved(-3));
  add("total-absent", kWrong, "none are counted", Edited(DropTotal));
  add("shrinks", kPlausible, "each page's first token is removed once it was shown",
      RemovesShown());

  add("unknown-enums", kPlausible, "words that nobody knows", Edited(ReplaceEnumValues));
  add("unknown-members", kPlausible, "members that nobody knows", Edited(AddUnknownMembers));
  add("duplicates", kPlausible, "every record twice", Edited(ListTheRecordsTwice));
  add("shuffled", kPlausible, "another order", Edited(ShuffleTheRecords));
  add("future-times", kPlausible, "times four years ahead", Edited(MoveTimesToTheFuture));
  add("coarse-times", kPlausible, "times without fractions", Edited(CoarsenTimes));
  add("date-ahead", kPlausible, "a clock that is years ahead",
      Skewed("Fri, 01 Jan 2044 00:00:00 GMT"));
  add("date-behind", kPlausible, "a clock that is years behind",
      Skewed("Thu, 01 Jan 1970 00:00:00 GMT"));
  return all;
}

}  // namespace

const std::vector<NamedFault>& FaultCatalogue() {
  static const std::vector<NamedFault>* const all = new std::vector<NamedFault>(MakeCatalogue());
  return *all;
}

std::optional<NamedFault> FindFault(const std::string& name) {
  for (const NamedFault& fault : FaultCatalogue()) {
    if (fault.name == name) return fault;
  }
  return std::nullopt;
}

}  // namespace tokeninventory::vendor_sim
