// The process's one device, as CUDA has it: memory, streams, the last error. Internal to the model.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "block.h"
#include "host_cuda/control.h"
#include "host_cuda/memory.h"

namespace host_cuda {

// One piece of enqueued work, in a stream or in a graph.
struct Operation {
  enum class Kind { kernel, copy, fill, host_function, event, wait, graph };
  Kind kind = Kind::event;
  std::function<void()> run;  // throws Defect
  const void* kernel = nullptr;
  std::vector<std::shared_ptr<Operation>> after;  // what must be done before
  bool done = false;
  std::chrono::steady_clock::time_point finished{};
};
using OperationPtr = std::shared_ptr<Operation>;

// In the order of capture; `after` names other nodes of the same list.
struct NodeList {
  std::vector<OperationPtr> nodes;
  ~NodeList() {
    while (!nodes.empty()) nodes.pop_back();  // from the end: long chains of `after` are not followed recursively
  }
};
struct Graph {
  std::shared_ptr<NodeList> list = std::make_shared<NodeList>();
};
struct GraphExec {
  std::shared_ptr<NodeList> list;
};

struct Capture {
  Stream* origin = nullptr;
  bool restricted = true;  // not the relaxed mode
  bool invalid = false;
  std::set<Stream*> streams;
  Graph graph;
};

struct Stream {
  bool blocking = true;  // in order with the default stream
  OperationPtr last;
  std::shared_ptr<Capture> capture;
  std::vector<OperationPtr> tips;  // of the capture: what the next node comes after
};

struct Event {
  bool timed = true;
  OperationPtr recorded;
  std::shared_ptr<Capture> capture;
  std::vector<OperationPtr> tips;
};

class Device {
 public:
  Device() = default;
  std::recursive_mutex mutex;
  Settings settings;
  std::string finding;
  cudaError_t finding_code = cudaSuccess;  // the error that the finding explains
  cudaError_t last_error = cudaSuccess;
  int64_t launches = 0;
  std::unordered_map<const void*, int> shared_limits;  // kernels that asked for more dynamic shared memory

  // Memory
  Allocation* allocate(size_t bytes, bool device);
  void free(Allocation* allocation);
  Allocation* find(const void* address) const;  // also one past the end
  const std::map<uintptr_t, Allocation*>& live() const { return live_; }
  size_t allocated_bytes() const { return allocated_bytes_; }
  int64_t allocations() const;
  void check_guards();

  // Work
  Stream& stream(cudaStream_t handle);  // null: the default stream
  std::vector<std::unique_ptr<Stream>> streams;
  void enqueue(Stream& stream, OperationPtr operation);
  void finish(const OperationPtr& operation);  // runs it and all that it comes after
  void finish_all();
  void drop_pending();
  std::set<std::shared_ptr<Capture>> captures;
  // Throws where a stream captures and this call may not be made then. The capture is lost.
  void refuse_in_capture(const char* call);

  void run_grid(const Launch& launch);
  std::vector<std::unique_ptr<Block>> blocks;  // one per worker
  std::vector<std::unique_ptr<Event>> events;

 private:
  static constexpr int64_t most_pending = 1024;  // then the device catches up by itself
  Stream default_stream_;
  int64_t pending_ = 0;
  std::vector<std::unique_ptr<Allocation>> allocations_;  // all that ever were
  std::map<uintptr_t, Allocation*> live_;
  size_t allocated_bytes_ = 0;
  int64_t device_allocations_ = 0;
};

Device& device();

// Runs the body of an API call: one at a time, findings become error codes, pending work is dropped after one.
cudaError_t guarded(const std::function<void()>& body);
void require_device();  // a driver that is new enough, and a device
[[noreturn]] void refuse(cudaError_t code, const std::string& text = "");

// The order in which graph nodes run (settings: late_first).
void run_nodes(const std::vector<OperationPtr>& nodes);

}  // namespace host_cuda
