// Barriers, shuffles, votes and warp reductions under CUDA's names. A mask must name the caller and only lanes that
// exist, have not returned, and come to the same operation at the same place; CUDA leaves everything else undefined.
#pragma once

#include <cstring>
#include <type_traits>

#include "host_cuda/lane.h"

namespace host_cuda {

struct ShuffleArguments {
  uint64_t value;
  int source;  // lane to read
  uint64_t result;
};

inline void resolve_shuffle(Warp& warp) {
  for (int lane = 0; lane < 32; ++lane) {
    auto* mine = static_cast<ShuffleArguments*>(warp.arguments[lane]);
    if (!mine) continue;
    const auto* other = static_cast<const ShuffleArguments*>(warp.arguments[mine->source]);
    if (!other) {
      defect(cudaErrorLaunchFailure, "shuffle: lane " + std::to_string(lane) + " reads lane " +
                                         std::to_string(mine->source) + ", which the mask does not name");
    }
    mine->result = other->value;
  }
}

template <class T>
T shuffle(const char* operation, unsigned mask, T value, int source, const Site& site) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  ShuffleArguments arguments{0, source, 0};
  std::memcpy(&arguments.value, &value, sizeof(T));
  collective(operation, mask, &arguments, resolve_shuffle, site);
  T result;
  std::memcpy(&result, &arguments.result, sizeof(T));
  return result;
}

struct VoteArguments {
  unsigned value;
  unsigned result;
};

template <class Combine>
void resolve_vote(Warp& warp, unsigned start, Combine combine) {
  unsigned all = start;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (auto* a = static_cast<VoteArguments*>(warp.arguments[lane])) all = combine(all, a->value, lane);
  }
  for (void* a : warp.arguments) {
    if (a) static_cast<VoteArguments*>(a)->result = all;
  }
}

inline unsigned vote(const char* operation, unsigned mask, unsigned value, Resolve resolve, const Site& site) {
  VoteArguments arguments{value, 0};
  collective(operation, mask, &arguments, resolve, site);
  return arguments.result;
}

inline unsigned ballot(const char* operation, unsigned mask, int predicate, const Site& site) {
  return vote(
      operation, mask, predicate != 0,
      [](Warp& warp) {
        resolve_vote(warp, 0, [](unsigned all, unsigned value, unsigned lane) { return all | value << lane; });
      },
      site);
}

inline int lane_in_warp(const char* operation) { return static_cast<int>(this_lane(operation).in_warp()); }

}  // namespace host_cuda

inline void __syncthreads(const host_cuda::Site& site = host_cuda::Site::current()) {
  host_cuda::block_barrier("__syncthreads", 0, site);
}
inline int __syncthreads_count(int predicate, const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::block_barrier("__syncthreads_count", predicate, site);
}
inline int __syncthreads_or(int predicate, const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::block_barrier("__syncthreads_or", predicate, site) != 0;
}
inline int __syncthreads_and(int predicate, const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::block_barrier("__syncthreads_and", !predicate, site) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, const host_cuda::Site& site = host_cuda::Site::current()) {
  host_cuda::warp_barrier(mask, site);
}
// Memory fences order what this model runs in order anyway.
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              const host_cuda::Site& site = host_cuda::Site::current()) {
  const int lane = host_cuda::lane_in_warp("__shfl_sync");
  return host_cuda::shuffle("__shfl_sync", mask, value, (lane & ~(width - 1)) | (source & (width - 1)), site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 const host_cuda::Site& site = host_cuda::Site::current()) {
  const int lane = host_cuda::lane_in_warp("__shfl_up_sync");
  const int source = lane - static_cast<int>(delta);
  return host_cuda::shuffle("__shfl_up_sync", mask, value, source < (lane & ~(width - 1)) ? lane : source, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   const host_cuda::Site& site = host_cuda::Site::current()) {
  const int lane = host_cuda::lane_in_warp("__shfl_down_sync");
  const int source = lane + static_cast<int>(delta);
  return host_cuda::shuffle("__shfl_down_sync", mask, value, source > (lane | (width - 1)) ? lane : source, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  const host_cuda::Site& site = host_cuda::Site::current()) {
  const int lane = host_cuda::lane_in_warp("__shfl_xor_sync");
  const int source = lane ^ bits;
  return host_cuda::shuffle("__shfl_xor_sync", mask, value, source > (lane | (width - 1)) ? lane : source, site);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::ballot("__ballot_sync", mask, predicate, site);
}
inline int __any_sync(unsigned mask, int predicate, const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::ballot("__any_sync", mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::ballot("__all_sync", mask, predicate, site) == mask;
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned value,
                                  const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::vote(
      "__reduce_add_sync", mask, value,
      [](host_cuda::Warp& warp) {
        host_cuda::resolve_vote(warp, 0, [](unsigned all, unsigned v, unsigned) { return all + v; });
      },
      site);
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value,
                                  const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::vote(
      "__reduce_max_sync", mask, value,
      [](host_cuda::Warp& warp) {
        host_cuda::resolve_vote(warp, 0, [](unsigned all, unsigned v, unsigned) { return all > v ? all : v; });
      },
      site);
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value,
                                  const host_cuda::Site& site = host_cuda::Site::current()) {
  return host_cuda::vote(
      "__reduce_min_sync", mask, value,
      [](host_cuda::Warp& warp) {
        host_cuda::resolve_vote(warp, ~0u, [](unsigned all, unsigned v, unsigned) { return all < v ? all : v; });
      },
      site);
}
