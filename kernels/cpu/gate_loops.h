// Loops of gate.cpp, compiled once per instruction set.

// Pixels [begin, end) of x; each is read once and written `repeat` times.
template <bool streamed>
static NAD_INLINE void gate_pixels_as(const GateLoop& loop, int64_t begin, int64_t end) {
  const GateLoop p = loop;  // a copy that no store can change: its fields stay in registers
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const float* x = p.x + pixel * p.x_stride;
    const int64_t sample = pixel / p.plane;
    for (int64_t r = 0; r < p.repeat; ++r) {
      float* y = p.y + (r * p.samples * p.plane + pixel) * p.y_stride;
      const float* gate = p.table + p.row[r * p.samples + sample] * p.table_stride;
      for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F v = L::load(x + c) * L::load(gate + c);
        if (p.relu) v = L::relu(v);
        if constexpr (streamed) {
          L::stream(y + c, v);
        } else {
          L::store(y + c, v);
        }
      });
    }
  }
  if (streamed) stream_fence();
}

static void gate_pixels(const GateLoop& loop, int64_t begin, int64_t end) {
  if (loop.stream) {
    gate_pixels_as<true>(loop, begin, end);
  } else {
    gate_pixels_as<false>(loop, begin, end);
  }
}
