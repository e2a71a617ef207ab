#include "connectors/page_worker/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "connectors/page_worker/frame_socket.h"
#include "connectors/page_worker/known_fields.h"

namespace tokeninventory {
namespace {

absl::Status CannotStart(const std::string& program, int error) {
  return absl::UnavailableError(
      absl::StrCat("the page worker ", program, " cannot be started: ", std::strerror(error)));
}

// How a worker ended, by itself or not, as waitpid tells it.
std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status)) {
    switch (WTERMSIG(status)) {
      case SIGKILL:
        return "was killed";
      case SIGXCPU:
        return "used more processor time than a page may";
      default:
        return absl::StrCat("crashed (signal ", WTERMSIG(status), ")");
    }
  }
  switch (WEXITSTATUS(status)) {
    case kWorkerOutOfMemory:
      return "needed more memory than it may take";
    case kWorkerNoSandbox:
      return "cannot shut itself in: this system lacks limits or seccomp filters";
    default:
      return absl::StrCat("ended with exit code ", WEXITSTATUS(status));
  }
}

// posix_spawn's two bags of settings.
class SpawnSettings {
 public:
  explicit SpawnSettings(int socket) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // Before the others: the socket may have a low number itself.
    posix_spawn_file_actions_adddup2(&actions_, socket, kWorkerSocket);
    for (int fd = 0; fd < kWorkerSocket; ++fd) {
      posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDWR, 0);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions_, kWorkerSocket + 1);
    posix_spawn_file_actions_addchdir_np(&actions_, "/");
    // Signals as a new process expects them; what is sent to the service's group
    // (Ctrl-C) is not for the worker, which ends with the socket.
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(const std::string& program,
                                                                    const WorkerLimits& limits) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return CannotStart(program, errno);
  }
  const absl::Cleanup close_theirs = [&] { close(ends[1]); };
  std::string name = program;
  std::string body = absl::StrCat(limits.max_body_bytes);
  std::string seconds = absl::StrCat(limits.page_cpu_seconds);
  std::string cache = absl::StrCat(limits.max_cache_bytes);
  char* const argv[] = {name.data(), body.data(), seconds.data(), cache.data(), nullptr};
  char* const no_environment[] = {nullptr};
  const SpawnSettings settings(ends[1]);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program.c_str(), settings.actions(), settings.attributes(),
                                argv, no_environment);
  if (error != 0) {
    close(ends[0]);
    return CannotStart(program, error);
  }
  return std::unique_ptr<WorkerProcess>(new WorkerProcess(pid, ends[0], limits));
}

WorkerProcess::~WorkerProcess() { End(); }

int WorkerProcess::End() {
  if (pid_ < 0) return 0;
  // A worker that has ended keeps its own cause of death: it is not reaped yet.
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  close(fd_);
  return status;
}

bool WorkerProcess::IsRunning() {
  if (pid_ < 0) return false;
  siginfo_t info{};
  // Leaves it to be reaped by End.
  const bool ended =
      waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid != 0;
  if (ended) End();
  return !ended;
}

absl::StatusOr<internal::v1::PageWorkerReply> WorkerProcess::Call(
    const internal::v1::PageWorkerCall& call, absl::Duration limit, const std::stop_token& stop) {
  if (pid_ < 0) return absl::UnavailableError("the page worker is no more");
  // Before it is sent, so that the worker survives.
  if (call.ByteSizeLong() > MaxCallBytes(limits_)) {
    return absl::InvalidArgumentError("the answer is larger than can be read");
  }
  const FrameDeadline deadline =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit);
  absl::StatusOr<std::string> frame;
  {
    // Ends whatever waits on the socket; which stays open for as long as this can run.
    const std::stop_callback on_stop(stop, [fd = fd_] { shutdown(fd, SHUT_RDWR); });
    FrameSocket socket(fd_);
    absl::Status sent = socket.Send(call.SerializeAsString(), deadline);
    frame = sent.ok() ? socket.Receive(MaxReplyBytes(limits_), deadline)
                      : absl::StatusOr<std::string>(std::move(sent));
  }
  if (stop.stop_requested()) {
    End();
    return absl::CancelledError("stopped");
  }
  switch (frame.status().code()) {
    case absl::StatusCode::kOk:
      break;
    case absl::StatusCode::kDeadlineExceeded:
      End();
      return absl::DeadlineExceededError("the page worker takes too long");
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError(absl::StrCat("the page worker ", DescribeEnd(End())));
    default:
      End();
      return absl::InvalidArgumentError("the page maps to more than can be taken");
  }
  internal::v1::PageWorkerReply reply;
  if (!reply.ParseFromString(*frame)) {
    End();
    return absl::InvalidArgumentError("the page worker answers nonsense");
  }
  static const auto* const known = new KnownFields(internal::v1::PageWorkerReply::descriptor());
  if (!known->Cover(*frame)) reply.DiscardUnknownFields();
  return reply;
}

}  // namespace tokeninventory
