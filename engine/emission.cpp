#include "engine/emission.h"

#include <string>

namespace nad {
namespace {

const char* op_name(const Task& task, const Tape::Node& node) {
  switch (task.kind) {
    case Task::Kind::wide_forward:
    case Task::Kind::wide_backward:
      return "conv2d";
    case Task::Kind::pool_forward:
    case Task::Kind::pool_backward:
      return "max_pool";
    case Task::Kind::zero:
      return "zero";
    case Task::Kind::epilogue:
      return "epilogue";
    case Task::Kind::pass_on:
      return "pass on";
    default:
      return to_string(node.op);
  }
}

bool is_forward(const Task& task) {
  return task.kind == Task::Kind::forward || task.kind == Task::Kind::wide_forward ||
         task.kind == Task::Kind::pool_forward;
}

}  // namespace

// ---- views -------------------------------------------------------------------------------------------------------

Tensor Emission::value(Var v) const {
  const Tape::Value& val = tape_.values()[v.id];
  return {reinterpret_cast<float*>(address(schedule_.values[val.root])) + val.first, val.shape,
          tape_.buffers()[val.root].shape.c};
}

Tensor Emission::with_gradient(Var v) const {
  return value(v).samples(schedule_.gradient_from, schedule_.gradient_samples());
}

Tensor Emission::gradient(Var v, const Place& place) const {
  Shape shape = tape_.shape(v);
  shape.n = schedule_.gradient_samples();
  return {reinterpret_cast<float*>(address(place.region)) + place.first + tape_.values()[v.id].first, shape,
          place.stride};
}

// The channels that the node writes: all of the gate's, but in a gated slab.
GateRef Emission::gate_of_slice(const Tape::Node& node) const {
  if (node.gate < 0) return {};
  const Plan::GateMemory& gate = plan_.gates()[node.gate];
  const int64_t first = tape_.values()[node.y.id].first - tape_.values()[tape_.gates()[node.gate].y.id].first;
  return {gate.table + first, plan_.rows(), options_.gate_rows, gate.channels};
}

GateRef Emission::gate_with_gradient(int index) const {
  const Plan::GateMemory& gate = plan_.gates()[index];
  return {gate.table, plan_.rows() + schedule_.gradient_from, options_.gate_rows, gate.channels};
}

Epilogue Emission::epilogue(const Tape::Node& node) const {
  Epilogue e{node.post.scale, node.post.shift, {}, node.post.relu, gate_of_slice(node)};
  if (node.post.residual) e.residual = value(node.post.residual);
  return e;
}

uint8_t* Emission::argmax(int node) const {
  const int region = schedule_.argmax[node];
  return region < 0 ? nullptr : reinterpret_cast<uint8_t*>(address(region));
}

const uint8_t* Emission::argmax_with_gradient(int node) const {
  const Shape& shape = tape_.shape(tape_.nodes()[node].y);
  return argmax(node) + schedule_.gradient_from * shape.h * shape.w * shape.c;
}

// Does the forward op itself sum up the tap on its output?
bool Emission::sums_tap(const Tape::Node& node) const {
  return options_.taps && node.gate >= 0 && node.op == Op::conv2d && ops_.conv2d_sums_taps &&
         tape_.gates()[node.gate].y.id == node.y.id;
}

// ---- kernels -----------------------------------------------------------------------------------------------------

Plan::Step Emission::step(const Task& task) {
  const Tape::Node& node = tape_.nodes()[task.node];
  const bool of_gate = node.gate >= 0 && (task.kind == Task::Kind::epilogue || task.kind == Task::Kind::zero);
  return {of_gate ? tape_.gates()[node.gate].name : node.name, op_name(task, node), !is_forward(task), kernel(task)};
}

Kernel Emission::kernel(const Task& task) {
  switch (task.kind) {
    case Task::Kind::forward:
      return forward(task);
    case Task::Kind::wide_forward:
      return wide_forward(task);
    case Task::Kind::pool_forward:
      return pool_forward(task);
    case Task::Kind::zero:
      return zero(task);
    case Task::Kind::epilogue:
      return epilogue_backward(task);
    case Task::Kind::pass_on:
      return ops_.pointwise_backward(planner_, {gradient(tape_.nodes()[task.node].y, task.dy), task.scale, task.mode,
                                                gradient(task.to, task.dx)});
    case Task::Kind::backward:
      return backward(task);
    case Task::Kind::pool_backward:
      return pool_backward(task);
    case Task::Kind::wide_backward:
      return wide_backward(task);
  }
  return {};
}

Kernel Emission::forward(const Task& task) {
  const Tape::Node& n = tape_.nodes()[task.node];
  const CTensor x = value(n.x);
  const Tensor y = value(n.y);
  switch (n.op) {
    case Op::conv2d:
      return ops_.conv2d(planner_, {n.conv, x, n.weight, n.prologue, epilogue(n), y,
                                    sums_tap(n) ? plan_.gates()[n.gate].tap_sum : nullptr});
    case Op::conv2d_max_pool:
      return ops_.conv2d_max_pool(planner_, {n.conv, n.pool, x, n.weight, epilogue(n), y, argmax(task.node)});
    case Op::linear:
      return ops_.linear(planner_, {x, n.weight, epilogue(n), y});
    case Op::pointwise:
      return ops_.pointwise(planner_, {x, epilogue(n), y});
    case Op::gate:
      return ops_.gate(planner_, {x, gate_of_slice(n), n.post.relu, n.repeat, y});
    case Op::max_pool:
      return ops_.max_pool(planner_, {n.pool, x, epilogue(n), y, argmax(task.node)});
    case Op::avg_pool:
      return ops_.avg_pool(planner_, {n.pool, x, epilogue(n), y});
    case Op::adaptive_pool:
      return ops_.adaptive_pool(planner_, {x, epilogue(n), y});
    case Op::batch_norm: {
      const Tensor statistics = value(n.statistics);
      return ops_.batch_norm(planner_, {x, n.epsilon, statistics.at(0, 0, 0), statistics.at(0, 0, 1), y});
    }
  }
  return {};
}

Kernel Emission::wide_forward(const Task& task) {
  const Tape::Node& n = tape_.nodes()[task.node];
  const Tensor wide = whole(task.wide, conv_output(n.conv, tape_.shape(n.x), tape_.shape(n.y).c));
  const Epilogue affine{n.post.scale, n.post.shift, {}, false, {}};
  return ops_.conv2d(planner_, {n.conv, value(n.x), n.weight, {}, affine, wide});
}

Kernel Emission::pool_forward(const Task& task) {
  const Tape::Node& n = tape_.nodes()[task.node];
  const Tensor wide = whole(task.wide, conv_output(n.conv, tape_.shape(n.x), tape_.shape(n.y).c));
  Epilogue rest = epilogue(n);
  rest.scale = rest.shift = nullptr;
  return ops_.max_pool(planner_, {n.pool, wide, rest, value(n.y), argmax(task.node)});
}

Kernel Emission::zero(const Task& task) {
  Backend& backend = planner_.context().backend();
  const size_t bytes = schedule_.regions[task.dy.region].bytes;
  const Buffer zeros = backend.allocate(bytes);
  planner_.account().state += bytes;
  std::byte* to = address(task.dy.region);
  return [zeros, to, bytes](Context& context) { context.backend().copy(to, zeros.get(), bytes); };
}

// dy becomes dz in place; that of a gated slab all at once, as one stream through memory.
Kernel Emission::epilogue_backward(const Task& task) {
  const Tape::Node& node = tape_.nodes()[task.node];
  const Var y = node.gate < 0 ? node.y : tape_.gates()[node.gate].y;
  EpilogueBackwardArgs a;
  a.dy = gradient(y, task.dy);
  a.y = with_gradient(y);
  a.relu = node.post.relu;
  if (node.gate >= 0) {
    const Plan::GateMemory& gate = plan_.gates()[node.gate];
    a.gate = gate_with_gradient(node.gate);
    a.dgate = gate.dgate;
    if (options_.taps) {
      a.tap_target = value(y).samples(0, schedule_.gradient_from);
      a.tap_weight = plan_.tap_weight();
      a.tap_scale = 1.0f / static_cast<float>(gate.channels * gate.plane * plan_.gates().size());
      if (!sums_tap(node)) a.tap_sum = gate.tap_sum;
    }
  }
  if (task.below) a.dz = gradient(y, task.dy);
  return ops_.epilogue_backward(planner_, a);
}

Kernel Emission::backward(const Task& task) {
  const Tape::Node& n = tape_.nodes()[task.node];
  const CTensor dy = gradient(n.y, task.dy);
  const Tensor dx = gradient(n.x, task.dx);
  Prologue prologue = n.prologue;
  if (task.rectify) prologue.relu = true;
  switch (n.op) {
    case Op::conv2d:
      return ops_.conv2d_backward(planner_, {n.conv, dy, n.weight, n.post.scale, prologue,
                                             prologue ? CTensor(with_gradient(n.x)) : CTensor(), task.mode, dx});
    case Op::linear:
      return ops_.linear_backward(planner_, {dy, n.weight, task.mode, dx});
    case Op::conv2d_max_pool:
      return ops_.conv2d_max_pool_backward(
          planner_, {n.conv, n.pool, dy, argmax_with_gradient(task.node), n.weight, n.post.scale, task.mode, dx});
    case Op::max_pool:
      return ops_.max_pool_backward(planner_, {n.pool, dy, argmax_with_gradient(task.node), task.mode, dx});
    case Op::avg_pool:
      return ops_.avg_pool_backward(planner_, {n.pool, dy, task.mode, dx});
    case Op::adaptive_pool:
      return ops_.adaptive_pool_backward(planner_, {dy, task.mode, dx});
    default:
      return {};
  }
}

Tensor Emission::wide_gradient(const Task& task) const {
  const Tape::Node& n = tape_.nodes()[task.node];
  Shape shape = conv_output(n.conv, tape_.shape(n.x), tape_.shape(n.y).c);
  shape.n = schedule_.gradient_samples();
  return whole(task.wide, shape);
}

Kernel Emission::pool_backward(const Task& task) {
  const Tape::Node& n = tape_.nodes()[task.node];
  return ops_.max_pool_backward(planner_, {n.pool, gradient(n.y, task.dy), argmax_with_gradient(task.node),
                                           Accumulate::overwrite, wide_gradient(task)});
}

Kernel Emission::wide_backward(const Task& task) {
  const Tape::Node& n = tape_.nodes()[task.node];
  return ops_.conv2d_backward(
      planner_, {n.conv, wide_gradient(task), n.weight, n.post.scale, {}, {}, task.mode, gradient(n.x, task.dx)});
}

}  // namespace nad
