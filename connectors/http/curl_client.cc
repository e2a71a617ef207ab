#include "connectors/http/curl_client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kMaxHeaderBytes = 256 * 1024;
constexpr int kMaxHeaderLines = 500;
// What counts as standing still. A request has a deadline besides.
constexpr long kStallBytesPerSecond = 64;
// A vendor is asked by few sources, each with one request at a time.
constexpr long kMaxConnections = 64;

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;
using List = std::unique_ptr<curl_slist, ListDeleter>;

absl::Status AppendHeader(absl::string_view name, absl::string_view value, List& list) {
  if (value.find_first_of(absl::string_view("\r\n\0", 3)) != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("the value of ", name, " has a line break"));
  }
  // curl takes "Name;" for an empty value.
  std::string line = value.empty() ? absl::StrCat(name, ";") : absl::StrCat(name, ": ", value);
  curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
  // The line may hold a credential.
  const SecretString wiped(std::move(line));
  if (longer == nullptr) return absl::ResourceExhaustedError("out of memory");
  [[maybe_unused]] curl_slist* const same = list.release();
  list.reset(longer);
  return absl::OkStatus();
}

absl::Status StatusOf(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError("the request timed out");
    case CURLE_COULDNT_RESOLVE_HOST:
      return absl::UnavailableError("the host name cannot be resolved");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return absl::UnavailableError("the proxy's name cannot be resolved");
    case CURLE_COULDNT_CONNECT:
      return absl::UnavailableError("no connection");
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
      return absl::UnavailableError("the answer was cut off");
    case CURLE_PEER_FAILED_VERIFICATION:
      return absl::UnavailableError("the certificate is not trusted");
    // The scheme was checked with the URL: it is the answer that is no HTTP/1 (bytes that an answer
    // before it did not announce, for one).
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return absl::UnavailableError("the answer is no HTTP");
    case CURLE_URL_MALFORMAT:
      return absl::InvalidArgumentError("the URL cannot be asked");
    default:
      // A constant text of the library.
      return absl::UnavailableError(curl_easy_strerror(code));
  }
}

// One request. The sender and the thread own it together.
struct CurlTransfer {
  Easy easy;
  List headers;
  List resolve;
  std::string post_body;
  std::int64_t max_body_bytes = 0;
  // The client's, which outlives its requests.
  const AddressPolicy* addresses = nullptr;
  // Of who is connected to: the host, or the proxy.
  bool peer_is_loopback = false;

  // Written by the thread until `done`.
  HttpResponse response;
  std::size_t header_bytes = 0;
  int header_lines = 0;
  bool headers_too_large = false;
  bool body_too_large = false;
  // The kind of an address that was not connected to; empty when there was none.
  std::string refused;
  long proxy_status = 0;  // of a CONNECT; 0 when there was none

  // Guarded by the loop's mutex.
  bool cancelled = false;
  bool done = false;
  CURLcode code = CURLE_OK;
};

std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* user) {
  auto* const transfer = static_cast<CurlTransfer*>(user);
  const absl::string_view line = absl::StripAsciiWhitespace(absl::string_view(data, size * count));
  transfer->header_bytes += size * count;
  if (transfer->header_bytes > kMaxHeaderBytes || ++transfer->header_lines > kMaxHeaderLines) {
    transfer->headers_too_large = true;
    return 0;
  }
  if (absl::StartsWith(line, "HTTP/")) {
    transfer->response.headers.clear();  // an interim answer came before
    return size * count;
  }
  const std::size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return size * count;
  const std::string name = absl::AsciiStrToLower(line.substr(0, colon));
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  for (auto& [known, joined] : transfer->response.headers) {
    if (known != name) continue;
    absl::StrAppend(&joined, ", ", value);
    return size * count;
  }
  transfer->response.headers.emplace_back(name, value);
  return size * count;
}

std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* user) {
  auto* const transfer = static_cast<CurlTransfer*>(user);
  const std::size_t bytes = size * count;
  if (transfer->response.body.size() + bytes > static_cast<std::size_t>(transfer->max_body_bytes)) {
    transfer->body_too_large = true;
    return 0;
  }
  transfer->response.body.append(data, bytes);
  return bytes;
}

// Called with every address that a name resolved to, right before it is connected to:
// a name that means another address now than a moment ago gains nothing.
curl_socket_t OnOpenSocket(void* user, curlsocktype, curl_sockaddr* address) {
  auto* const transfer = static_cast<CurlTransfer*>(user);
  const std::optional<IpAddress> ip = IpAddress::Of(&address->addr, address->addrlen);
  const absl::string_view refusal =
      ip.has_value() ? transfer->addresses->Refusal(*ip, transfer->peer_is_loopback)
                     : "of no kind that is known";
  if (!refusal.empty()) {
    transfer->refused = std::string(refusal);
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

absl::Status RefusedAddress(absl::string_view kind, bool of_proxy) {
  return absl::FailedPreconditionError(absl::StrCat("the address of the ",
                                                    of_proxy ? "proxy" : "host", " is ", kind,
                                                    "; http.allowed_addresses may allow it"));
}

// Not thread-safe with other first uses of libcurl; done once.
void InitCurl() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);
}

}  // namespace

