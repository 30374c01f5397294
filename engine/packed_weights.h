// Packed parameters that the plans of one context share: blocks of equal bytes are there once, whatever they were
// packed from. That needs no rule about which layers, layouts and precisions agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/ops.h"

namespace nad {

class Backend;  // engine/context.h

// Memory of a backend. Freed when the last owner lets go. Aligned to 256 bytes, zero-filled.
using Buffer = std::shared_ptr<std::byte>;

class PackedWeights {
 public:
  // A block that is still in use and holds the `bytes` bytes at `data`, which the host can read; or else what make()
  // returns, a block of the backend with these bytes that nobody writes to any more. It is remembered, not kept alive.
  Buffer share(Backend& backend, const std::byte* data, size_t bytes, const std::function<Buffer()>& make);
  // True the first time that this parameter is added, as long as it lives.
  bool add(const Param& weight);

 private:
  struct Block {
    std::weak_ptr<std::byte> memory;
    size_t bytes = 0;
  };
  std::unordered_multimap<uint64_t, Block> blocks_;  // by a hash of their bytes
  std::vector<std::weak_ptr<const HostTensor>> in_place_;
};

}  // namespace nad
