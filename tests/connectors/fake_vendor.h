// A vendor that says what a test wants, over real HTTP on a port of its own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tokeninventory::testing {

// What came.
struct VendorRequest {
  std::string method;
  std::string path;
  // Decoded, with query.
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// What goes back.
struct VendorReply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  // Close the connection before the whole body is out.
  bool cut = false;
  // Send the body in chunks, without its length.
  bool chunked = false;
  // Do not answer until the server stops.
  bool hang = false;
  // Send the body byte by byte, 50 a second, and never end it.
  bool drip = false;
};

// Thread-safe. The handler is called by several threads at once.
class FakeVendor {
 public:
  using Handler = std::function<VendorReply(const VendorRequest&)>;

  explicit FakeVendor(Handler handler);
  // Over TLS, with a certificate of its own for 127.0.0.1.
  FakeVendor(Handler handler, const std::string& cert_file, const std::string& key_file);
  ~FakeVendor();

  // `http://127.0.0.1:PORT`, or https.
  const std::string& url() const { return url_; }
  // In the order in which they came.
  std::vector<VendorRequest> requests() const;
  int request_count() const { return static_cast<int>(requests().size()); }
  void SetHandler(Handler handler);

 private:
  class Impl;
  std::string url_;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tokeninventory::testing
