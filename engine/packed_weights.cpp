#include "engine/packed_weights.h"

#include <algorithm>
#include <cstring>

#include "engine/context.h"
#include "engine/parallel.h"

namespace nad {
namespace {

constexpr size_t kPiece = size_t{1} << 20;  // bytes that are looked at together

uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

uint64_t hash_of_piece(const std::byte* data, size_t bytes) {
  uint64_t hash = bytes;
  for (size_t i = 0; i < bytes; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + i, std::min<size_t>(8, bytes - i));
    hash = mix(hash, word);
  }
  return hash;
}

uint64_t hash_of(const std::byte* data, size_t bytes) {
  std::vector<uint64_t> pieces((bytes + kPiece - 1) / kPiece);
  parallel_each(static_cast<int64_t>(pieces.size()), [&](int64_t i, int) {
    const size_t at = static_cast<size_t>(i) * kPiece;
    pieces[static_cast<size_t>(i)] = hash_of_piece(data + at, std::min(kPiece, bytes - at));
  });
  uint64_t hash = bytes;
  for (const uint64_t piece : pieces) hash = mix(hash, piece);
  return hash;
}

// Whether a block of the backend's memory holds the bytes at `data` on the host.
bool holds(Backend& backend, const Buffer& block, const std::byte* data, size_t bytes) {
  std::vector<std::byte> piece(std::min(bytes, kPiece));
  for (size_t at = 0; at < bytes; at += kPiece) {
    const size_t count = std::min(kPiece, bytes - at);
    backend.download(piece.data(), block.get() + at, count);
    if (std::memcmp(piece.data(), data + at, count) != 0) return false;
  }
  return true;
}

}  // namespace

Buffer PackedWeights::share(Backend& backend, const std::byte* data, size_t bytes,
                            const std::function<Buffer()>& make) {
  const uint64_t hash = hash_of(data, bytes);
  auto [i, end] = blocks_.equal_range(hash);
  while (i != end) {
    const Buffer held = i->second.memory.lock();
    if (held && i->second.bytes == bytes && holds(backend, held, data, bytes)) return held;
    i = held ? std::next(i) : blocks_.erase(i);
  }
  Buffer made = make();
  blocks_.emplace(hash, Block{made, bytes});
  return made;
}

bool PackedWeights::add(const Param& weight) {
  std::erase_if(in_place_, [](const auto& held) { return held.expired(); });
  const auto same = [&](const auto& held) { return held.lock() == weight; };
  if (std::any_of(in_place_.begin(), in_place_.end(), same)) return false;
  in_place_.emplace_back(weight);
  return true;
}

}  // namespace nad
