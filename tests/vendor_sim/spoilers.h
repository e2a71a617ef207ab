// Changes to a vendor's own answer that a client must see through, whatever the vendor: functions
// over the JSON body and the headers that know lists, records and page marks by their shape.
//
// What is no JSON is left as it is. Thread-safe: pure functions.
#pragma once

#include <string>
#include <vector>

#include "tests/vendor_sim/http_message.h"

namespace tokeninventory::vendor_sim {

// The list of an answer is the body itself or the first array that is found going down its members;
// a record is an element of it (or its member `node`, as GraphQL has it).

void EmptyTheList(Response& response);
void NullTheList(Response& response);
// Without the records whose member `name` is this text.
void DropRecords(Response& response, const std::string& name, const std::string& text);
void NullTheRecords(Response& response);
void ListTheRecordsTwice(Response& response);
void ShuffleTheRecords(Response& response);

// Every record: all members null; every value of another JSON type; members that nobody knows;
// words in capitals (FULL_ACCESS) replaced by one that nobody knows.
void NullTheValues(Response& response);
void RetypeTheValues(Response& response);
void AddUnknownMembers(Response& response);
void ReplaceEnumValues(Response& response);
// A member more in every record.
void AddMember(Response& response, const std::string& name, const std::string& value);
// One member of every record (by its name): null, left out, or of another type.
void NullMember(Response& response, const std::string& name);
void DropMember(Response& response, const std::string& name);
void RetypeMember(Response& response, const std::string& name);
// The names of the members of the first record.
std::vector<std::string> MemberNames(const Response& response);

// Times, but for those of creation: four years later. All times: without fractions of seconds.
void MoveTimesToTheFuture(Response& response);
void CoarsenTimes(Response& response);

// The vendor's count of records, if it tells one.
void AddToTotal(Response& response, int more);
void DropTotal(Response& response);

// Page marks: `has_more`, `next`, a GraphQL `pageInfo`, a Link header.
void EndThePages(Response& response);
// The next page is this one. `request` is what the client asked.
void RepeatThePage(const Request& request, Response& response);
// The next page is at another host.
void MoveNextPageToAnotherHost(Response& response);
// Every page says that there are more.
void NeverEndThePages(const Request& request, Response& response);
// The request without its page mark: for the vendor it is always the first page.
void ForgetThePage(Request& request);

}  // namespace tokeninventory::vendor_sim
