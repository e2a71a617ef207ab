// A small blocking HTTP client for the simulator's own tests, on libcurl: it sends a URL as it is,
// where cpp-httplib's client would encode it again.
//
// Thread-compatible: one connection, kept open.
#pragma once

#include <map>
#include <string>

namespace tokeninventory::vendor_sim {

class SimClient {
 public:
  struct Reply {
    // 0 when the transfer failed.
    long status = 0;
    std::string body;
    // Names in lower case.
    std::map<std::string, std::string> headers;
    // Empty when the transfer succeeded.
    std::string error;
  };

  SimClient();
  ~SimClient();
  SimClient(const SimClient&) = delete;
  SimClient& operator=(const SimClient&) = delete;

  // With "Authorization: Bearer <token>" unless `token` is empty.
  Reply Get(const std::string& url, const std::string& token);
  Reply Post(const std::string& url, const std::string& token, const std::string& body);

 private:
  Reply Perform(const std::string& url, const std::string& token);

  void* curl_;
};

}  // namespace tokeninventory::vendor_sim
