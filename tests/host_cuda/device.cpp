#include "device.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

namespace host_cuda {

// Kernels do not know the model's objects, and neither do CUDA's: the device is the process's.
Device& device() {
  static Device* const instance = [] {  // outlives every static object that frees memory at exit
    auto* made = new Device;
    // For programs that are tested from outside.
    if (const char* bytes = std::getenv("HOST_CUDA_MEMORY")) made->settings.memory_bytes = std::stoull(bytes);
    return made;
  }();
  return *instance;
}

Settings& settings() { return device().settings; }
std::string last_finding() { return device().finding; }

Statistics statistics() {
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  Statistics s;
  s.launches = d.launches;
  for (const auto& block : d.blocks) {
    s.barriers += block->barriers();
    s.collectives += block->collectives();
  }
  s.allocations = d.allocations();
  s.allocated_bytes = d.allocated_bytes();
  return s;
}

void reset() {
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  d.drop_pending();
  d.settings = Settings{};
  d.finding.clear();
  d.last_error = cudaSuccess;
}

void refuse(cudaError_t code, const std::string& text) { throw Defect{code, text}; }

cudaError_t guarded(const std::function<void()>& body) {
  Device& d = device();
  const std::lock_guard lock(d.mutex);
  if (running_lane) return cudaErrorNotSupported;  // the runtime is not called from kernels
  try {
    body();
    return cudaSuccess;
  } catch (const Defect& defect) {
    d.last_error = defect.code;
    d.finding = defect.text;
    d.finding_code = defect.code;
    const bool lost = defect.code == cudaErrorIllegalAddress || defect.code == cudaErrorMisalignedAddress ||
                      defect.code == cudaErrorLaunchFailure;
    if (lost) d.drop_pending();
    return defect.code;
  }
}

Allocation* Device::allocate(size_t bytes, bool on_device) {
  if (on_device && settings.failing_allocation > 0 && --settings.failing_allocation == 0)
    refuse(cudaErrorMemoryAllocation);
  if (on_device && bytes > settings.memory_bytes - std::min(settings.memory_bytes, allocated_bytes_)) {
    refuse(cudaErrorMemoryAllocation);
  }
  allocations_.push_back(
      std::make_unique<Allocation>(bytes, on_device, static_cast<int64_t>(allocations_.size()) + 1));
  Allocation* allocation = allocations_.back().get();
  live_[reinterpret_cast<uintptr_t>(allocation->data())] = allocation;
  if (on_device) {
    allocated_bytes_ += bytes;
    ++device_allocations_;
  }
  return allocation;
}

void Device::free(Allocation* allocation) {
  const std::string damage = allocation->check_guards();
  live_.erase(reinterpret_cast<uintptr_t>(allocation->data()));
  if (allocation->device()) {
    allocated_bytes_ -= allocation->size();
    --device_allocations_;
  }
  allocation->release();
  if (!damage.empty()) refuse(cudaErrorIllegalAddress, damage);
}

Allocation* Device::find(const void* address) const {
  const auto value = reinterpret_cast<uintptr_t>(address);
  auto after = live_.upper_bound(value);
  if (after == live_.begin()) return nullptr;
  Allocation* allocation = std::prev(after)->second;
  return value <= reinterpret_cast<uintptr_t>(allocation->data()) + allocation->size() ? allocation : nullptr;
}

int64_t Device::allocations() const { return device_allocations_; }

void Device::check_guards() {
  for (const auto& [address, allocation] : live_) {
    const std::string damage = allocation->check_guards();
    if (!damage.empty()) refuse(cudaErrorIllegalAddress, damage);
  }
}

void Device::run_grid(const Launch& launch) {
  const uint64_t count = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  std::vector<uint32_t> order(settings.blocks == Order::shuffled ? count : 0);
  for (uint64_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
  uint64_t random = settings.seed * 0x9e3779b97f4a7c15u + 1;
  for (uint64_t i = order.size(); i > 1; --i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    std::swap(order[i - 1], order[(random >> 33) % i]);
  }
  std::atomic<uint64_t> next = 0;
  std::atomic<bool> stop = false;
  std::mutex found_mutex;
  std::optional<Defect> found;
  const auto work = [&](Block& block) {
    for (uint64_t i = next++; i < count && !stop; i = next++) {
      const uint64_t b = settings.blocks == Order::ascending    ? i
                         : settings.blocks == Order::descending ? count - 1 - i
                                                                : order[i];
      const uint3 index{static_cast<unsigned>(b % launch.grid.x),
                        static_cast<unsigned>(b / launch.grid.x % launch.grid.y),
                        static_cast<unsigned>(b / launch.grid.x / launch.grid.y)};
      auto result = block.run(launch, index, settings);
      if (!result) continue;
      stop = true;
      const std::lock_guard lock(found_mutex);
      if (!found) found = std::move(result);
    }
  };
  const auto workers = static_cast<size_t>(
      std::clamp<int64_t>(settings.workers, 1, static_cast<int64_t>(std::min<uint64_t>(count, 64))));
  while (blocks.size() < workers) blocks.push_back(std::make_unique<Block>());
  {
    std::vector<std::jthread> others;
    for (size_t w = 1; w < workers; ++w) others.emplace_back([&, w] { work(*blocks[w]); });
    work(*blocks[0]);
  }
  ++launches;
  if (found) throw *found;
  check_guards();
}

Stream& Device::stream(cudaStream_t handle) {
  if (!handle) return default_stream_;
  for (const auto& s : streams) {
    if (s.get() == handle) return *s;
  }
  refuse(cudaErrorInvalidResourceHandle, "the stream was destroyed or never created");
}

void Device::refuse_in_capture(const char* call) {
  bool refused = false;
  for (const auto& capture : captures) {
    if (!capture->restricted) continue;
    capture->invalid = refused = true;
  }
  if (refused) refuse(cudaErrorStreamCaptureUnsupported, std::string(call) + " while a stream captures");
}

void Device::enqueue(Stream& stream, OperationPtr operation) {
  if (stream.capture) {
    if (stream.capture->invalid) refuse(cudaErrorStreamCaptureInvalidated, "the capture was lost by an earlier call");
    operation->after = stream.tips;
    stream.tips = {operation};
    stream.capture->graph.list->nodes.push_back(std::move(operation));
    return;
  }
  const bool is_default = &stream == &default_stream_;
  if (is_default) {
    for (const auto& capture : captures) {
      if (!capture->origin->blocking) continue;
      capture->invalid = true;
      refuse(cudaErrorStreamCaptureImplicit, "work on the default stream while a blocking stream captures");
    }
  }
  if (stream.last) operation->after.push_back(stream.last);
  // The default stream and blocking streams are in order with each other.
  if (is_default) {
    for (const auto& other : streams) {
      if (other->blocking && other->last) operation->after.push_back(other->last);
    }
  } else if (stream.blocking && default_stream_.last) {
    operation->after.push_back(default_stream_.last);
  }
  stream.last = operation;
  ++pending_;
  if (settings.eager) return finish(operation);
  if (pending_ > most_pending) finish_all();
}

void Device::finish(const OperationPtr& operation) {
  std::vector<OperationPtr> stack;
  if (operation && !operation->done) stack.push_back(operation);
  while (!stack.empty()) {
    const OperationPtr top = stack.back();
    OperationPtr missing;
    for (const auto& before : top->after) {
      if (before->done) continue;
      missing = before;
      if (!settings.late_first) break;
    }
    if (missing) {
      stack.push_back(missing);
      continue;
    }
    stack.pop_back();
    if (top->done) continue;
    top->done = true;
    --pending_;
    top->after.clear();
    if (top->run) top->run();
    top->finished = std::chrono::steady_clock::now();
    top->run = nullptr;
  }
}

void Device::finish_all() {
  std::vector<OperationPtr> last;
  last.push_back(default_stream_.last);
  for (const auto& s : streams) last.push_back(s->last);
  if (settings.late_first) std::reverse(last.begin(), last.end());
  for (const auto& operation : last) finish(operation);
}

void Device::drop_pending() {
  const auto clear = [](Stream& s) {
    s.last = nullptr;
    s.capture = nullptr;
    s.tips.clear();
  };
  clear(default_stream_);
  for (const auto& s : streams) clear(*s);
  for (const auto& e : events) {
    // What an event waits for will not come: it counts as done.
    if (e->recorded) {
      e->recorded->done = true;
      e->recorded->after.clear();
    }
    e->capture = nullptr;
    e->tips.clear();
  }
  captures.clear();
  pending_ = 0;
}

void run_nodes(const std::vector<OperationPtr>& nodes) {
  if (!device().settings.late_first) {
    for (const auto& node : nodes) {
      if (node->run) node->run();
    }
    return;
  }
  // Always the latest captured node of those that may run.
  std::set<const Operation*> done;
  while (done.size() < nodes.size()) {
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      bool ready = done.count(node->get()) == 0;
      for (const auto& before : (*node)->after) ready = ready && done.count(before.get()) > 0;
      if (!ready) continue;
      if ((*node)->run) (*node)->run();
      done.insert(node->get());
      break;
    }
  }
}

}  // namespace host_cuda
