// Loops of batch_norm.cpp, compiled once per instruction set.

// Adds pixels [begin, end) to sums[2][C]: d = x - center and d*d. block: scratch [2][C].
static void batch_norm_sums(const BatchNormLoop& loop, int64_t begin, int64_t end, float* block, double* sums) {
  const BatchNormLoop p = loop;  // a copy that no store can change: its fields stay in registers
  float *one = block, *two = block + p.channels;
  for (int64_t first = begin; first < end; first += kSumPixels) {
    std::memset(block, 0, static_cast<size_t>(2 * p.channels) * sizeof(float));
    for (int64_t pixel = first; pixel < std::min(end, first + kSumPixels); ++pixel) {
      const float* x = p.x + pixel * p.x_stride;
      for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        const typename L::F d = L::load(x + c) - L::load(p.center + c);
        L::store(one + c, L::load(one + c) + d);
        L::store(two + c, L::load(two + c) + d * d);
      });
    }
    for (int64_t c = 0; c < 2 * p.channels; ++c) sums[c] += static_cast<double>(block[c]);
  }
}

// Pixels [begin, end): y = factor * (x - center) + offset.
static void batch_norm_values(const BatchNormLoop& loop, int64_t begin, int64_t end) {
  const BatchNormLoop p = loop;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const float* x = p.x + pixel * p.x_stride;
    float* y = p.y + pixel * p.y_stride;
    for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
      using L = decltype(lanes);
      const typename L::F d = L::load(x + c) - L::load(p.center + c);
      L::store(y + c, L::load(p.factor + c) * d + L::load(p.offset + c));
    });
  }
}
