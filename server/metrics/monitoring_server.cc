#include "server/metrics/monitoring_server.h"

#include <civetweb.h>

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {
namespace {

constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr char kPlainText[] = "text/plain; charset=utf-8";

int Answer(mg_connection* connection, int status, absl::string_view type, absl::string_view body) {
  const std::string head =
      absl::StrCat("HTTP/1.1 ", status, " ", mg_get_response_code_text(connection, status),
                   "\r\nContent-Type: ", type, "\r\nContent-Length: ", body.size(),
                   "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: "
                   "close\r\n\r\n");
  mg_write(connection, head.data(), head.size());
  mg_write(connection, body.data(), body.size());
  return status;
}

class Server final : public MonitoringServer {
 public:
  explicit Server(Pages pages) : pages_(std::move(pages)) {}
  // Waits for answers under way.
  ~Server() override {
    if (context_ != nullptr) mg_stop(context_);
  }

  absl::Status Listen(const std::string& listen) {
    const std::array<const char*, 13> options = {
        "listening_ports",
        listen.c_str(),  // HOST:PORT is a form of it
        "num_threads",
        "2",
        "connection_queue",
        "16",
        "request_timeout_ms",
        "5000",  // for what a client takes to ask, and to read
        "max_request_size",
        "8192",
        "enable_keep_alive",
        "no",
        nullptr};
    mg_callbacks callbacks{};
    // It would write to stderr what a client sent.
    callbacks.log_message = [](const mg_connection*, const char*) { return 1; };
    callbacks.begin_request = [](mg_connection* connection) {
      return static_cast<Server*>(mg_get_user_data(mg_get_context(connection)))
          ->Respond(connection);
    };
    context_ = mg_start(&callbacks, this, const_cast<const char**>(options.data()));
    if (context_ == nullptr) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", listen, " for metrics: is the address in use?"));
    }
    mg_server_port port{};
    if (mg_get_server_ports(context_, 1, &port) == 1) port_ = port.port;
    return absl::OkStatus();
  }

  int port() const override { return port_; }

 private:
  // The HTTP status that was answered.
  int Respond(mg_connection* connection) {
    const mg_request_info& request = *mg_get_request_info(connection);
    const absl::string_view path = request.local_uri;
    if (absl::string_view(request.request_method) != "GET") {
      return Answer(connection, 405, kPlainText, "GET only\n");
    }
    if (path == "/metrics") return Answer(connection, 200, kMetricsType, pages_.metrics());
    if (path == "/healthz") return Answer(connection, 200, kPlainText, "ok\n");
    if (path == "/readyz") return AnswerReadiness(connection);
    return Answer(connection, 404, kPlainText, "there is /metrics, /healthz, /readyz\n");
  }

  int AnswerReadiness(mg_connection* connection) {
    std::string body;
    bool is_ready = true;
    for (const auto& [name, works] : pages_.readiness()) {
      absl::StrAppend(&body, works ? "ok " : "failed ", name, "\n");
      is_ready = is_ready && works;
    }
    return Answer(connection, is_ready ? 200 : 503, kPlainText, body);
  }

  const Pages pages_;
  mg_context* context_ = nullptr;
  int port_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MonitoringServer>> MonitoringServer::Start(const std::string& listen,
                                                                          Pages pages) {
  auto server = std::make_unique<Server>(std::move(pages));
  if (const absl::Status status = server->Listen(listen); !status.ok()) return status;
  return std::unique_ptr<MonitoringServer>(std::move(server));
}

}  // namespace tokeninventory