// The thread and what it works on.
class CurlClient::Loop {
 public:
  Loop() : multi_(curl_multi_init()) {
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMaxConnections);
    thread_ = std::thread([this] { Run(); });
  }

  ~Loop() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    curl_multi_cleanup(multi_);
  }

  // Blocks until the transfer is done.
  void Run(const std::shared_ptr<CurlTransfer>& transfer, const std::stop_token& stop) {
    {
      MutexLock lock(mutex_);
      if (stopping_) {
        transfer->done = true;
        transfer->cancelled = true;
        return;
      }
      incoming_.push_back(transfer);
    }
    curl_multi_wakeup(multi_);
    const std::stop_callback on_stop(stop, [&] {
      {
        MutexLock lock(mutex_);
        transfer->cancelled = true;
      }
      curl_multi_wakeup(multi_);
    });
    MutexLock lock(mutex_);
    while (!transfer->done) done_.Wait(mutex_);
  }

  bool WasCancelled(const CurlTransfer& transfer) {
    MutexLock lock(mutex_);
    return transfer.cancelled;
  }

 private:
  void Run() {
    for (;;) {
      if (!TakeWork()) break;
      int running = 0;
      curl_multi_perform(multi_, &running);
      CollectDone();
      curl_multi_poll(multi_, nullptr, 0, /*timeout_ms=*/1000, nullptr);
    }
    for (const std::shared_ptr<CurlTransfer>& transfer : active_) {
      curl_multi_remove_handle(multi_, transfer->easy.get());
    }
    MutexLock lock(mutex_);
    for (const std::shared_ptr<CurlTransfer>& transfer : active_) Finish(*transfer, true, CURLE_OK);
    for (const std::shared_ptr<CurlTransfer>& transfer : incoming_)
      Finish(*transfer, true, CURLE_OK);
    active_.clear();
    incoming_.clear();
    done_.NotifyAll();
  }

  // Adds what is new, drops what is cancelled. False when it is time to end.
  bool TakeWork() {
    std::deque<std::shared_ptr<CurlTransfer>> added;
    std::vector<std::shared_ptr<CurlTransfer>> dropped;
    {
      MutexLock lock(mutex_);
      if (stopping_) return false;
      added.swap(incoming_);
      for (const std::shared_ptr<CurlTransfer>& transfer : active_) {
        if (transfer->cancelled) dropped.push_back(transfer);
      }
    }
    for (const std::shared_ptr<CurlTransfer>& transfer : added) {
      curl_multi_add_handle(multi_, transfer->easy.get());
      active_.insert(transfer);
    }
    for (const std::shared_ptr<CurlTransfer>& transfer : dropped) {
      curl_multi_remove_handle(multi_, transfer->easy.get());
      active_.erase(transfer);
    }
    if (!dropped.empty()) {
      MutexLock lock(mutex_);
      for (const std::shared_ptr<CurlTransfer>& transfer : dropped)
        Finish(*transfer, true, CURLE_OK);
      done_.NotifyAll();
    }
    return true;
  }

  void CollectDone() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;
      const auto found = std::find_if(active_.begin(), active_.end(), [easy](const auto& transfer) {
        return transfer->easy.get() == easy;
      });
      if (found == active_.end()) continue;
      const std::shared_ptr<CurlTransfer> transfer = *found;
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      transfer->response.status = static_cast<int>(status);
      curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &transfer->proxy_status);
      curl_multi_remove_handle(multi_, easy);
      active_.erase(found);
      MutexLock lock(mutex_);
      Finish(*transfer, false, code);
      done_.NotifyAll();
    }
  }

  void Finish(CurlTransfer& transfer, bool cancelled, CURLcode code)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    transfer.cancelled |= cancelled;
    transfer.code = code;
    transfer.done = true;
  }

  CURLM* const multi_;
  Mutex mutex_;
  CondVar done_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::shared_ptr<CurlTransfer>> incoming_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<std::shared_ptr<CurlTransfer>> active_;  // the thread's
  std::thread thread_;
};

CurlClient::CurlClient(Options options)
    : options_((InitCurl(), std::move(options))),
      addresses_(options_.allowed_addresses),
      loop_(std::make_unique<Loop>()) {
  if (const absl::StatusOr<Url> proxy = ParseUrl(options_.proxy); proxy.ok()) {
    proxy_is_loopback_ = IsLoopbackHost(proxy->host);
  }
}

