#include "kernels/cuda/convolution.h"

#include <limits>
#include <string>

#include "engine/error.h"

namespace nad::cuda {
namespace {

constexpr int64_t int_limit = std::numeric_limits<int>::max();

// One direction (rows or columns) of a gather, with the kernel indices of its taps.
struct Axis {
  int64_t grid = 0, step = 1, base = 0, tap_step = 1, first = 0, every = 1;
  std::vector<int64_t> taps;
};

struct AxisParams {
  int64_t kernel, stride, pad, dilation, offset;
};

Axis forward_axis(const AxisParams& p, int64_t out) {
  Axis a{out, p.stride, p.offset - p.pad, p.dilation, 0, 1, {}};
  for (int64_t k = 0; k < p.kernel; ++k) a.taps.push_back(k);
  return a;
}

// Input pixel i = first + q*stride meets kernel index k at output pixel (i + pad - offset - k*dilation) / stride,
// where that is whole. The indices k that do are evenly spaced.
Axis backward_axis(const AxisParams& p, int64_t in, int64_t phase) {
  Axis a{(in - phase + p.stride - 1) / p.stride, 1, 0, 1, phase, p.stride, {}};
  std::vector<int64_t> outputs;
  for (int64_t k = p.kernel - 1; k >= 0; --k) {
    const int64_t scaled = phase + p.pad - p.offset - k * p.dilation;
    if (scaled % p.stride != 0) continue;
    a.taps.push_back(k);
    outputs.push_back(scaled / p.stride);
  }
  if (!outputs.empty()) a.base = outputs[0];
  if (outputs.size() > 1) a.tap_step = outputs[1] - outputs[0];
  return a;
}

void add_gather(Convolution& c, const Axis& h, const Axis& w) {
  const Shape &s = c.source_shape, &t = c.target_shape;
  if (h.grid <= 0 || w.grid <= 0) return;
  const bool fits = t.pixels() <= int_limit && s.pixels() <= int_limit && s.h * s.w * c.source.stride <= int_limit;
  if (!fits) {
    throw Error(ErrorKind::device,
                std::string("CUDA ") + c.op + ": " + to_string(s) + " to " + to_string(t) +
                    " has more than 2^31 pixels, or 2^31 elements in a sample",
                "use a smaller batch", Setting::step_size);
  }
  const auto i = [](int64_t value) { return static_cast<int>(value); };
  Gather g;
  g.source_h = i(s.h), g.source_w = i(s.w);
  g.grid_h = i(h.grid), g.grid_w = i(w.grid);
  g.positions = i(t.n * h.grid * w.grid);
  g.taps_h = i(static_cast<int64_t>(h.taps.size())), g.taps_w = i(static_cast<int64_t>(w.taps.size()));
  if (g.taps_h == 0 || g.taps_w == 0) g.taps_h = g.taps_w = 0;
  g.step_h = i(h.step), g.step_w = i(w.step), g.base_h = i(h.base), g.base_w = i(w.base);
  g.tap_step_h = i(h.tap_step), g.tap_step_w = i(w.tap_step);
  g.first_h = i(h.first), g.first_w = i(w.first), g.every_h = i(h.every), g.every_w = i(w.every);
  g.target_h = i(t.h), g.target_w = i(t.w);
  c.gathers.push_back(g);
  c.taps.emplace_back();
  for (int64_t kh : h.taps) {
    for (int64_t kw : w.taps) c.taps.back().push_back({kh, kw});
  }
}

int64_t elements(const CTensor& t) { return (t.shape.pixels() - 1) * t.stride + t.shape.c; }

bool takes_vectors(const float* data, int64_t stride) {
  return !data || (reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride % 4 == 0);
}
bool takes_vectors(const CTensor& t) { return takes_vectors(t.data, t.stride); }

Global<const float> upload_vector(Planner& planner, Convolution& c, const Param& values) {
  if (!values) return {};
  c.buffers.push_back(planner.upload_weights(values->data.data(), values->data.size() * sizeof(float)));
  return {reinterpret_cast<const float*>(c.buffers.back().get()), values->count()};
}

void set_source(Convolution& c, const CTensor& x) {
  c.source_shape = x.shape;
  c.source.data = {x.data, elements(x)};
  c.source.stride = x.stride;
  c.source.channels = static_cast<int>(x.shape.c);
  c.source.vectors = takes_vectors(x);
}

void set_target(Convolution& c, const Tensor& y) {
  c.target_shape = y.shape;
  c.finish.target = {y.data, elements(y)};
  c.finish.stride = y.stride;
  c.finish.channels = static_cast<int>(y.shape.c);
  c.finish.vectors = takes_vectors(y) && y.shape.c % 4 == 0;
}

void set_residual(Convolution& c, const CTensor& residual) {
  c.finish.residual = {residual.data, elements(residual)};
  c.finish.residual_stride = residual.stride;
  c.finish.vectors = c.finish.vectors && takes_vectors(residual);
}

}  // namespace

float Convolution::weight_at(int64_t target_channel, int64_t k, const Tap& tap) const {
  const int64_t in = weight->shape[1], kernel_h = weight->shape[2], kernel_w = weight->shape[3];
  const int64_t group = target_channel / target_channels(), within = target_channel % target_channels();
  const int64_t o = backward ? group * source_channels() + k : target_channel;
  const int64_t i = backward ? within : k;
  const float value = weight->data[static_cast<size_t>(((o * in + i) * kernel_h + tap.kh) * kernel_w + tap.kw)];
  return weight_scale ? weight_scale->data[static_cast<size_t>(o)] * value : value;
}

Convolution describe(Planner& planner, const Conv2dArgs& args) {
  const Conv2dParams& p = args.params;
  Convolution c;
  c.op = "conv2d";
  c.params = p;
  c.groups = p.groups;
  c.weight = args.weight;
  set_source(c, args.x);
  c.source.relu = args.prologue.relu;
  c.source.scale = upload_vector(planner, c, args.prologue.scale);
  c.source.shift = upload_vector(planner, c, args.prologue.shift);
  set_target(c, args.y);
  c.tap_sum = args.tap_sum;
  const Epilogue& e = args.epilogue;
  c.finish.scale = upload_vector(planner, c, e.scale);
  c.finish.shift = upload_vector(planner, c, e.shift);
  if (e.residual) set_residual(c, e.residual);
  c.finish.relu = e.relu;
  if (e.gate) {
    c.finish.gate = {e.gate.table, (e.gate.rows - 1) * e.gate.stride + args.y.shape.c};
    c.finish.gate_stride = e.gate.stride;
    c.finish.gate_row = {e.gate.row, args.y.shape.n};
    c.finish.vectors = c.finish.vectors && takes_vectors(e.gate.table, e.gate.stride);
  }
  add_gather(c, forward_axis({p.kernel_h, p.stride_h, p.pad_h, p.dilation_h, p.offset_h}, args.y.shape.h),
             forward_axis({p.kernel_w, p.stride_w, p.pad_w, p.dilation_w, p.offset_w}, args.y.shape.w));
  return c;
}

Convolution describe(Planner& planner, const Conv2dBackwardArgs& args) {
  const Conv2dParams& p = args.params;
  Convolution c;
  c.op = "conv2d_backward";
  c.params = p;
  c.groups = p.groups;
  c.backward = true;
  c.weight = args.weight;
  c.weight_scale = args.scale;
  set_source(c, args.dz);
  set_target(c, args.dx);
  c.finish.scale = upload_vector(planner, c, args.prologue.scale);
  if (args.prologue.relu) {
    c.finish.mask = {args.x.data, elements(args.x)};
    c.finish.mask_stride = args.x.stride;
    c.finish.mask_shift = upload_vector(planner, c, args.prologue.shift);
    c.finish.vectors = c.finish.vectors && takes_vectors(args.x);
  }
  if (args.mode == Accumulate::add) set_residual(c, args.dx);
  for (int64_t h = 0; h < p.stride_h; ++h) {
    const Axis rows = backward_axis({p.kernel_h, p.stride_h, p.pad_h, p.dilation_h, p.offset_h}, args.dx.shape.h, h);
    for (int64_t w = 0; w < p.stride_w; ++w) {
      add_gather(c, rows,
                 backward_axis({p.kernel_w, p.stride_w, p.pad_w, p.dilation_w, p.offset_w}, args.dx.shape.w, w));
    }
  }
  return c;
}

}  // namespace nad::cuda
