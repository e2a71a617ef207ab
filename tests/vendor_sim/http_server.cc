#include "tests/vendor_sim/http_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>
#include <utility>

namespace tokeninventory::vendor_sim {
namespace {

// A connection keeps its thread while it is open, so a small pool starves clients that pool theirs.
constexpr std::size_t kThreads = 64;

Request ToRequest(const httplib::Request& wire) {
  Request request = ParseRequest(wire.method, wire.target);
  request.authorization = wire.get_header_value("Authorization");
  request.host = wire.get_header_value("Host");
  return request;
}

void Fill(Response answer, httplib::Response* wire) {
  wire->status = answer.status;
  for (const auto& [name, value] : answer.headers) wire->set_header(name, value);
  if (answer.body.empty()) {
    wire->set_header("Content-Type", answer.content_type);
    return;
  }
  // A content provider instead of set_content: httplib compresses the latter when the client takes
  // it, and sends it always whole.
  const std::size_t size = answer.body.size();
  const std::size_t sent = std::min(size, answer.cut_after.value_or(size));
  wire->set_content_provider(
      size, answer.content_type,
      [body = std::make_shared<const std::string>(std::move(answer.body)), sent](
          std::size_t offset, std::size_t length, httplib::DataSink& sink) {
        if (offset >= sent) return false;  // closes the connection
        return sink.write(body->data() + offset, std::min(length, sent - offset));
      });
}

// httplib's default also sets SO_REUSEPORT, with which a second simulator would share the port.
void ReuseAddressOnly(int socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(Handler handler) : handler_(std::move(handler)) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_tcp_nodelay(true);  // else every answer waits 40 ms for an acknowledgement
    server_.set_socket_options(ReuseAddressOnly);
    server_.set_keep_alive_max_count(1'000'000'000);
    server_.set_keep_alive_timeout(1);  // bounds Stop, which waits for idle connections
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      Fill(handler_(ToRequest(request)), &response);
    };
    // Before httplib's own routing, which sees decoded paths only. What can have a body goes on, as
    // httplib has not read it yet.
    server_.set_pre_routing_handler(
        [answer](const httplib::Request& request, httplib::Response& response) {
          if (request.method != "GET" && request.method != "HEAD") {
            return httplib::Server::HandlerResponse::Unhandled;
          }
          answer(request, response);
          return httplib::Server::HandlerResponse::Handled;
        });
    static constexpr char kAnyPath[] = R"([\s\S]*)";
    server_.Post(kAnyPath, answer);
    server_.Put(kAnyPath, answer);
    server_.Patch(kAnyPath, answer);
    server_.Delete(kAnyPath, answer);
  }

  ~Impl() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  // The bound port, or -1.
  int Listen(const std::string& host, int port) {
    if (port == 0) {
      port = server_.bind_to_any_port(host);
      if (port <= 0) return -1;
    } else if (!server_.bind_to_port(host, port)) {
      return -1;
    }
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // A stop before the server says that it runs would be lost; it tells nobody when it does.
    while (!server_.is_running()) std::this_thread::yield();
    return port;
  }

 private:
  const Handler handler_;
  httplib::Server server_;
  std::thread thread_;
};

HttpServer::HttpServer() = default;
HttpServer::~HttpServer() = default;

absl::Status HttpServer::Start(const std::string& host, int port, Handler handler) {
  auto impl = std::make_unique<Impl>(std::move(handler));
  const int bound = impl->Listen(host, port);
  if (bound < 0) {
    return absl::UnavailableError("cannot listen on " + host + ":" + std::to_string(port));
  }
  port_ = bound;
  impl_ = std::move(impl);
  return absl::OkStatus();
}

void HttpServer::Stop() { impl_.reset(); }

}  // namespace tokeninventory::vendor_sim
