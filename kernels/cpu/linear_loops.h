// Loops of linear.cpp, compiled once per instruction set.
//
// Every product is added by multiply_add: where a compiler chooses between one rounding and two, it may choose
// differently for six samples at a time and for one, and a sample's numbers would depend on how many there are.

static NAD_INLINE Lanes<kLanes>::F load_weight(const float* p) { return Lanes<kLanes>::load(p); }
static NAD_INLINE Lanes<kLanes>::F load_weight(const uint16_t* p) { return Lanes<kLanes>::load_bf16(p); }
static NAD_INLINE float weight_value(const float* p) { return *p; }
static NAD_INLINE float weight_value(const uint16_t* p) { return Lanes<1>::load_bf16(p); }

// The products that fill no vector.
template <class Weight>
static float dot_rest(const float* x, const Weight* w, int64_t begin, int64_t end) {
  float sum = 0;
  for (int64_t k = begin; k < end; ++k) sum = Lanes<1>::multiply_add(x[k], weight_value(w + k), sum);
  return sum;
}

// y[n, o] (+)= sum over k of x[n, k] w[o, k], for SAMPLES
// samples and OUTPUTS outputs: dot products in vectors along k.
template <int SAMPLES, int OUTPUTS, class Weight>
static NAD_INLINE void dot_tile(const LinearLoop& p, const Weight* weight, int64_t n, int64_t o, int64_t begin,
                                int64_t end) {
  using L = Lanes<kLanes>;
  const float* x = p.x + n * p.inputs;
  const Weight* w = weight + o * p.inputs;
  L::F sums[SAMPLES][OUTPUTS] = {};
  int64_t k = begin;
  for (; k + kLanes <= end; k += kLanes) {
    L::F loaded[OUTPUTS];
#pragma GCC unroll 8
    for (int j = 0; j < OUTPUTS; ++j) loaded[j] = load_weight(w + j * p.inputs + k);
#pragma GCC unroll 8
    for (int i = 0; i < SAMPLES; ++i) {
      const L::F value = L::load(x + i * p.inputs + k);
#pragma GCC unroll 8
      for (int j = 0; j < OUTPUTS; ++j) sums[i][j] = L::multiply_add(value, loaded[j], sums[i][j]);
    }
  }
  float totals[SAMPLES][OUTPUTS];
#pragma GCC unroll 8
  for (int i = 0; i < SAMPLES; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < OUTPUTS; ++j) totals[i][j] = L::sum(sums[i][j]);
  }
#pragma GCC unroll 1
  for (int i = 0; i < SAMPLES; ++i) {
#pragma GCC unroll 1
    for (int j = 0; j < OUTPUTS; ++j) {
      const float total = totals[i][j] + dot_rest(x + i * p.inputs, w + j * p.inputs, k, end);
      float* y = p.y + (n + i) * p.outputs + o + j;
      *y = begin == 0 ? total : *y + total;
    }
  }
}

template <int OUTPUTS, class Weight>
static NAD_INLINE void dot_outputs(const LinearLoop& p, const Weight* weight, int64_t o, int64_t begin, int64_t end) {
  int64_t n = 0;
  for (; n + 6 <= p.samples; n += 6) dot_tile<6, OUTPUTS>(p, weight, n, o, begin, end);
  for (; n + 2 <= p.samples; n += 2) dot_tile<2, OUTPUTS>(p, weight, n, o, begin, end);
  for (; n < p.samples; ++n) dot_tile<1, OUTPUTS>(p, weight, n, o, begin, end);
}

// A piece of k at a time, so that all samples' pieces of x stay in the second-level cache while W streams by once.
template <class Weight>
static NAD_INLINE void linear_as(const LinearLoop& p, const Weight* weight, int64_t begin, int64_t end) {
  for (int64_t k = 0; k < p.inputs; k += kPiece) {
    const int64_t k_end = std::min(p.inputs, k + kPiece);
    int64_t o = begin;
    for (; o + 4 <= end; o += 4) dot_outputs<4>(p, weight, o, k, k_end);
    for (; o < end; ++o) dot_outputs<1>(p, weight, o, k, k_end);
  }
}

// Outputs [begin, end) of y = x W^T.
static void linear_outputs(const LinearLoop& p, int64_t begin, int64_t end) {
  if (p.weight_bf16) {
    linear_as(p, p.weight_bf16, begin, end);
  } else {
    linear_as(p, p.weight, begin, end);
  }
}

