// BatchNorm by the batch's statistics; equation in engine/ops.h. One channel at a time, sums in double; the variance
// from differences to the mean.
#include "engine/op_checks.h"
#include "kernels/reference/common.h"
#include "kernels/reference/ops.h"

namespace nad::reference {
namespace {

void normalise_channel(const BatchNormArgs& a, int64_t c) {
  const int64_t pixels = a.x.shape.pixels();
  const double count = static_cast<double>(pixels);
  double sum = 0, square = 0;
  for (int64_t p = 0; p < pixels; ++p) sum += static_cast<double>(a.x.pixel(p)[c]);
  const double mean = sum / count;
  for (int64_t p = 0; p < pixels; ++p) {
    const double difference = static_cast<double>(a.x.pixel(p)[c]) - mean;
    square += difference * difference;
  }
  const double variance = square / count, spread = std::sqrt(variance + a.epsilon);
  for (int64_t p = 0; p < pixels; ++p) {
    a.y.pixel(p)[c] = static_cast<float>((static_cast<double>(a.x.pixel(p)[c]) - mean) / spread);
  }
  a.mean[c] = static_cast<float>(mean);
  a.variance[c] = static_cast<float>(variance);
}

}  // namespace

Kernel plan_batch_norm(Planner&, const BatchNormArgs& args) {
  check_args(args);
  return [args](Context&) {
    for (int64_t c = 0; c < args.x.shape.c; ++c) normalise_channel(args, c);
  };
}

}  // namespace nad::reference
