// A gate on its own, and the place where a batch becomes `repeat` batches, each with gates of its own.
#include "engine/op_checks.h"
#include "engine/parallel.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/stream.h"

namespace nad::cpu {

struct GateLoop {
  const float* x = nullptr;
  int64_t x_stride = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  int64_t channels = 0;
  int64_t plane = 0;    // pixels per sample
  int64_t samples = 0;  // of x
  int64_t repeat = 1;
  bool relu = false;
  const float* table = nullptr;  // [rows, C]
  const int32_t* row = nullptr;  // [repeat * N]
  int64_t table_stride = 0;
  bool stream = false;  // y is written past the caches
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/gate_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {

Kernel gate(Planner&, const GateArgs& args) {
  check_args(args);
  const Shape s = args.x.shape;
  const bool stream = streamable(args.y) && s.c % 16 == 0;
  const GateLoop loop{args.x.data, args.x.stride, args.y.data, args.y.stride,   s.c,           s.h * s.w,
                      s.n,         args.repeat,   args.relu,   args.gate.table, args.gate.row, args.gate.stride,
                      stream};
  const auto pixels = NAD_BEST(gate_pixels);
  return [loop, pixels, count = s.pixels()](Context&) {
    parallel_for(count, [&](int64_t begin, int64_t end, int) { pixels(loop, begin, end); });
  };
}

}  // namespace nad::cpu
