#include "block.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>

namespace host_cuda {

std::optional<Defect> Block::run(const Launch& launch, uint3 index, const Settings& settings) {
  start(launch, index, settings);
  running_block = this;
  while (returned_ < threads_ && !found_) {
    if (order_kind_ == Order::shuffled) arrange_order();
    bool progress = false;
    for (const unsigned number : order_) {
      if (lanes_[number].state != LaneState::ready) continue;
      progress = true;
      resume(number);
      if (found_) break;
    }
    if (found_) break;
    if (!progress || waiting_ + returned_ == threads_) {
      try {
        if (returned_ < threads_) settle();
      } catch (const Defect& defect) {
        fail(nullptr, defect);
      }
    }
  }
  running_block = nullptr;
  running_lane = nullptr;
  return std::exchange(found_, std::nullopt);
}

void Block::start(const Launch& launch, uint3 index, const Settings& settings) {
  launch_ = &launch;
  index_ = index;
  threads_ = launch.block.x * launch.block.y * launch.block.z;
  returned_ = waiting_ = 0;
  predicate_count_ = 0;
  order_kind_ = settings.lanes;
  random_ = settings.seed * 0x9e3779b97f4a7c15u + index.x + (uint64_t{index.y} << 24) + (uint64_t{index.z} << 40) + 1;
  while (fibers_.size() < threads_) fibers_.push_back(std::make_unique<Fiber>());
  if (lanes_.size() < threads_) lanes_.resize(threads_);
  for (unsigned i = 0; i < threads_; ++i) {
    Lane& lane = lanes_[i];
    lane.number = i;
    lane.index = {i % launch.block.x, i / launch.block.x % launch.block.y, i / (launch.block.x * launch.block.y)};
    lane.state = LaneState::ready;
    lane.groups.clear();
    lane.open_group.clear();
    fibers_[i]->start(run_lane, &lane);
  }
  warps_.assign((threads_ + 31) / 32, {});
  order_.resize(threads_);
  std::iota(order_.begin(), order_.end(), 0u);
  if (order_kind_ == Order::descending) std::reverse(order_.begin(), order_.end());
  shared_.start_block(launch.shared_bytes, settings.races);
  blockIdx = index;
  blockDim = launch.block;
  gridDim = launch.grid;
}

void Block::arrange_order() {
  for (size_t i = order_.size(); i > 1; --i) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    std::swap(order_[i - 1], order_[random_ % i]);
  }
}

void Block::resume(unsigned number) {
  Lane& lane = lanes_[number];
  running_lane = &lane;
  threadIdx = lane.index;
  fibers_[number]->resume();
}

void Block::run_lane(void* argument) {
  Lane& lane = *static_cast<Lane*>(argument);
  Block& block = *running_block;
  try {
    block.launch_->lane();
  } catch (const Defect& found) {
    block.fail(&lane, found);
  } catch (const std::exception& error) {
    block.fail(&lane, {cudaErrorLaunchFailure, std::string("exception in a kernel: ") + error.what()});
  }
  lane.state = LaneState::returned;
  block.warps_[lane.warp()].returned |= 1u << lane.in_warp();
  ++block.returned_;
}

int Block::wait_at_barrier(Lane& lane, const char* operation, int predicate, const Site& site) {
  lane.operation = operation;
  lane.site = site;
  lane.predicate = predicate != 0;
  lane.state = LaneState::at_barrier;
  ++waiting_;
  Fiber::suspend();
  return predicate_count_;
}

void Block::settle() {
  const Lane* first = nullptr;
  for (unsigned i = 0; i < threads_; ++i) {
    const Lane& lane = lanes_[i];
    if (lane.state != LaneState::at_barrier) report_standstill();
    if (!first) first = &lane;
    if (std::strcmp(lane.operation, first->operation) != 0 || lane.site.line() != first->site.line() ||
        lane.site.column() != first->site.column()) {
      report_standstill();
    }
  }
  predicate_count_ = 0;
  for (unsigned i = 0; i < threads_; ++i) {
    predicate_count_ += lanes_[i].predicate;
    lanes_[i].state = LaneState::ready;
  }
  waiting_ = 0;
  ++barriers_;
  shared_.clock().block_barrier();
}

