#include "tests/vendor_sim/spoilers.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <utility>
#include <vector>

namespace tokeninventory::vendor_sim {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kOtherHost[] = "http://other.example";

void Edit(Response& response, const std::function<void(Json&)>& edit) {
  Json body = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (body.is_discarded()) return;
  edit(body);
  response.body = body.dump();
}

// Null when there is none.
Json* FindList(Json& value) {
  if (value.is_array()) return &value;
  if (!value.is_object()) return nullptr;
  for (Json& member : value) {
    if (member.is_array()) return &member;
  }
  for (Json& member : value) {
    if (Json* const list = FindList(member)) return list;
  }
  return nullptr;
}

void EditList(Response& response, const std::function<void(Json&)>& edit) {
  Edit(response, [&](Json& body) {
    if (Json* const list = FindList(body)) edit(*list);
  });
}

void EditRecords(Response& response, const std::function<void(Json&)>& edit) {
  EditList(response, [&](Json& list) {
    for (Json& element : list) {
      Json& record = element.is_object() && element.contains("node") ? element["node"] : element;
      if (record.is_object()) edit(record);
    }
  });
}

void EditMember(Response& response, const std::string& name,
                const std::function<void(Json&)>& edit) {
  EditRecords(response, [&](Json& record) {
    if (record.contains(name)) edit(record[name]);
  });
}

Json OfAnotherType(const Json& value) {
  if (value.is_string()) return 17;
  if (value.is_number()) return true;
  if (value.is_boolean()) return Json::object({{"is", value}});
  if (value.is_object() || value.is_array()) return "text";
  return Json::array({1});  // null
}

// Every text in `value`, however deep.
void EditTexts(Json& value, const std::string& name,
               const std::function<void(const std::string&, std::string&)>& edit) {
  if (value.is_string()) {
    edit(name, value.get_ref<std::string&>());
  } else if (value.is_object()) {
    for (auto& [key, member] : value.items()) EditTexts(member, key, edit);
  } else if (value.is_array()) {
    for (Json& element : value) EditTexts(element, name, edit);
  }
}

bool IsTime(const std::string& text) {
  static const std::regex kTime(R"(\d{4}-\d\d-\d\dT.*)");
  return std::regex_match(text, kTime);
}

// The objects that carry page marks: all that are not inside of the list.
void EditMarks(Json& value, const std::function<void(const std::string&, Json&)>& edit) {
  if (!value.is_object()) return;
  for (auto& [key, member] : value.items()) {
    if (member.is_object()) {
      EditMarks(member, edit);
    } else if (!member.is_array()) {
      edit(key, member);
    }
  }
}

bool IsMore(const std::string& key) { return key == "has_more" || key == "hasNextPage"; }
bool IsCursor(const std::string& key) { return key == "next" || key == "endCursor"; }

std::string* FindLink(Response& response) {
  for (auto& [name, value] : response.headers) {
    if (name == "Link") return &value;
  }
  return nullptr;
}

// The cursor in a request's query or GraphQL variables; empty on a first page.
std::string CursorOf(const Request& request) {
  if (const std::optional<std::string> cursor = request.Query("cursor")) return *cursor;
  const Json body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object()) return "";
  const Json variables = body.value("variables", Json::object());
  const Json after = variables.is_object() ? variables.value("after", Json()) : Json();
  return after.is_string() ? after.get<std::string>() : "";
}

std::string NextLink(const std::string& url) { return "<" + url + ">; rel=\"next\""; }

}  // namespace

void EmptyTheList(Response& response) {
  EditList(response, [](Json& list) { list = Json::array(); });
}

void NullTheList(Response& response) {
  EditList(response, [](Json& list) { list = nullptr; });
}

void DropRecords(Response& response, const std::string& name, const std::string& text) {
  EditList(response, [&](Json& list) {
    Json rest = Json::array();
    for (Json& record : list) {
      if (record.value(name, "") != text) rest.push_back(record);
    }
    list = std::move(rest);
  });
}

void NullTheRecords(Response& response) {
  EditList(response, [](Json& list) { std::fill(list.begin(), list.end(), nullptr); });
}

void ListTheRecordsTwice(Response& response) {
  EditList(response, [](Json& list) {
    const Json copy = list;
    list.insert(list.end(), copy.begin(), copy.end());
  });
}

void ShuffleTheRecords(Response& response) {
  // Any other order does; this one is the same every time.
  EditList(response, [](Json& list) {
    std::reverse(list.begin(), list.end());
    std::rotate(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(list.size() / 3),
                list.end());
  });
}

void NullTheValues(Response& response) {
  EditRecords(response, [](Json& record) {
    for (Json& member : record) member = nullptr;
  });
}

void RetypeTheValues(Response& response) {
  EditRecords(response, [](Json& record) {
    for (Json& member : record) member = OfAnotherType(member);
  });
}

void AddUnknownMembers(Response& response) {
  Json deep = "deep";
  for (int i = 0; i < 100; ++i) deep = Json::array({deep});
  EditRecords(response, [&](Json& record) {
    record["brand_new"] = {{"a", 1}, {"b", nullptr}};
    record["nested_deeply"] = deep;
    record["large"] = std::string(1000, 'x');
  });
}

