// Loops of batch_norm.cpp, compiled once per instruction set.

// t: the gradient at z. The mask is y's sign, which a ReLU made.
template <class L>
static NAD_INLINE typename L::F batch_norm_upstream(const float* dy, const float* y) {
  const typename L::F t = L::load(dy);
  return y ? L::select(L::not_equal(L::load(y), L::set(0.f)), t, L::set(0.f)) : t;
}

// Adds pixels [begin, end) to sums[2][C]: with d = x - center,
// forward d and d*d, backward t and t*d. block: scratch [2][C].
template <bool backward>
static NAD_INLINE void batch_norm_sums_as(const BatchNormLoop& loop, int64_t begin, int64_t end, float* block,
                                          double* sums) {
  const BatchNormLoop p = loop;  // a copy that no store can change: its fields stay in registers
  float *one = block, *two = block + p.channels;
  for (int64_t first = begin; first < end; first += kSumPixels) {
    std::memset(block, 0, static_cast<size_t>(2 * p.channels) * sizeof(float));
    for (int64_t pixel = first; pixel < std::min(end, first + kSumPixels); ++pixel) {
      const float* x = p.x + pixel * p.x_stride;
      const float* dy = backward ? p.dy + pixel * p.dy_stride : nullptr;
      const float* y = p.y ? p.y + pixel * p.y_stride : nullptr;
      for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        const typename L::F d = L::load(x + c) - L::load(p.center + c);
        typename L::F factor = d;
        if constexpr (backward) factor = batch_norm_upstream<L>(dy + c, y ? y + c : nullptr);
        L::store(one + c, L::load(one + c) + factor);
        L::store(two + c, L::load(two + c) + factor * d);
      });
    }
    for (int64_t c = 0; c < 2 * p.channels; ++c) sums[c] += static_cast<double>(block[c]);
  }
}

static void batch_norm_sums(const BatchNormLoop& p, int64_t begin, int64_t end, float* block, double* sums) {
  batch_norm_sums_as<false>(p, begin, end, block, sums);
}
static void batch_norm_backward_sums(const BatchNormLoop& p, int64_t begin, int64_t end, float* block, double* sums) {
  batch_norm_sums_as<true>(p, begin, end, block, sums);
}

// Pixels [begin, end): y = (relu)(factor * (x - center) + offset).
static void batch_norm_values(const BatchNormLoop& loop, int64_t begin, int64_t end) {
  const BatchNormLoop p = loop;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const float* x = p.x + pixel * p.x_stride;
    float* out = p.out + pixel * p.out_stride;
    for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
      using L = decltype(lanes);
      const typename L::F d = L::load(x + c) - L::load(p.center + c);
      const typename L::F z = L::load(p.factor + c) * d + L::load(p.offset + c);
      L::store(out + c, p.relu ? L::relu(z) : z);
    });
  }
}

// Pixels [begin, end): dx (+)= factor * (t - offset - slope * (x - center)).
static void batch_norm_gradient(const BatchNormLoop& loop, int64_t begin, int64_t end) {
  const BatchNormLoop p = loop;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const float *x = p.x + pixel * p.x_stride, *dy = p.dy + pixel * p.dy_stride;
    const float* y = p.y ? p.y + pixel * p.y_stride : nullptr;
    float* out = p.out + pixel * p.out_stride;
    for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
      using L = decltype(lanes);
      const typename L::F d = L::load(x + c) - L::load(p.center + c);
      const typename L::F t = batch_norm_upstream<L>(dy + c, y ? y + c : nullptr);
      typename L::F dx = L::load(p.factor + c) * (t - L::load(p.offset + c) - L::load(p.slope + c) * d);
      if (p.add) dx += L::load(out + c);
      L::store(out + c, dx);
    });
  }
}
