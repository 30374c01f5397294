// Loops of epilogue_backward.cpp, compiled once per instruction set.

// One pixel: dz, the products t*y per channel added to sums[C], the squared differences to squares and the return
// value (the channels that fill no whole vector).
template <bool gated, bool tapped>
static NAD_INLINE float epilogue_backward_pixel(const EpilogueBackwardLoop& p, int64_t pixel, const float* gate,
                                                float factor, float* sums, Lanes<kLanes>::F& squares) {
  const float* dy = p.dy + pixel * p.dy_stride;
  const float* y = p.y + pixel * p.y_stride;
  const float* target = tapped ? p.tap_target + pixel * p.tap_target_stride : nullptr;
  float* dz = p.dz ? p.dz + pixel * p.dz_stride : nullptr;
  const bool relu = p.relu;
  if (p.far) {
    for (int64_t c = kFarFloats; c < kFarFloats + p.channels; c += 16) {
      __builtin_prefetch(dy + c);
      __builtin_prefetch(y + c);
    }
  }
  float rest = 0;
  for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
    using L = decltype(lanes);
    typename L::F t = L::load(dy + c);
    const typename L::F v = L::load(y + c);
    if constexpr (tapped) {
      const typename L::F difference = v - L::load(target + c);
      t += factor * difference;
      if constexpr (L::width == kLanes) {
        squares += difference * difference;
      } else {
        rest += L::sum(difference * difference);
      }
    }
    if constexpr (gated) L::store(sums + c, L::load(sums + c) + t * v);
    if (dz) {
      if constexpr (gated) t *= L::load(gate + c);
      if (relu) t = L::select(L::not_equal(v, L::set(0.f)), t, L::set(0.f));
      L::store(dz + c, t);
    }
  });
  return rest;
}

template <bool gated, bool tapped>
static NAD_INLINE void epilogue_backward_chunk_as(const EpilogueBackwardLoop& loop, int64_t sample, int64_t begin,
                                                  int64_t end, float* sums, double* gate_sums, double* tap_sum) {
  const EpilogueBackwardLoop p = loop;  // a copy that no store can change: its fields stay in registers
  const float* gate = gated ? p.table + p.row[sample] * p.table_stride : nullptr;
  const float factor = tapped ? 2 * p.tap_scale * p.tap_weight[sample] : 0.f;
  // About 512 squares per lane between two additions in double: float's rounding stays below 1e-6.
  const int64_t step = std::max<int64_t>(1, 16 * kLanes / p.channels);
  double tap = 0;
  for (int64_t block = begin; block < end; block += kSumPixels) {
    const int64_t block_end = std::min(end, block + kSumPixels);
    if (gated) std::memset(sums, 0, static_cast<size_t>(p.channels) * sizeof(float));
    for (int64_t pixel = block; pixel < block_end; pixel += step) {
      Lanes<kLanes>::F squares = {};
      float rest = 0;
      for (int64_t i = pixel; i < std::min(block_end, pixel + step); ++i) {
        rest += epilogue_backward_pixel<gated, tapped>(p, sample * p.plane + i, gate, factor, sums, squares);
      }
      if (tapped) tap += static_cast<double>(Lanes<kLanes>::sum(squares)) + static_cast<double>(rest);
    }
    if (gated) {
      for (int64_t c = 0; c < p.channels; ++c) gate_sums[c] += static_cast<double>(sums[c]);
    }
  }
  *tap_sum = tap;
}

// Pixels [begin, end) of one sample. sums: scratch [C]; gate_sums: [C], zero on entry; tap_sum: overwritten.
static void epilogue_backward_chunk(const EpilogueBackwardLoop& p, int64_t sample, int64_t begin, int64_t end,
                                    float* sums, double* gate_sums, double* tap_sum) {
  if (p.table && p.tap_target) {
    epilogue_backward_chunk_as<true, true>(p, sample, begin, end, sums, gate_sums, tap_sum);
  } else if (p.table) {
    epilogue_backward_chunk_as<true, false>(p, sample, begin, end, sums, gate_sums, tap_sum);
  } else if (p.tap_target) {
    epilogue_backward_chunk_as<false, true>(p, sample, begin, end, sums, gate_sums, tap_sum);
  } else {
    epilogue_backward_chunk_as<false, false>(p, sample, begin, end, sums, gate_sums, tap_sum);
  }
}
