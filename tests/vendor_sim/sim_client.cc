#include "tests/vendor_sim/sim_client.h"

#include <curl/curl.h>

#include <cctype>
#include <cstddef>

namespace tokeninventory::vendor_sim {
namespace {

std::size_t AppendBody(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

std::size_t AddHeader(char* data, std::size_t size, std::size_t count, void* headers) {
  const std::string line(data, size * count);
  const std::size_t colon = line.find(": ");
  if (colon != std::string::npos) {
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    (*static_cast<std::map<std::string, std::string>*>(headers))[name] =
        line.substr(colon + 2, line.size() - colon - 4);
  }
  return line.size();
}

}  // namespace

SimClient::SimClient() : curl_(curl_easy_init()) {}

SimClient::~SimClient() { curl_easy_cleanup(curl_); }

SimClient::Reply SimClient::Get(const std::string& url, const std::string& token) {
  curl_easy_reset(curl_);
  return Perform(url, token);
}

SimClient::Reply SimClient::Post(const std::string& url, const std::string& token,
                                 const std::string& body) {
  curl_easy_reset(curl_);
  curl_easy_setopt(curl_, CURLOPT_COPYPOSTFIELDS, body.c_str());
  return Perform(url, token);
}

SimClient::Reply SimClient::Perform(const std::string& url, const std::string& token) {
  Reply reply;
  curl_slist* headers = nullptr;
  if (!token.empty()) {
    headers = curl_slist_append(headers, ("Authorization: Bearer " + token).c_str());
  }
  curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl_, CURLOPT_PATH_AS_IS, 1L);
  // As the connector does: the simulator must answer uncompressed all the same.
  curl_easy_setopt(curl_, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(curl_, CURLOPT_TIMEOUT, 30L);
  curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, AppendBody);
  curl_easy_setopt(curl_, CURLOPT_WRITEDATA, static_cast<void*>(&reply.body));
  curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, AddHeader);
  curl_easy_setopt(curl_, CURLOPT_HEADERDATA, static_cast<void*>(&reply.headers));
  const CURLcode code = curl_easy_perform(curl_);
  curl_slist_free_all(headers);
  if (code == CURLE_OK) {
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &reply.status);
  } else {
    reply.error = curl_easy_strerror(code);
  }
  return reply;
}

}  // namespace tokeninventory::vendor_sim
