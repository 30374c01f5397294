#include "models/darts_cell.h"

#include <algorithm>
#include <memory>

#include "engine/error.h"

namespace nad {
namespace {

Post adding(Var residual) {
  Post post;
  post.residual = residual;
  return post;
}

}  // namespace

bool DartsCell::Operation::has_parameters() const {
  return edge.primitive == Primitive::separable || edge.primitive == Primitive::dilated ||
         edge.primitive == Primitive::conv_7x1_1x7;
}

DartsCell::DartsCell(Builder& builder, const Genotype& genotype, CellPlace place)
    : b_(builder), tape_(builder.tape()), genotype_(genotype), place_(std::move(place)) {}

Var DartsCell::record(Var input0, Var input1) {
  Shape map = tape_.shape(input1);
  if (place_.reduction) {
    map.h = (map.h + 1) / 2;
    map.w = (map.w + 1) / 2;
  }
  map.c = place_.channels * static_cast<int64_t>(genotype_.concat.size());
  slab_ = b_.gated_slab(map, place_.name);

  const std::string pre0 = place_.name + ".preprocess0", pre1 = place_.name + ".preprocess1";
  const auto project = [&](Var x, const std::string& path, Var into) {
    return b_.conv(x, {.conv = path + ".op.1",
                       .norm = path + ".op.2",
                       .channels = place_.channels,
                       .prologue = rectified_input(),
                       .into = into});
  };
  states_.push_back(place_.reduction_before ? factorized_reduce(input0, pre0, destination(0))
                                            : project(input0, pre0, destination(0)));
  states_.push_back(project(input1, pre1, destination(1)));
  for (int64_t node = 0; node < genotype_.nodes(); ++node) states_.push_back(record_node(node));
  gate_states();
  return slab_;
}

Var DartsCell::slot(size_t index) {
  return tape_.slice(slab_, static_cast<int64_t>(index) * place_.channels, place_.channels);
}

bool DartsCell::direct(int64_t state) const {
  const auto reads = [state](const Edge& edge) { return edge.source == state; };
  return std::none_of(genotype_.edges.begin(), genotype_.edges.end(), reads) &&
         std::count(genotype_.concat.begin(), genotype_.concat.end(), state) == 1;
}

Var DartsCell::destination(int64_t state) {
  if (!direct(state)) return {};
  const auto found = std::find(genotype_.concat.begin(), genotype_.concat.end(), state);
  return slot(static_cast<size_t>(found - genotype_.concat.begin()));
}

// Recorded last, so that the gradient of such a state begins in place, as its slice of the slab's gradient.
void DartsCell::gate_states() {
  for (size_t i = 0; i < genotype_.concat.size(); ++i) {
    const int64_t state = genotype_.concat[i];
    if (direct(state)) continue;
    tape_.gate(states_[static_cast<size_t>(state)], false, 1, place_.name + ".state" + std::to_string(state),
               slot(i));
  }
}

DartsCell::Operation DartsCell::operation(size_t index) const {
  const Edge& edge = genotype_.edges[index];
  return {edge, place_.name + "._ops." + std::to_string(index), place_.reduction && edge.source < 2 ? 2 : 1};
}

Var DartsCell::record_node(int64_t node) {
  const Var into = destination(2 + node);
  const Operation a = operation(static_cast<size_t>(2 * node)), b = operation(static_cast<size_t>(2 * node + 1));
  if (b.edge.primitive != Primitive::none)
    return a.edge.primitive == Primitive::none ? value(b, {}, into) : sum(a, b, into);
  return a.edge.primitive == Primitive::none ? zeros(a, into) : value(a, {}, into);
}

Var DartsCell::sum(const Operation& a, const Operation& b, Var into) {
  if (b.has_parameters()) return value(b, value(a), into);
  if (a.has_parameters()) return value(a, value(b), into);
  const Var first = value(a);
  return tape_.pointwise(first, adding(value(b)), a.path + ".sum", into);
}

Var DartsCell::value(const Operation& op, Var residual, Var into) {
  const Var x = states_[static_cast<size_t>(op.edge.source)];
  switch (op.edge.primitive) {
    case Primitive::separable:
      return separable(op, residual, into);
    case Primitive::dilated:
      return dilated(op, residual, into);
    case Primitive::conv_7x1_1x7:
      return conv_7x1_1x7(op, residual, into);
    case Primitive::max_pool:
    case Primitive::avg_pool:
      return pool(op, into);
    case Primitive::skip:
      if (op.stride == 2) return factorized_reduce(x, op.path, into);
      return into ? tape_.pointwise(x, {}, op.path, into) : x;
    case Primitive::none:
      return zeros(op, into);
  }
  return {};
}

Var DartsCell::pool(const Operation& op, Var into) {
  const std::pair<Primitive, int64_t> key{op.edge.primitive, op.edge.source};
  const auto known = pools_.find(key);
  if (known != pools_.end()) return into ? tape_.pointwise(known->second, {}, op.path, into) : known->second;
  PoolParams params = square_pool(3, op.stride, 1);
  params.count_include_pad = false;
  const Var x = states_[static_cast<size_t>(op.edge.source)];
  const Var y = op.edge.primitive == Primitive::max_pool ? tape_.max_pool(x, params, {}, op.path, into)
                                                         : tape_.avg_pool(x, params, {}, op.path, into);
  if (!into) pools_[key] = y;  // a slice of the slab is gated
  return y;
}

Var DartsCell::depthwise(Var x, const std::string& name, int64_t kernel, int64_t stride, int64_t dilation) {
  Conv2dParams params = square_conv(kernel, stride, kernel / 2 * dilation);
  params.dilation_h = params.dilation_w = dilation;
  params.groups = place_.channels;
  return b_.conv(x, {.conv = name, .channels = place_.channels, .params = params, .prologue = rectified_input()});
}

// [ReLU, depthwise, 1x1, BatchNorm] twice, the stride in the first.
Var DartsCell::separable(const Operation& op, Var residual, Var into) {
  const std::string name = op.path + ".op.";
  Var x = depthwise(states_[static_cast<size_t>(op.edge.source)], name + "1", op.edge.kernel, op.stride, 1);
  x = b_.conv(x, {.conv = name + "2", .norm = name + "3", .channels = place_.channels});
  x = depthwise(x, name + "5", op.edge.kernel, 1, 1);
  return b_.conv(
      x,
      {.conv = name + "6", .norm = name + "7", .channels = place_.channels, .post = adding(residual), .into = into});
}

Var DartsCell::dilated(const Operation& op, Var residual, Var into) {
  const std::string name = op.path + ".op.";
  const Var x = depthwise(states_[static_cast<size_t>(op.edge.source)], name + "1", op.edge.kernel, op.stride, 2);
  return b_.conv(
      x,
      {.conv = name + "2", .norm = name + "3", .channels = place_.channels, .post = adding(residual), .into = into});
}

// A plain Sequential in the reference: its names have no ".op".
Var DartsCell::conv_7x1_1x7(const Operation& op, Var residual, Var into) {
  Conv2dParams row, column;
  row.kernel_w = column.kernel_h = 7;
  row.pad_w = column.pad_h = 3;
  row.stride_w = column.stride_h = op.stride;
  const Var x =
      b_.conv(states_[static_cast<size_t>(op.edge.source)],
              {.conv = op.path + ".1", .channels = place_.channels, .params = row, .prologue = rectified_input()});
  return b_.conv(x, {.conv = op.path + ".2",
                     .norm = op.path + ".3",
                     .channels = place_.channels,
                     .params = column,
                     .post = adding(residual),
                     .into = into});
}

// Two 1x1 convolutions of stride 2, the second on the input shifted by one pixel; each makes half of the channels.
Var DartsCell::factorized_reduce(Var x, const std::string& path, Var into) {
  const Shape in = tape_.shape(x);
  const int64_t half = place_.channels / 2;
  if (in.h % 2 != 0 || in.w % 2 != 0 || place_.channels % 2 != 0) {
    throw Error(ErrorKind::data,
                "network: " + path + ": a map of " + std::to_string(in.h) + "x" + std::to_string(in.w) + " to " +
                    std::to_string(place_.channels) + " channels, a factorized reduce needs even numbers",
                "check the attributes input_size and channels of the weights file");
  }
  const bool apart = b_.measures_batchnorm();  // of both halves together
  const Var y = into && !apart ? into : tape_.slab({in.n, in.h / 2, in.w / 2, place_.channels}, path);
  const Affine norm = apart ? Affine{} : b_.batchnorm_affine(path + ".bn", place_.channels);
  const auto part = [&](const std::string& name, int64_t index) {
    Conv2dParams params = square_conv(1, 2);
    params.offset_h = params.offset_w = index;
    const size_t first = static_cast<size_t>(index * half);
    b_.conv(x,
            {.conv = path + name,
             .channels = half,
             .params = params,
             .prologue = rectified_input(),
             .into = tape_.slice(y, index * half, half)},
            apart ? norm : norm.part(first, static_cast<size_t>(half)));
  };
  part(".conv_1", 0);
  part(".conv_2", 1);
  return apart ? b_.batchnorm(y, path + ".bn", {}, into) : y;
}

// 0 * x, as the reference has it, by a depthwise 1x1 convolution that also takes the stride.
Var DartsCell::zeros(const Operation& op, Var into) {
  Conv2dParams params = square_conv(1, op.stride);
  params.groups = place_.channels;
  HostTensor weight{{place_.channels, 1, 1, 1}, std::vector<float>(static_cast<size_t>(place_.channels), 0.0f)};
  return tape_.conv2d(states_[static_cast<size_t>(op.edge.source)], params,
                      std::make_shared<const HostTensor>(std::move(weight)), {}, {}, op.path, into);
}

}  // namespace nad
