#include "tests/connectors/fake_vendor.h"

#include <httplib.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace tokeninventory::testing {

class FakeVendor::Impl {
 public:
  Impl(std::unique_ptr<httplib::Server> server, Handler handler)
      : server_(std::move(server)), handler_(std::move(handler)) {
    // Without it every answer waits 40 ms.
    server_->set_tcp_nodelay(true);
    // A connection keeps a thread.
    server_->new_task_queue = [] { return new httplib::ThreadPool(32); };
    server_->set_keep_alive_max_count(100'000);
    const auto handle = [this](const httplib::Request& request, httplib::Response& response) {
      Handle(request, response);
    };
    server_->Get(".*", handle);
    server_->Post(".*", handle);
    port_ = server_->bind_to_any_port("127.0.0.1");
    if (port_ < 0) throw std::runtime_error("no port");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }

  ~Impl() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    server_->stop();
    thread_.join();
  }

  int port() const { return port_; }

  std::vector<VendorRequest> requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }
  void SetHandler(Handler handler) {
    const std::lock_guard<std::mutex> lock(mutex_);
    handler_ = std::move(handler);
  }

 private:
  void Handle(const httplib::Request& from, httplib::Response& to) {
    VendorRequest request;
    request.method = from.method;
    // As it came: cpp-httplib decodes `path`.
    request.path = from.target.substr(0, from.target.find('?'));
    for (const auto& [name, value] : from.params) request.query[name] = value;
    for (const auto& [name, value] : from.headers) {
      std::string lower = name;
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request.headers[lower] = value;
    }
    request.body = from.body;
    Handler handler;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      requests_.push_back(request);
      handler = handler_;
    }
    const VendorReply reply = handler(request);
    if (reply.hang) {
      std::unique_lock<std::mutex> lock(mutex_);
      stopped_.wait(lock, [this] { return stopping_; });
    }
    to.status = reply.status;
    for (const auto& [name, value] : reply.headers) to.set_header(name, value);
    if (reply.chunked) {
      to.set_chunked_content_provider(
          reply.content_type, [body = reply.body](std::size_t offset, httplib::DataSink& sink) {
            if (offset == body.size()) {
              sink.done();
              return true;
            }
            sink.write(body.data() + offset, std::min<std::size_t>(7, body.size() - offset));
            return true;
          });
      return;
    }
    if (reply.drip) {
      to.set_content_provider(std::size_t{1} << 30, reply.content_type,
                              [this](std::size_t, std::size_t, httplib::DataSink& sink) {
                                sink.write(" ", 1);
                                std::unique_lock<std::mutex> lock(mutex_);
                                return !stopped_.wait_for(lock, std::chrono::milliseconds(20),
                                                          [this] { return stopping_; });
                              });
      return;
    }
    if (!reply.cut) {
      to.set_content(reply.body, reply.content_type);
      return;
    }
    // Promises more than it sends.
    const std::string body = reply.body;
    to.set_content_provider(body.size() + 1000, reply.content_type,
                            [body](std::size_t offset, std::size_t, httplib::DataSink& sink) {
                              if (offset < body.size()) {
                                sink.write(body.data() + offset, body.size() - offset);
                                return true;
                              }
                              return false;
                            });
  }

  const std::unique_ptr<httplib::Server> server_;
  int port_ = -1;
  std::thread thread_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable stopped_;
  bool stopping_ = false;
  Handler handler_;
  std::vector<VendorRequest> requests_;
};

FakeVendor::FakeVendor(Handler handler)
    : impl_(std::make_unique<Impl>(std::make_unique<httplib::Server>(), std::move(handler))) {
  url_ = "http://127.0.0.1:" + std::to_string(impl_->port());
}
FakeVendor::FakeVendor(Handler handler, const std::string& cert_file, const std::string& key_file)
    : impl_(std::make_unique<Impl>(
          std::make_unique<httplib::SSLServer>(cert_file.c_str(), key_file.c_str()),
          std::move(handler))) {
  url_ = "https://127.0.0.1:" + std::to_string(impl_->port());
}
FakeVendor::~FakeVendor() = default;

std::vector<VendorRequest> FakeVendor::requests() const { return impl_->requests(); }
void FakeVendor::SetHandler(Handler handler) { impl_->SetHandler(std::move(handler)); }

}  // namespace tokeninventory::testing
