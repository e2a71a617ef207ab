// A simulated world that changes while a test does something else.
#pragma once

#include <thread>

#include "base/mutex.h"
#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory::testing {

// Makes some two hundred changes a second until destroyed.
class ChurnThread {
 public:
  explicit ChurnThread(vendor_sim::VendorSim& sim) : thread_([this, &sim] { Run(sim); }) {}
  ~ChurnThread() {
    {
      MutexLock lock(mutex_);
      stop_ = true;
    }
    wake_.NotifyAll();
    thread_.join();
  }

 private:
  void Run(vendor_sim::VendorSim& sim) {
    MutexLock lock(mutex_);
    while (!stop_) {
      sim.ApplyChurn(3);
      wake_.WaitFor(mutex_, std::chrono::milliseconds(15));
    }
  }

  Mutex mutex_;
  CondVar wake_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace tokeninventory::testing
