#include "engine/packed_weights.h"

#include <algorithm>
#include <cstring>

#include "engine/context.h"

namespace nad {
namespace {

constexpr size_t kPiece = size_t{1} << 20;  // bytes that are looked at together

// Calls visit(offset, bytes, pointer on the host) for one piece of a block after the other, until it returns false.
template <class Visit>
void each_piece(Backend& backend, const Buffer& block, size_t bytes, Visit&& visit) {
  std::vector<std::byte> piece(std::min(bytes, kPiece));
  for (size_t at = 0; at < bytes; at += kPiece) {
    const size_t count = std::min(kPiece, bytes - at);
    backend.download(piece.data(), block.get() + at, count);
    if (!visit(at, count, piece.data())) return;
  }
}

uint64_t hash_of(Backend& backend, const Buffer& block, size_t bytes) {
  uint64_t hash = bytes;
  each_piece(backend, block, bytes, [&](size_t, size_t count, const std::byte* data) {
    for (size_t i = 0; i < count; i += 8) {
      uint64_t word = 0;
      std::memcpy(&word, data + i, std::min<size_t>(8, count - i));
      hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
      hash ^= hash >> 29;
    }
    return true;
  });
  return hash;
}

bool equal(Backend& backend, const Buffer& a, const Buffer& b, size_t bytes) {
  bool same = true;
  std::vector<std::byte> other(std::min(bytes, kPiece));
  each_piece(backend, a, bytes, [&](size_t at, size_t count, const std::byte* data) {
    backend.download(other.data(), b.get() + at, count);
    return same = std::memcmp(data, other.data(), count) == 0;
  });
  return same;
}

}  // namespace

Buffer PackedWeights::share(Backend& backend, Buffer packed, size_t bytes) {
  const uint64_t hash = hash_of(backend, packed, bytes);
  auto [i, end] = blocks_.equal_range(hash);
  while (i != end) {
    const Buffer held = i->second.memory.lock();
    if (held && (held == packed || (i->second.bytes == bytes && equal(backend, held, packed, bytes)))) return held;
    i = held ? std::next(i) : blocks_.erase(i);
  }
  blocks_.emplace(hash, Block{packed, bytes});
  return packed;
}

bool PackedWeights::add(const Param& weight) {
  std::erase_if(in_place_, [](const auto& held) { return held.expired(); });
  const auto same = [&](const auto& held) { return held.lock() == weight; };
  if (std::any_of(in_place_.begin(), in_place_.end(), same)) return false;
  in_place_.emplace_back(weight);
  return true;
}

}  // namespace nad
