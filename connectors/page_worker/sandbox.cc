#include "connectors/page_worker/sandbox.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#ifndef TI_SANITIZED
#include <seccomp.h>
#endif

namespace tokeninventory {
namespace {

bool Limit(__rlimit_resource resource, rlim_t most) {
  const rlimit limit{most, most};
  return setrlimit(resource, &limit) == 0;
}

#ifndef TI_SANITIZED
// Owns a filter.
class SyscallFilter {
 public:
  SyscallFilter() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM))), ok_(filter_ != nullptr) {}
  ~SyscallFilter() {
    if (filter_ != nullptr) seccomp_release(filter_);
  }
  SyscallFilter(const SyscallFilter&) = delete;
  SyscallFilter& operator=(const SyscallFilter&) = delete;

  // Where the first arguments, if any are given, are as they must be.
  template <typename... Arguments>
  void Allow(int call, Arguments... arguments) {
    ok_ = ok_ &&
          seccomp_rule_add(filter_, SCMP_ACT_ALLOW, call, sizeof...(arguments), arguments...) == 0;
  }

  bool Load() {
    // The watchdog's thread too.
    return ok_ && seccomp_attr_set(filter_, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
           seccomp_load(filter_) == 0;
  }

 private:
  const scmp_filter_ctx filter_;
  bool ok_;
};

scmp_arg_cmp Is(unsigned argument, scmp_datum_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }

// None of `bits`.
scmp_arg_cmp Lacks(unsigned argument, scmp_datum_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

bool LeaveOnlyComputing() {
  SyscallFilter filter;
  for (const int call : {SCMP_SYS(read),
                         SCMP_SYS(write),
                         SCMP_SYS(recvfrom),
                         SCMP_SYS(sendto),
                         SCMP_SYS(poll),
                         SCMP_SYS(ppoll),
                         SCMP_SYS(close),
                         SCMP_SYS(munmap),
                         SCMP_SYS(mremap),
                         SCMP_SYS(brk),
                         SCMP_SYS(madvise),
                         SCMP_SYS(futex),
                         SCMP_SYS(clock_gettime),
                         SCMP_SYS(gettimeofday),
                         SCMP_SYS(clock_nanosleep),
                         SCMP_SYS(sched_yield),
                         SCMP_SYS(restart_syscall),
                         SCMP_SYS(getrandom),
                         SCMP_SYS(getpid),
                         SCMP_SYS(gettid),
                         SCMP_SYS(rt_sigprocmask),
                         SCMP_SYS(rt_sigaction),
                         SCMP_SYS(rt_sigreturn),
                         SCMP_SYS(exit),
                         SCMP_SYS(exit_group)}) {
    filter.Allow(call);
  }
  // Memory is for data.
  filter.Allow(SCMP_SYS(mmap), Lacks(2, PROT_EXEC));
  filter.Allow(SCMP_SYS(mprotect), Lacks(2, PROT_EXEC));
  // abort() raises a signal in the process itself.
  filter.Allow(SCMP_SYS(tgkill), Is(0, static_cast<scmp_datum_t>(getpid())));
  // AllowCpuTime.
  filter.Allow(SCMP_SYS(prlimit64), Is(0, 0), Is(1, RLIMIT_CPU));
  return filter.Load();
}
#endif

}  // namespace

bool EnterSandbox(const WorkerLimits& limits) {
  // A core would hold a vendor's page. No file grows, no descriptor is opened.
  bool ok =
      Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_FSIZE, 0) && Limit(RLIMIT_NOFILE, kWorkerSocket + 1);
  ok = ok && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
#ifdef TI_SANITIZED
  static_cast<void>(limits);
  return ok;
#else
  return ok && Limit(RLIMIT_AS, WorkerMemory(limits)) && LeaveOnlyComputing();
#endif
}

void AllowCpuTime(int seconds) {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  // The kernel counts whole seconds. The hard limit stays: it could not be raised again.
  const rlimit limit{static_cast<rlim_t>(used.tv_sec + 1 + seconds), RLIM_INFINITY};
  setrlimit(RLIMIT_CPU, &limit);
}

}  // namespace tokeninventory