void ReplaceEnumValues(Response& response) {
  static const std::regex kWord("[A-Z][A-Z_]+");
  EditRecords(response, [](Json& record) {
    EditTexts(record, "", [](const std::string&, std::string& text) {
      if (std::regex_match(text, kWord)) text = "BRAND_NEW";
    });
  });
}

void AddMember(Response& response, const std::string& name, const std::string& value) {
  EditRecords(response, [&](Json& record) { record[name] = value; });
}

void NullMember(Response& response, const std::string& name) {
  EditMember(response, name, [](Json& member) { member = nullptr; });
}

void DropMember(Response& response, const std::string& name) {
  EditRecords(response, [&](Json& record) { record.erase(name); });
}

void RetypeMember(Response& response, const std::string& name) {
  EditMember(response, name, [](Json& member) { member = OfAnotherType(member); });
}

std::vector<std::string> MemberNames(const Response& response) {
  std::vector<std::string> names;
  Response copy = response;
  EditRecords(copy, [&](Json& record) {
    if (!names.empty()) return;
    for (const auto& [name, value] : record.items()) names.push_back(name);
  });
  return names;
}

void MoveTimesToTheFuture(Response& response) {
  EditRecords(response, [](Json& record) {
    EditTexts(record, "", [](const std::string& name, std::string& text) {
      if (name == "created_at" || name == "createdAt" || !IsTime(text)) return;
      // Four years: leap days stay days.
      text.replace(0, 4, std::to_string(std::atoi(text.substr(0, 4).c_str()) + 4));
    });
  });
}

void CoarsenTimes(Response& response) {
  static const std::regex kFraction(R"((T\d\d:\d\d:\d\d)\.\d+)");
  EditRecords(response, [](Json& record) {
    EditTexts(record, "", [](const std::string&, std::string& text) {
      if (IsTime(text)) text = std::regex_replace(text, kFraction, "$1");
    });
  });
}

void AddToTotal(Response& response, int more) {
  Edit(response, [&](Json& body) {
    if (!body.is_object() || !body.contains("total")) return;
    body["total"] = std::max(0, body["total"].get<int>() + more);
  });
}

void DropTotal(Response& response) {
  Edit(response, [](Json& body) {
    if (body.is_object()) body.erase("total");
  });
}

void EndThePages(Response& response) {
  Edit(response, [](Json& body) {
    EditMarks(body, [](const std::string& key, Json& mark) {
      if (IsMore(key)) mark = false;
      if (IsCursor(key)) mark = nullptr;
    });
  });
  std::erase_if(response.headers, [](const auto& header) { return header.first == "Link"; });
}

void RepeatThePage(const Request& request, Response& response) {
  const std::string cursor = CursorOf(request);
  Edit(response, [&](Json& body) {
    EditMarks(body, [&](const std::string& key, Json& mark) {
      if (IsMore(key)) mark = true;
      if (IsCursor(key) && !cursor.empty()) mark = cursor;
    });
  });
  if (std::string* const link = FindLink(response)) {
    *link = NextLink("http://" + request.host + request.target);
  }
}

void MoveNextPageToAnotherHost(Response& response) {
  Edit(response, [](Json& body) {
    EditMarks(body, [](const std::string& key, Json& mark) {
      if (IsCursor(key) && mark.is_string()) mark = std::string(kOtherHost) + "/page";
    });
  });
  if (std::string* const link = FindLink(response)) {
    static const std::regex kOrigin("<https?://[^/]+");
    *link = std::regex_replace(*link, kOrigin, std::string("<") + kOtherHost);
  }
}

void NeverEndThePages(const Request& request, Response& response) {
  const std::string cursor = CursorOf(request);
  Edit(response, [&](Json& body) {
    bool has_more = false;
    EditMarks(body, [&](const std::string& key, Json& mark) {
      if (IsMore(key)) mark = has_more = true;
      if (IsCursor(key) && mark.is_null() && !cursor.empty()) mark = cursor;
    });
    if (!has_more && body.is_object() && !body.contains("next") && !cursor.empty()) {
      body["next"] = cursor;
    }
  });
  if (response.body.empty() || response.body.front() != '[') return;
  // A bare array pages by Link.
  const int page = std::atoi(request.Query("page").value_or("1").c_str());
  const std::string path = request.target.substr(0, request.target.find('?'));
  std::erase_if(response.headers, [](const auto& header) { return header.first == "Link"; });
  response.headers.emplace_back(
      "Link", NextLink("http://" + request.host + path + "?page=" + std::to_string(page + 1)));
}

void ForgetThePage(Request& request) {
  std::erase_if(request.query, [](const auto& pair) {
    return pair.first == "page" || pair.first == "page_number" || pair.first == "cursor" ||
           pair.first == "after";
  });
  Json body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object() || !body.contains("variables")) return;
  body["variables"].erase("after");
  request.body = body.dump();
}

}  // namespace tokeninventory::vendor_sim
