// The argument structs of engine/ops.h and kernels/learning_ops.h with double in
// place of float: what the templates of kernels/reference take in the gradient
// checks. Field names and meanings are theirs. And a tensor to fill them from.
#pragma once

#include <vector>

#include "kernels/learning_ops.h"
#include "tests/build_problem.h"

namespace nad::test::dbl {

using Tensor = View<double>;
using CTensor = View<const double>;

struct GateRef {
  const double* table = nullptr;
  const int32_t* row = nullptr;
  int64_t rows = 0, stride = 0;
  explicit operator bool() const { return table != nullptr; }
};
struct Epilogue {
  Param scale, shift;
  CTensor residual;
  bool relu = false;
  GateRef gate;
};
struct Conv2dArgs {
  Conv2dParams params;
  CTensor x;
  Param weight;
  Prologue prologue;
  Epilogue epilogue;
  Tensor y;
  double* tap_sum = nullptr;
};
struct Conv2dBackwardArgs {
  Conv2dParams params;
  CTensor dz;
  Param weight, scale;
  Prologue prologue;
  CTensor x;
  Accumulate mode;
  Tensor dx;
};
struct LinearArgs {
  CTensor x;
  Param weight;
  Epilogue epilogue;
  Tensor y;
};
struct LinearBackwardArgs {
  CTensor dz;
  Param weight;
  Accumulate mode;
  Tensor dx;
};
struct PointwiseArgs {
  CTensor x;
  Epilogue epilogue;
  Tensor y;
};
struct PointwiseBackwardArgs {
  CTensor dz;
  Param scale;
  Accumulate mode;
  Tensor dx;
};
struct GateArgs {
  CTensor x;
  GateRef gate;
  bool relu;
  int64_t repeat;
  Tensor y;
};
struct EpilogueBackwardArgs {
  CTensor dy, y;
  bool relu = false;
  GateRef gate;
  CTensor tap_target;
  const double* tap_weight = nullptr;
  double tap_scale = 0;
  double* tap_sum = nullptr;
  double* dgate = nullptr;
  Tensor dz;
};
struct MaxPoolArgs {
  PoolParams params;
  CTensor x;
  Epilogue epilogue;
  Tensor y;
  uint8_t* argmax;
};
struct MaxPoolBackwardArgs {
  PoolParams params;
  CTensor dz;
  const uint8_t* argmax;
  Accumulate mode;
  Tensor dx;
};
struct AvgPoolArgs {
  PoolParams params;
  CTensor x;
  Epilogue epilogue;
  Tensor y;
};
struct AvgPoolBackwardArgs {
  PoolParams params;
  CTensor dz;
  Accumulate mode;
  Tensor dx;
};
struct AdaptivePoolArgs {
  CTensor x;
  Epilogue epilogue;
  Tensor y;
};
struct AdaptivePoolBackwardArgs {
  CTensor dz;
  Accumulate mode;
  Tensor dx;
};
struct SoftmaxLossArgs {
  Groups groups;
  CTensor logits;
  const int32_t* labels;
  bool binary;
  double coefficient;
  double* loss;
  Tensor dlogits;
};
struct SpecificLossArgs {
  Groups groups;
  CTensor original, logits;
  const int32_t *labels, *predicted, *apart_count;
  const double* hyper;
  SpecificTarget target;
  double *cross_entropy, *specificity;
  int32_t *own_answered, *others_answered;
  Tensor dlogits;
};
struct GateValuesArgs {
  Groups groups;
  Objective objective;
  int64_t channels;
  const double *logits, *sigma, *noise;
  double* table;
};
struct GateStatisticsArgs {
  Groups groups;
  CTensor original;
  const double* sigma;
  double *sum_square, *sum_log, *sum_ratio;
};
struct GateUpdateArgs {
  Groups groups;
  Objective objective;
  int64_t channels, plane, gates;
  const double* hyper;
  const int32_t* apply;
  const double* tap_weight;
  const double *tap_sum, *sum_square, *sum_log, *sum_ratio;
  const double *dgate, *noise;
  double *logits, *sigma, *gradient, *terms;
  double *adam_mean, *adam_square;
  uint64_t* adam_steps;
};

// Values of a shape, in a slab where the case asks for one. Random, uniform in [-1, 1), from the stream of `key`.
struct Values {
  Shape shape;
  int64_t stride = 0;
  std::vector<double> data;

  Values() = default;
  Values(Shape s, uint64_t key, unsigned options = 0) : shape(s), stride(s.c + (options & kSlab ? 5 : 0)) {
    data.resize(static_cast<size_t>(s.pixels() * stride));
    for (size_t i = 0; i < data.size(); ++i) data[i] = draw(Data::random, key, static_cast<int64_t>(i));
  }
  Tensor view() { return {data.data(), shape, stride}; }
  double& operator[](int64_t i) { return data[static_cast<size_t>(i / shape.c * stride + i % shape.c)]; }
};

}  // namespace nad::test::dbl
