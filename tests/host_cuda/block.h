// One block of a grid: its lanes as fibers, its barriers, its shared memory.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "fiber.h"
#include "host_cuda/control.h"
#include "host_cuda/launch.h"
#include "shared_memory.h"

namespace host_cuda {

// Used again and again by one OS thread, so that stacks and shared memory are made once.
class Block {
 public:
  // Runs all threads of the block; the first finding, with block and thread, ends it.
  std::optional<Defect> run(const Launch& launch, uint3 index, const Settings& settings);

  SharedMemory& shared() { return shared_; }
  int64_t barriers() const { return barriers_; }
  int64_t collectives() const { return collectives_; }

  int wait_at_barrier(Lane& lane, const char* operation, int predicate, const Site& site);
  void meet(Lane& lane, const char* operation, unsigned mask, void* arguments, Resolve resolve, const Site& site);

 private:
  static void run_lane(void* lane);
  void start(const Launch& launch, uint3 index, const Settings& settings);
  void resume(unsigned number);
  void arrange_order();
  void settle();  // nobody can go on: release the barrier, or say why not
  [[noreturn]] void report_standstill() const;
  std::string place_of(const Lane& lane) const;
  void fail(const Lane* lane, const Defect& found);

  const Launch* launch_ = nullptr;
  uint3 index_{};
  unsigned threads_ = 0, returned_ = 0, waiting_ = 0;
  int predicate_count_ = 0;
  Order order_kind_ = Order::ascending;
  uint64_t random_ = 1;
  std::vector<unsigned> order_;
  struct WarpLanes {
    unsigned waiting = 0, returned = 0;  // a bit per lane: at a warp-wide operation, done with the kernel
  };
  std::vector<WarpLanes> warps_;
  std::vector<Lane> lanes_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  SharedMemory shared_;
  std::optional<Defect> found_;
  int64_t barriers_ = 0, collectives_ = 0;
};

}  // namespace host_cuda