// dx[n, i] (+)= sum over outputs o in [begin, end) of dz[n, o] w[o, i], for SAMPLES samples and VECTORS vectors of i.
template <int SAMPLES, int VECTORS, class Weight>
static NAD_INLINE void outer_tile(const LinearLoop& p, const Weight* weight, int64_t n, int64_t i, int64_t begin,
                                  int64_t end) {
  using L = Lanes<kLanes>;
  float* dx = p.y + n * p.inputs + i;
  const float* dz = p.x + n * p.outputs;
  L::F sums[SAMPLES][VECTORS] = {};
  if (begin > 0 || p.add) {
#pragma GCC unroll 8
    for (int s = 0; s < SAMPLES; ++s) {
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) sums[s][v] = L::load(dx + s * p.inputs + v * kLanes);
    }
  }
  for (int64_t o = begin; o < end; ++o) {
    const Weight* w = weight + o * p.inputs + i;
    L::F loaded[VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) loaded[v] = load_weight(w + v * kLanes);
#pragma GCC unroll 8
    for (int s = 0; s < SAMPLES; ++s) {
      const L::F value = L::set(dz[s * p.outputs + o]);
#pragma GCC unroll 8
      for (int v = 0; v < VECTORS; ++v) sums[s][v] = L::multiply_add(value, loaded[v], sums[s][v]);
    }
  }
#pragma GCC unroll 8
  for (int s = 0; s < SAMPLES; ++s) {
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) L::store(dx + s * p.inputs + v * kLanes, sums[s][v]);
  }
}

// The inputs that fill no vector.
template <class Weight>
static NAD_INLINE void outer_rest(const LinearLoop& p, const Weight* weight, int64_t n, int64_t i, int64_t begin,
                                  int64_t end) {
  float* dx = p.y + n * p.inputs + i;
  float sum = begin > 0 || p.add ? *dx : 0.f;
  for (int64_t o = begin; o < end; ++o) {
    sum = Lanes<1>::multiply_add(p.x[n * p.outputs + o], weight_value(weight + o * p.inputs + i), sum);
  }
  *dx = sum;
}

template <int VECTORS, class Weight>
static NAD_INLINE void outer_inputs(const LinearLoop& p, const Weight* weight, int64_t i, int64_t begin,
                                    int64_t end) {
  int64_t n = 0;
  for (; n + 6 <= p.samples; n += 6) outer_tile<6, VECTORS>(p, weight, n, i, begin, end);
  for (; n + 2 <= p.samples; n += 2) outer_tile<2, VECTORS>(p, weight, n, i, begin, end);
  for (; n < p.samples; ++n) outer_tile<1, VECTORS>(p, weight, n, i, begin, end);
}

// Sixteen rows of W at a time: they are read along i, and dx stays in the second-level cache between two times.
template <class Weight>
static NAD_INLINE void linear_backward_as(const LinearLoop& p, const Weight* weight, int64_t begin, int64_t end) {
  for (int64_t o = 0; o < p.outputs; o += 16) {
    const int64_t o_end = std::min(p.outputs, o + 16);
    int64_t i = begin;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) outer_inputs<4>(p, weight, i, o, o_end);
    for (; i + kLanes <= end; i += kLanes) outer_inputs<1>(p, weight, i, o, o_end);
    for (; i < end; ++i) {
      for (int64_t n = 0; n < p.samples; ++n) outer_rest(p, weight, n, i, o, o_end);
    }
  }
}

// Inputs [begin, end) of dx (+)= dz W; begin is a multiple of kPiece.
static void linear_backward_inputs(const LinearLoop& p, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += kPiece) {
    const int64_t i_end = std::min(end, i + kPiece);
    if (p.weight_bf16) {
      linear_backward_as(p, p.weight_bf16, i, i_end);
    } else {
      linear_backward_as(p, p.weight, i, i_end);
    }
  }
}

static void round_to_bf16(const float* from, uint16_t* to, int64_t count) {
  for_channels(count, [&](auto lanes, int64_t i) NAD_INLINE_LAMBDA {
    using L = decltype(lanes);
    L::store_bf16(to + i, L::load(from + i));
  });
}
