#include "tests/vendor_sim/http_server.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace tokeninventory::vendor_sim {
namespace {

// A connection keeps its thread while it is open, so a small pool starves clients that pool theirs.
constexpr std::size_t kThreads = 64;
// Each holds a thread; those beyond are reset at once, so that others are still served.
constexpr int kMaxStalled = 32;
constexpr std::size_t kPaddingPiece = 64 * 1024;
// More than any test process has open.
constexpr int kMaxDescriptors = 4096;

Request ToRequest(const httplib::Request& wire) {
  Request request = ParseRequest(wire.method, wire.target);
  request.authorization = wire.get_header_value("Authorization");
  request.host = wire.get_header_value("Host");
  request.body = wire.body;
  return request;
}

std::optional<int> PortOf(int descriptor, decltype(&getpeername) which) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (which(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return std::nullopt;
}

// Resets the server's end of the connection between these ports: httplib tells its handlers the
// ports, never the socket. The caller is the one thread that serves this connection, so it cannot
// be closed meanwhile.
void ResetConnection(int local_port, int remote_port) {
  for (int descriptor = 0; descriptor < kMaxDescriptors; ++descriptor) {
    if (PortOf(descriptor, getpeername) != remote_port ||
        PortOf(descriptor, getsockname) != local_port) {
      continue;
    }
    // Dissolving the association sends RST at once.
    sockaddr none{};
    none.sa_family = AF_UNSPEC;
    connect(descriptor, &none, sizeof(none));
    return;
  }
}

// httplib's default also sets SO_REUSEPORT, with which a second simulator would share the port.
void ReuseAddressOnly(int socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

// Where stalled answers wait.
class HttpServer::Stalls {
 public:
  // Returns when released, or at once when too many wait.
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (waiting_ >= kMaxStalled) return;
    ++waiting_;
    const std::uint64_t round = round_;
    released_.wait(lock, [&] { return stopping_ || round_ != round; });
    --waiting_;
  }

  void Release(bool for_good) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++round_;
      stopping_ |= for_good;
    }
    released_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  int waiting_ = 0;          // guarded by mutex_, as all below
  std::uint64_t round_ = 0;  // rises with every release
  bool stopping_ = false;
};

namespace {

// Sends one answer's body, piece by piece, and spoils it on the way as the answer says.
class BodySender {
 public:
  BodySender(Response answer, std::function<void()> stall, std::function<void()> reset)
      : answer_(std::move(answer)),
        stall_(std::move(stall)),
        reset_(std::move(reset)),
        whole_(answer_.body.size() + answer_.padding),
        sent_whole_(std::min(whole_, answer_.cut_after.value_or(whole_))) {}

  std::size_t announced() const {
    const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(whole_) + answer_.announce_more;
    return static_cast<std::size_t>(std::max<std::ptrdiff_t>(size, 0));
  }

  // False closes the connection.
  bool Send(std::size_t offset, httplib::DataSink& sink) const {
    if (offset >= sent_whole_) {
      if (answer_.delivery == Delivery::kStallInBody) stall_();
      if (answer_.delivery != Delivery::kWhole) reset_();
      return false;
    }
    if (offset < answer_.body.size()) {
      const std::size_t end = std::min(answer_.body.size(), sent_whole_);
      return sink.write(answer_.body.data() + offset, end - offset);
    }
    static const std::string padding(kPaddingPiece, ' ');
    return sink.write(padding.data(), std::min(padding.size(), sent_whole_ - offset));
  }

 private:
  const Response answer_;
  const std::function<void()> stall_;
  const std::function<void()> reset_;
  const std::size_t whole_;
  const std::size_t sent_whole_;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(Handler handler, std::shared_ptr<Stalls> stalls)
      : handler_(std::move(handler)), stalls_(std::move(stalls)) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_tcp_nodelay(true);  // else every answer waits 40 ms for an acknowledgement
    server_.set_socket_options(ReuseAddressOnly);
    server_.set_keep_alive_max_count(1'000'000'000);
    server_.set_keep_alive_timeout(1);  // bounds Stop, which waits for idle connections
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      Answer(request, response);
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
    stalls_->Release(/*for_good=*/true);
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
  void Answer(const httplib::Request& request, httplib::Response& wire) {
    Response answer = handler_(ToRequest(request));
    const auto reset = [local = request.local_port, remote = request.remote_port] {
      ResetConnection(local, remote);
    };
    if (answer.delivery == Delivery::kStall || answer.delivery == Delivery::kReset) {
      if (answer.delivery == Delivery::kStall) stalls_->Wait();
      reset();
      return;  // what httplib writes now goes nowhere
    }
    wire.status = answer.status;
    for (const auto& [name, value] : answer.headers) wire.set_header(name, value);
    const std::string content_type = answer.content_type;
    const auto sender = std::make_shared<const BodySender>(
        std::move(answer), [stalls = stalls_] { stalls->Wait(); }, reset);
    if (sender->announced() == 0) {
      wire.set_header("Content-Type", content_type);
      return;
    }
    // A content provider instead of set_content: httplib compresses the latter when the client
    // takes it, and sends it always whole.
    wire.set_content_provider(sender->announced(), content_type,
                              [sender](std::size_t offset, std::size_t, httplib::DataSink& sink) {
                                return sender->Send(offset, sink);
                              });
  }

  const Handler handler_;
  const std::shared_ptr<Stalls> stalls_;
  httplib::Server server_;
  std::thread thread_;
};

HttpServer::HttpServer() : stalls_(std::make_shared<Stalls>()) {}
HttpServer::~HttpServer() = default;

absl::Status HttpServer::Start(const std::string& host, int port, Handler handler) {
  auto impl = std::make_unique<Impl>(std::move(handler), stalls_);
  const int bound = impl->Listen(host, port);
  if (bound < 0) {
    return absl::UnavailableError("cannot listen on " + host + ":" + std::to_string(port));
  }
  port_ = bound;
  impl_ = std::move(impl);
  return absl::OkStatus();
}

void HttpServer::Stop() { impl_.reset(); }

void HttpServer::ReleaseStalled() { stalls_->Release(/*for_good=*/false); }

}  // namespace tokeninventory::vendor_sim