absl::Status CurlClient::CheckProxy(absl::string_view proxy) {
  if (absl::StrContains(proxy, "@")) {
    return absl::InvalidArgumentError(
        "holds a user or password; a proxy that asks for them is not supported");
  }
  const absl::StatusOr<Url> url = ParseUrl(proxy);
  if (!url.ok() || url->scheme != "http" || url->path != "/" || !url->query.empty() ||
      absl::StrContains(proxy, "?") || absl::StrContains(proxy, "#")) {
    return absl::InvalidArgumentError("must be http://HOST:PORT");
  }
  return absl::OkStatus();
}

CurlClient::~CurlClient() = default;

absl::StatusOr<HttpResponse> CurlClient::Send(const HttpRequest& request, std::stop_token stop) {
  auto transfer = std::make_shared<CurlTransfer>();
  transfer->easy.reset(curl_easy_init());
  if (transfer->easy == nullptr) return absl::ResourceExhaustedError("out of memory");
  transfer->max_body_bytes = options_.max_body_bytes;
  const bool host_is_loopback = IsLoopbackHost(request.url.host);
  transfer->addresses = &addresses_;
  transfer->peer_is_loopback = options_.proxy.empty() ? host_is_loopback : proxy_is_loopback_;
  // A proxy would connect to it.
  if (const std::optional<IpAddress> written = IpAddress::Parse(request.url.host)) {
    const absl::string_view refusal = addresses_.Refusal(*written, host_is_loopback);
    if (!refusal.empty()) return RefusedAddress(refusal, /*of_proxy=*/false);
  }
  for (const auto& [name, value] : request.headers) {
    TI_RETURN_IF_ERROR(AppendHeader(name, value, transfer->headers));
  }
  for (const auto& [name, value] : request.secret_headers) {
    TI_RETURN_IF_ERROR(AppendHeader(name, value.Reveal(), transfer->headers));
  }
  CURL* const easy = transfer->easy.get();
  bool good = true;
  const auto set = [easy, &good](CURLoption option, auto value) {
    good = good && curl_easy_setopt(easy, option, value) == CURLE_OK;
  };
  if (request.is_post) {
    TI_RETURN_IF_ERROR(AppendHeader("Content-Type", "application/json", transfer->headers));
    transfer->post_body = request.body;
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, transfer->post_body.c_str());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(transfer->post_body.size()));
  }
  set(CURLOPT_URL, request.url.Text().c_str());
  set(CURLOPT_HTTPHEADER, transfer->headers.get());
  set(CURLOPT_USERAGENT, "token-inventory/0.1");
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  // Set in any case: unset, the environment would say.
  set(CURLOPT_PROXY, options_.proxy.c_str());
  set(CURLOPT_NOPROXY, "");
  // A proxy learns the host, not the credential, unless the vendor is asked over http.
  set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_OPENSOCKETFUNCTION, &OnOpenSocket);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(transfer.get()));
  if (!options_.resolve.empty()) {
    for (const std::string& entry : options_.resolve) {
      transfer->resolve.reset(curl_slist_append(transfer->resolve.release(), entry.c_str()));
    }
    set(CURLOPT_RESOLVE, transfer->resolve.get());
  }
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_PIPEWAIT, 1L);
  set(CURLOPT_ACCEPT_ENCODING, "");
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(absl::ToInt64Milliseconds(options_.connect_timeout)));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(options_.request_timeout)));
  set(CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(absl::ToInt64Seconds(
                                  absl::Ceil(options_.stall_timeout, absl::Seconds(1)))));
  set(CURLOPT_HEADERFUNCTION, &OnHeader);
  set(CURLOPT_HEADERDATA, static_cast<void*>(transfer.get()));
  set(CURLOPT_WRITEFUNCTION, &OnBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(transfer.get()));
  if (!good) return absl::InternalError("this libcurl lacks an option that is needed");

  loop_->Run(transfer, stop);
  if (loop_->WasCancelled(*transfer)) return absl::CancelledError("stopped");
  if (transfer->headers_too_large) {
    return absl::ResourceExhaustedError("the answer has too many headers");
  }
  if (transfer->body_too_large) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the answer is larger than ", options_.max_body_bytes, " bytes"));
  }
  if (transfer->code == CURLE_COULDNT_CONNECT && !transfer->refused.empty()) {
    return RefusedAddress(transfer->refused, !options_.proxy.empty());
  }
  if (transfer->code != CURLE_OK && transfer->proxy_status >= 300) {
    return absl::UnavailableError(
        absl::StrCat("the proxy answers with HTTP ", transfer->proxy_status));
  }
  if (transfer->code != CURLE_OK) return StatusOf(transfer->code);
  return std::move(transfer->response);
}

}  // namespace tokeninventory
