// Loops of gate_statistics.cpp, compiled once per instruction set.

// Natural logarithm of positive normal numbers, relative error about 1e-7: x = m * 2^e with m in [sqrt(1/2),
// sqrt(2)), then a polynomial in m - 1 (coefficients of Cephes' logf).
template <class L>
static NAD_INLINE typename L::F log_positive(typename L::F x) {
  const typename L::I offset = L::bits(x) - 0x3f3504f3;  // bits of sqrt(1/2)
  const typename L::F e = L::to_float(offset >> 23);
  const typename L::F m = L::from_bits((offset & 0x7fffff) + 0x3f3504f3) - L::set(1.f);
  const typename L::F z = m * m;
  typename L::F p = m * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  p = p * m * z + e * -2.12194440e-4f - z * 0.5f;
  return (m + p) + e * 0.693359375f;
}

static void add_to_double(const float* from, double* to, int64_t count) {
  for (int64_t c = 0; c < count; ++c) to[c] += static_cast<double>(from[c]);
}

// Adds pixels [begin, end) of one sample to sums [3][C] (square, log, ratio). block: scratch [3][C].
// sigma: [C], softplus applied, or null: squares only.
static void gate_statistics_chunk(const GateStatisticsLoop& loop, int64_t sample, int64_t begin, int64_t end,
                                  const float* sigma, float* block, double* sums) {
  const GateStatisticsLoop p = loop;  // a copy that no store can change: its fields stay in registers
  const int64_t count = sigma ? 3 * p.channels : p.channels;
  for (int64_t first = begin; first < end; first += kSumPixels) {
    std::memset(block, 0, static_cast<size_t>(count) * sizeof(float));
    float *square = block, *log = block + p.channels, *ratio = log + p.channels;
    for (int64_t pixel = first; pixel < std::min(end, first + kSumPixels); ++pixel) {
      const float* r = p.original + (sample * p.plane + pixel) * p.stride;
      for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        const typename L::F v = L::load(r + c), v2 = v * v;
        L::store(square + c, L::load(square + c) + v2);
        if (sigma) {
          const typename L::F scaled = v * L::load(sigma + c);
          const typename L::F inner = scaled * scaled + L::set(1e-6f);
          L::store(log + c, L::load(log + c) + log_positive<L>(inner));
          L::store(ratio + c, L::load(ratio + c) + v2 / inner);
        }
      });
    }
    add_to_double(block, sums, count);
  }
}