// Every lane waits for something that cannot come. The first lanes of different kinds tell the story.
void Block::report_standstill() const {
  std::string text;
  bool barrier = false;
  std::vector<std::string> seen;
  for (unsigned i = 0; i < threads_; ++i) {
    const Lane& lane = lanes_[i];
    std::string what = lane.state == LaneState::returned
                           ? "has returned"
                           : std::string("waits at ") + lane.operation + " (" + describe(lane.site) + ")";
    barrier = barrier || lane.state == LaneState::at_barrier;
    bool known = false;
    for (const std::string& other : seen) known = known || other == what;
    if (known || seen.size() == 4) continue;
    text += (text.empty() ? "" : ", ") + std::string("thread ") + std::to_string(i) + " " + what;
    seen.push_back(std::move(what));
  }
  throw Defect{cudaErrorLaunchFailure,
               (barrier ? "divergent barrier: " : "a warp operation that not all its lanes come to: ") + text};
}

void Block::meet(Lane& lane, const char* operation, unsigned mask, void* arguments, Resolve resolve,
                 const Site& site) {
  const unsigned first = lane.warp() * 32;
  const unsigned lanes = std::min(32u, threads_ - first);
  const unsigned present = lanes == 32 ? ~0u : (1u << lanes) - 1;
  const auto refuse = [&](const std::string& why) {
    defect(cudaErrorLaunchFailure, std::string(operation) + " (" + describe(site) + "): the mask " + why);
  };
  if (!(mask >> lane.in_warp() & 1)) {
    refuse("does not name the calling lane " + std::to_string(lane.in_warp()));
  }
  if (mask & ~present) {
    refuse("names lane " + std::to_string(std::countr_zero(mask & ~present)) + " of a warp that has " +
           std::to_string(lanes));
  }
  lane.operation = operation;
  lane.site = site;
  lane.mask = mask;
  lane.arguments = arguments;
  lane.state = LaneState::at_collective;
  WarpLanes& warp_lanes = warps_[lane.warp()];
  warp_lanes.waiting |= 1u << lane.in_warp();
  if (mask & warp_lanes.returned) {
    refuse("names lane " + std::to_string(std::countr_zero(mask & warp_lanes.returned)) + ", which has returned");
  }
  if (mask & ~warp_lanes.waiting) return Fiber::suspend();
  Warp warp{{}, mask};
  for (unsigned i = 0; i < lanes; ++i) {
    if (!(mask >> i & 1)) continue;
    const Lane& other = lanes_[first + i];
    const bool here = other.mask == mask && other.operation == operation && other.site.line() == site.line() &&
                      other.site.column() == site.column();
    if (!here) return Fiber::suspend();
    warp.arguments[i] = other.arguments;
  }
  if (resolve) resolve(warp);
  for (unsigned i = 0; i < lanes; ++i) {
    if (mask >> i & 1) lanes_[first + i].state = LaneState::ready;
  }
  warp_lanes.waiting &= ~mask;
  ++collectives_;
}

std::string Block::place_of(const Lane& lane) const {
  const auto triple = [](uint3 v) {
    return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
  };
  return "block " + triple(index_) + ", thread " + triple(lane.index);
}

void Block::fail(const Lane* lane, const Defect& found) {
  if (found_) return;
  const std::string place =
      lane ? place_of(*lane)
           : "block " + std::to_string(index_.x) + ", " + std::to_string(index_.y) + ", " + std::to_string(index_.z);
  found_ = Defect{found.code, place + ": " + found.text};
}

}  // namespace host_cuda
