#include "engine/op_checks.h"

#include "engine/error.h"

namespace nad {
namespace checks {

void fail(const std::string& op, const std::string& text) {
  throw Error(ErrorKind::device, op + ": " + text, "the graph that asks for this op is wrong");
}

void require(bool ok, const char* op, const char* text) {
  if (!ok) fail(op, text);
}

void check_view(const char* op, const char* name, const CTensor& t) {
  const Shape& s = t.shape;
  if (!t) fail(op, std::string(name) + " " + to_string(s) + " has no memory");
  if (s.n < 1 || s.h < 1 || s.w < 1 || s.c < 1) fail(op, std::string(name) + " has an empty shape " + to_string(s));
  if (t.stride < s.c) {
    fail(op, std::string(name) + " " + to_string(s) + " has a pixel stride of " + std::to_string(t.stride) +
                 ", expected at least its channels");
  }
}

void check_shape(const char* op, const char* name, const CTensor& t, const Shape& expected) {
  check_view(op, name, t);
  if (t.shape != expected) {
    fail(op, std::string(name) + " is " + to_string(t.shape) + ", expected " + to_string(expected));
  }
}

}  // namespace checks

namespace {

using namespace checks;

std::string list(const std::vector<int64_t>& dims) {
  std::string s = "[";
  for (size_t i = 0; i < dims.size(); ++i) s += (i ? ", " : "") + std::to_string(dims[i]);
  return s + "]";
}

void check_dense(const char* op, const char* name, const CTensor& t) {
  check_view(op, name, t);
  if (!t.dense()) {
    fail(op, std::string(name) + " " + to_string(t.shape) + " is a channel slice (pixel stride " +
                 std::to_string(t.stride) + "), expected a dense tensor");
  }
}

void check_param(const char* op, const char* name, const Param& p, const std::vector<int64_t>& shape) {
  if (!p) fail(op, std::string(name) + " is missing, expected " + list(shape));
  if (p->shape != shape || static_cast<int64_t>(p->data.size()) != p->count()) {
    fail(op, std::string(name) + " is " + list(p->shape) + " with " + std::to_string(p->data.size()) +
                 " values, expected " + list(shape));
  }
}

void check_vector(const char* op, const char* name, const Param& p, int64_t channels) {
  if (p) check_param(op, name, p, {channels});
}

void check_gate(const char* op, const GateRef& gate, int64_t channels) {
  if (!gate) return;
  require(gate.row != nullptr, op, "the gate has no row per sample");
  require(gate.rows > 0, op, "the gate's table has no rows");
  require(gate.stride >= channels, op, "the rows of the gate's table are closer than its channels are many");
}

void check_epilogue(const char* op, const Epilogue& e, const CTensor& y) {
  check_vector(op, "epilogue scale", e.scale, y.shape.c);
  check_vector(op, "epilogue shift", e.shift, y.shape.c);
  if (e.residual) check_shape(op, "residual", e.residual, y.shape);
  check_gate(op, e.gate, y.shape.c);
}

void check_pool_epilogue(const char* op, const Epilogue& e, const CTensor& y) {
  require(!e.scale && !e.shift && !e.residual, op, "only relu and gate may follow a pooling");
  check_epilogue(op, e, y);
}

void check_prologue(const char* op, const Prologue& p, int64_t channels) {
  check_vector(op, "prologue scale", p.scale, channels);
  check_vector(op, "prologue shift", p.shift, channels);
}

// x and y are the forward op's input and output (or their gradients).
void check_conv(const char* op, const Conv2dParams& p, const Param& weight, const CTensor& x, const CTensor& y) {
  check_view(op, "x", x);
  check_view(op, "y", y);
  require(p.kernel_h > 0 && p.kernel_w > 0 && p.stride_h > 0 && p.stride_w > 0 && p.dilation_h > 0 &&
              p.dilation_w > 0 && p.groups > 0,
          op, "kernel, stride, dilation and groups must be positive");
  require(p.pad_h >= 0 && p.pad_w >= 0 && p.offset_h >= 0 && p.offset_w >= 0, op,
          "padding and offset must not be negative");
  if (x.shape.c % p.groups || y.shape.c % p.groups) {
    fail(op, std::to_string(p.groups) + " groups do not divide the channels of x " + to_string(x.shape) + " and y " +
                 to_string(y.shape));
  }
  check_param(op, "weight", weight, {y.shape.c, x.shape.c / p.groups, p.kernel_h, p.kernel_w});
  const Shape expected = {
      x.shape.n, conv_extent(x.shape.h, p.kernel_h, p.stride_h, p.pad_h, p.dilation_h, p.offset_h),
      conv_extent(x.shape.w, p.kernel_w, p.stride_w, p.pad_w, p.dilation_w, p.offset_w), y.shape.c};
  if (y.shape != expected) {
    fail(op, "y is " + to_string(y.shape) + ", expected " + to_string(expected) + " from x " + to_string(x.shape) +
                 " and weight " + list(weight->shape));
  }
}

void check_linear(const char* op, const Param& weight, const CTensor& x, const CTensor& y) {
  check_dense(op, "x", x);
  check_dense(op, "y", y);
  check_param(op, "weight", weight, {y.shape.c, x.shape.h * x.shape.w * x.shape.c});
  check_shape(op, "y", y, {x.shape.n, 1, 1, y.shape.c});
}

void check_pool(const char* op, const PoolParams& p, const CTensor& x, const CTensor& y) {
  check_view(op, "x", x);
  require(p.kernel_h > 0 && p.kernel_w > 0 && p.stride_h > 0 && p.stride_w > 0, op,
          "kernel and stride must be positive");
  require(p.pad_h >= 0 && p.pad_w >= 0 && 2 * p.pad_h <= p.kernel_h && 2 * p.pad_w <= p.kernel_w, op,
          "padding must be at most half the kernel");
  check_shape(op, "y", y,
              {x.shape.n, conv_extent(x.shape.h, p.kernel_h, p.stride_h, p.pad_h, 1, 0),
               conv_extent(x.shape.w, p.kernel_w, p.stride_w, p.pad_w, 1, 0), x.shape.c});
}

void check_argmax_range(const char* op, const PoolParams& p) {
  require(p.kernel_h * p.kernel_w <= 256, op, "windows of more than 256 pixels do not fit the argmax byte");
}

void check_adaptive(const char* op, const CTensor& x, const CTensor& y) {
  check_view(op, "x", x);
  check_shape(op, "y", y, {x.shape.n, y.shape.h, y.shape.w, x.shape.c});
}

}  // namespace

void check_args(const Conv2dArgs& a) {
  check_conv("conv2d", a.params, a.weight, a.x, a.y);
  check_prologue("conv2d", a.prologue, a.x.shape.c);
  check_epilogue("conv2d", a.epilogue, a.y);
  require(!a.tap_sum || a.y.shape.n % 2 == 0, "conv2d", "a tap's sum needs two halves of a batch");
}

void check_args(const Conv2dBackwardArgs& a) {
  check_conv("conv2d_backward", a.params, a.weight, a.dx, a.dz);
  check_vector("conv2d_backward", "scale", a.scale, a.dz.shape.c);
  check_prologue("conv2d_backward", a.prologue, a.dx.shape.c);
  if (a.prologue.relu) check_shape("conv2d_backward", "x", a.x, a.dx.shape);
}

void check_args(const Conv2dMaxPoolArgs& a) {
  const char* op = "conv2d_max_pool";
  CTensor wide = a.y;  // checks look at shapes alone
  wide.shape = conv_output(a.params, a.x.shape, a.y.shape.c);
  check_conv(op, a.params, a.weight, a.x, wide);
  check_shape(op, "y", a.y, pool_output(a.pool, wide.shape));
  check_epilogue(op, a.epilogue, a.y);
  require(!a.epilogue.residual, op, "nothing is added to a pooled convolution");
}

void check_args(const Conv2dMaxPoolBackwardArgs& a) {
  const char* op = "conv2d_max_pool_backward";
  CTensor wide = a.dz;
  wide.shape = conv_output(a.params, a.dx.shape, a.dz.shape.c);
  check_conv(op, a.params, a.weight, a.dx, wide);
  check_shape(op, "dz", a.dz, pool_output(a.pool, wide.shape));
  check_vector(op, "scale", a.scale, a.dz.shape.c);
  require(a.argmax != nullptr, op, "the argmax of the forward pass is missing");
}

void check_args(const LinearArgs& a) {
  check_linear("linear", a.weight, a.x, a.y);
  check_epilogue("linear", a.epilogue, a.y);
}

void check_args(const LinearBackwardArgs& a) { check_linear("linear_backward", a.weight, a.dx, a.dz); }

void check_args(const PointwiseArgs& a) {
  check_view("pointwise", "x", a.x);
  check_shape("pointwise", "y", a.y, a.x.shape);
  check_epilogue("pointwise", a.epilogue, a.y);
}

void check_args(const PointwiseBackwardArgs& a) {
  check_view("pointwise_backward", "dz", a.dz);
  check_shape("pointwise_backward", "dx", a.dx, a.dz.shape);
  check_vector("pointwise_backward", "scale", a.scale, a.dz.shape.c);
}

void check_args(const GateArgs& a) {
  check_view("gate", "x", a.x);
  require(a.repeat > 0, "gate", "repeat must be positive");
  Shape expected = a.x.shape;
  expected.n *= a.repeat;
  check_shape("gate", "y", a.y, expected);
  require(static_cast<bool>(a.gate), "gate", "the gate has no table");
  check_gate("gate", a.gate, a.y.shape.c);
}

void check_args(const EpilogueBackwardArgs& a) {
  const char* op = "epilogue_backward";
  check_view(op, "dy", a.dy);
  check_shape(op, "y", a.y, a.dy.shape);
  if (a.dz) check_shape(op, "dz", a.dz, a.dy.shape);
  check_gate(op, a.gate, a.dy.shape.c);
  require(!a.gate || a.dgate, op, "a gate without memory for its gradient");
  if (a.tap_target) {
    check_shape(op, "tap_target", a.tap_target, a.dy.shape);
    require(a.tap_weight != nullptr, op, "a distance tap without its weights");
  }
}

void check_args(const MaxPoolArgs& a) {
  check_pool("max_pool", a.params, a.x, a.y);
  check_pool_epilogue("max_pool", a.epilogue, a.y);
  if (a.argmax) check_argmax_range("max_pool", a.params);
}

void check_args(const MaxPoolBackwardArgs& a) {
  check_pool("max_pool_backward", a.params, a.dx, a.dz);
  check_argmax_range("max_pool_backward", a.params);
  require(a.argmax != nullptr, "max_pool_backward", "the positions of the maxima are missing");
}

void check_args(const AvgPoolArgs& a) {
  check_pool("avg_pool", a.params, a.x, a.y);
  check_pool_epilogue("avg_pool", a.epilogue, a.y);
}

void check_args(const AvgPoolBackwardArgs& a) { check_pool("avg_pool_backward", a.params, a.dx, a.dz); }

void check_args(const AdaptivePoolArgs& a) {
  check_adaptive("adaptive_pool", a.x, a.y);
  check_pool_epilogue("adaptive_pool", a.epilogue, a.y);
}

void check_args(const AdaptivePoolBackwardArgs& a) { check_adaptive("adaptive_pool_backward", a.dx, a.dz); }

void check_args(const BatchNormArgs& a) {
  const char* op = "batch_norm";
  check_view(op, "x", a.x);
  check_shape(op, "y", a.y, a.x.shape);
  require(a.mean && a.variance, op, "mean or variance has no memory");
  require(a.epsilon >= 0, op, "epsilon must be 0 or more");
}

}  // namespace nad
