#include "engine/tape.h"

#include "engine/error.h"

namespace nad {
namespace {

[[noreturn]] void misfit(const std::string& node, const std::string& what) {
  throw Error(ErrorKind::data, "network: " + node + ": " + what,
              "check the architecture attributes of the weights file");
}

std::string dims(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

void check_vector(const std::string& node, const char* what, const Param& p, int64_t channels) {
  if (p && p->count() != channels) {
    misfit(node, std::string(what) + " has " + std::to_string(p->count()) + " values, expected " +
                     std::to_string(channels));
  }
}

}  // namespace

const char* to_string(Op op) {
  switch (op) {
    case Op::conv2d:
      return "conv2d";
    case Op::conv2d_max_pool:
      return "conv2d_max_pool";
    case Op::linear:
      return "linear";
    case Op::pointwise:
      return "pointwise";
    case Op::gate:
      return "gate";
    case Op::max_pool:
      return "max_pool";
    case Op::avg_pool:
      return "avg_pool";
    case Op::adaptive_pool:
      return "adaptive_pool";
    case Op::batch_norm:
      return "batch_norm";
  }
  return "?";
}

Var Tape::add_value(const Shape& shape, const std::string& name) {
  buffers_.push_back({shape, name, -1});
  values_.push_back({static_cast<int>(buffers_.size()) - 1, 0, shape});
  return {static_cast<int>(values_.size()) - 1};
}

Var Tape::input(Shape shape, const std::string& name) { return input_ = add_value(shape, name); }

Var Tape::slab(Shape shape, const std::string& name) { return add_value(shape, name); }

Var Tape::gated_slab(Shape shape, const std::string& name) {
  const Var slab = add_value(shape, name);
  buffers_.back().gate = static_cast<int>(gates_.size());
  gates_.push_back({slab, name});
  return slab;
}

Var Tape::slice(Var slab, int64_t first, int64_t count) {
  Value value = values_[slab.id];
  if (first < 0 || count <= 0 || first + count > value.shape.c) {
    misfit(buffers_[value.root].name, "channels " + std::to_string(first) + " to " + std::to_string(first + count) +
                                          " of " + std::to_string(value.shape.c));
  }
  value.first += first;
  value.shape.c = count;
  values_.push_back(value);
  return {static_cast<int>(values_.size()) - 1};
}

Var Tape::record(Node node, const Shape& shape, Var into) {
  if (shape.n <= 0 || shape.h <= 0 || shape.w <= 0 || shape.c <= 0) {
    misfit(node.name, "output of shape " + to_string(shape) + " is empty: the input is too small for this network");
  }
  check_vector(node.name, "scale", node.post.scale, shape.c);
  check_vector(node.name, "shift", node.post.shift, shape.c);
  if (node.post.residual && !(this->shape(node.post.residual) == shape)) {
    misfit(node.name, "residual of shape " + to_string(this->shape(node.post.residual)) + ", output of shape " +
                          to_string(shape));
  }
  if (into && !(this->shape(into) == shape)) {
    misfit(node.name,
           "output of shape " + to_string(shape) + " does not fit the slice " + to_string(this->shape(into)));
  }
  node.y = into ? into : add_value(shape, node.name);
  node.gate = buffers_[values_[node.y.id].root].gate;
  if (!node.post.gate.empty() && node.gate < 0) {
    node.gate = static_cast<int>(gates_.size());
    gates_.push_back({node.y, node.post.gate});
  } else if (node.gate >= 0 && node.post.relu) {
    misfit(node.name, "a node that writes a gated slab cannot end in a ReLU");
  }
  if (node.gate >= 0) gates_[node.gate].last = static_cast<int>(nodes_.size());
  nodes_.push_back(node);
  return node.y;
}

static void check_weight(const std::string& node, const Shape& in, const Conv2dParams& params, const Param& weight) {
  const std::vector<int64_t>& w = weight->shape;
  if (w.size() != 4 || params.groups <= 0 || in.c % params.groups != 0 || w[1] != in.c / params.groups ||
      w[0] % params.groups != 0 || w[2] != params.kernel_h || w[3] != params.kernel_w) {
    misfit(node, "weight " + dims(w) + " does not fit an input of " + std::to_string(in.c) + " channels in " +
                     std::to_string(params.groups) + " groups and a kernel of " + std::to_string(params.kernel_h) +
                     "x" + std::to_string(params.kernel_w));
  }
}

Var Tape::conv2d(Var x, const Conv2dParams& params, Param weight, const Prologue& prologue, const Post& post,
                 const std::string& name, Var into) {
  const Shape in = shape(x);
  check_weight(name, in, params, weight);
  check_vector(name, "prologue scale", prologue.scale, in.c);
  check_vector(name, "prologue shift", prologue.shift, in.c);
  const Shape out = conv_output(params, in, weight->shape[0]);
  Node node{Op::conv2d, name, x, {}, post, params, {}, std::move(weight), prologue, 1};
  return record(std::move(node), out, into);
}

Var Tape::conv2d_max_pool(Var x, const Conv2dParams& params, const PoolParams& pool, Param weight, const Post& post,
                          const std::string& name) {
  const Shape in = shape(x);
  check_weight(name, in, params, weight);
  if (post.residual) misfit(name, "nothing is added to a pooled convolution");
  const Shape out = pool_output(pool, conv_output(params, in, weight->shape[0]));
  Node node{Op::conv2d_max_pool, name, x, {}, post, params, pool, std::move(weight), {}, 1};
  return record(std::move(node), out, {});
}

Var Tape::linear(Var x, Param weight, const Post& post, const std::string& name) {
  const Shape in = shape(x);
  const std::vector<int64_t>& w = weight->shape;
  if (w.size() != 2 || w[1] != in.h * in.w * in.c) {
    misfit(name, "weight " + dims(w) + " does not fit " + std::to_string(in.h * in.w * in.c) + " inputs");
  }
  if (values_[x.id].shape.c != buffers_[values_[x.id].root].shape.c)
    misfit(name, "the input of a linear layer must be dense");
  Node node{Op::linear, name, x, {}, post, {}, {}, weight, {}, 1};
  return record(std::move(node), {in.n, 1, 1, w[0]}, {});
}

Var Tape::pointwise(Var x, const Post& post, const std::string& name, Var into) {
  return record({Op::pointwise, name, x, {}, post, {}, {}, {}, {}, 1}, shape(x), into);
}

Var Tape::gate(Var x, bool relu, int64_t repeat, const std::string& name, Var into) {
  Shape out = shape(x);
  out.n *= repeat;
  Post post;
  post.relu = relu;
  post.gate = name;
  return record({Op::gate, name, x, {}, post, {}, {}, {}, {}, repeat}, out, into);
}

Var Tape::max_pool(Var x, const PoolParams& params, const Post& post, const std::string& name, Var into) {
  const Shape in = shape(x);
  const Shape out = pool_output(params, in);
  return record({Op::max_pool, name, x, {}, post, {}, params, {}, {}, 1}, out, into);
}

Var Tape::avg_pool(Var x, const PoolParams& params, const Post& post, const std::string& name, Var into) {
  const Shape in = shape(x);
  const Shape out = pool_output(params, in);
  return record({Op::avg_pool, name, x, {}, post, {}, params, {}, {}, 1}, out, into);
}

Var Tape::adaptive_pool(Var x, int64_t out_h, int64_t out_w, const Post& post, const std::string& name) {
  const Shape in = shape(x);
  return record({Op::adaptive_pool, name, x, {}, post, {}, {}, {}, {}, 1}, {in.n, out_h, out_w, in.c}, {});
}

Var Tape::batch_norm(Var x, double epsilon, const std::string& name) {
  Node node{Op::batch_norm, name, x, {}, {}, {}, {}, {}, {}, 1};
  node.epsilon = epsilon;
  node.statistics = add_value({1, 1, 2, shape(x).c}, name);
  return record(std::move(node), shape(x), {});
}

Tape Tape::with_batch(int64_t samples, int64_t repeat) const {
  Tape tape = *this;
  const auto count = [&tape](Var v) -> int64_t& { return tape.buffers_[tape.values_[v.id].root].shape.n; };
  count(input_) = samples;
  bool repeats = false;
  for (Node& node : tape.nodes_) {
    if (node.gate == 0 && node.op == Op::gate) node.repeat = repeat, repeats = true;
    count(node.y) = count(node.x) * node.repeat;
  }
  if (repeat > 1 && !repeats) throw Error(ErrorKind::usage, "tape: no gate of its own that could repeat the batch");
  for (Value& value : tape.values_) value.shape.n = tape.buffers_[value.root].shape.n;
  return tape;
}

}  // namespace nad
