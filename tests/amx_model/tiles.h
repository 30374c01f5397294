// The tile instructions of AMX that the engine uses, on plain memory, under their names of <immintrin.h>: what is
// compiled after this header runs on every processor. Semantics: Intel's Software Developer's Manual, volume 2. A
// use without a configuration, a palette other than 1 and tiles of other shapes than the configured end the program.
#pragma once

#include <immintrin.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace nad::amx_model {

struct Tile {
  uint8_t row[16][64];
};

struct Unit {  // of a thread
  bool configured = false;
  uint16_t row_bytes[8];
  uint8_t rows[8];
  Tile tile[8];
};
inline thread_local Unit unit;

// How often tiles were multiplied: shows that a test came here at all.
inline std::atomic<int64_t> products = 0;

inline void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "AMX model: %s\n", what);
  std::abort();
}

inline void load_config(const void* config) {
  const auto* c = static_cast<const uint8_t*>(config);
  require(c[0] == 1 && c[1] == 0, "palette 1, from row 0 on");
  std::memcpy(unit.row_bytes, c + 16, sizeof unit.row_bytes);
  std::memcpy(unit.rows, c + 48, sizeof unit.rows);
  for (int t = 0; t < 8; ++t) require(unit.rows[t] <= 16 && unit.row_bytes[t] <= 64, "tiles of up to 16 x 64 bytes");
  unit.configured = true;
  std::memset(unit.tile, 0, sizeof unit.tile);
}

inline void release() { unit.configured = false; }

inline Tile& use(int t) {
  require(unit.configured, "a tile is used without a configuration");
  return unit.tile[t];
}

inline void zero(int t) { use(t) = {}; }

inline void load(int t, const void* base, int64_t stride) {
  Tile& tile = use(t);
  tile = {};
  for (int r = 0; r < unit.rows[t]; ++r) {
    std::memcpy(tile.row[r], static_cast<const char*>(base) + r * stride, unit.row_bytes[t]);
  }
}

inline void store(int t, void* base, int64_t stride) {
  const Tile& tile = use(t);
  for (int r = 0; r < unit.rows[t]; ++r) {
    std::memcpy(static_cast<char*>(base) + r * stride, tile.row[r], unit.row_bytes[t]);
  }
}

inline float flushed(float v) {  // denormal numbers count as 0
  return std::abs(v) < 0x1p-126f ? std::copysign(0.0f, v) : v;
}

struct Bf16Tile {
  float row[16][32];
  explicit Bf16Tile(const Tile& tile) {
    for (int r = 0; r < 16; ++r) {
      for (int i = 0; i < 32; ++i) {
        uint16_t bits = 0;
        std::memcpy(&bits, tile.row[r] + 2 * i, sizeof bits);
        row[r][i] = flushed(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
      }
    }
  }
};

// sum[m][n] += sum over k of a[m][2k] b[k][2n], and over k of a[m][2k+1] b[k][2n+1], each in order.
inline void multiply(int sum, int a, int b) {
  Tile& d = use(sum);
  const Bf16Tile x(use(a)), w(use(b));
  require(unit.rows[sum] == unit.rows[a] && unit.row_bytes[a] / 4 == unit.rows[b] &&
              unit.row_bytes[sum] == unit.row_bytes[b],
          "tdpbf16ps on tiles that do not fit each other");
  for (int m = 0; m < unit.rows[sum]; ++m) {
    for (int n = 0; n < unit.row_bytes[sum] / 4; ++n) {
      float parity[2] = {0, 0};
      for (int k = 0; k < unit.rows[b]; ++k) {
        for (int p = 0; p < 2; ++p) {
          parity[p] = flushed(x.row[m][2 * k + p] * w.row[k][2 * n + p] + parity[p]);  // the product is exact
        }
      }
      float old = 0;
      std::memcpy(&old, d.row[m] + 4 * n, sizeof old);
      const float next = flushed(flushed(old) + flushed(parity[0] + parity[1]));
      std::memcpy(d.row[m] + 4 * n, &next, sizeof next);
    }
  }
  products.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace nad::amx_model

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadd(t, base, stride) ::nad::amx_model::load(t, base, stride)
#define _tile_stored(t, base, stride) ::nad::amx_model::store(t, base, stride)
#define _tile_zero(t) ::nad::amx_model::zero(t)
#define _tile_dpbf16ps(sum, a, b) ::nad::amx_model::multiply(sum, a, b)
#define _tile_loadconfig(config) ::nad::amx_model::load_config(config)
#define _tile_release() ::nad::amx_model::release()
