#include "engine/plan.h"

#include <array>
#include <string>

#include "engine/emission.h"
#include "engine/error.h"
#include "engine/schedule.h"

namespace nad {
namespace {

void check(const Tape& tape, const PlanOptions& o) {
  const int64_t samples = tape.shape(tape.output_var()).n;
  const auto fail = [](const std::string& text) { throw Error(ErrorKind::usage, "plan: " + text); };
  if (o.gradient && (o.gradient_from < 0 || o.gradient_from >= samples)) {
    fail("a gradient from sample " + std::to_string(o.gradient_from) + " on, the tape has " +
         std::to_string(samples));
  }
  if (o.taps && (!o.gradient || samples != 2 * o.gradient_from)) {
    fail("distance taps need a gradient for the second half of the samples");
  }
}

}  // namespace

Plan::Plan(Context& context, const Tape& tape, const PlanOptions& options) : context_(context) {
  check(tape, options);
  Planner planner(context);
  Schedule schedule = schedule_forward(planner, context.ops(), tape, options);
  if (options.gradient) walk_gradients(tape, options, schedule);
  const size_t bytes = place_regions(tape, options, schedule);
  planner.account().state = allocate_state(tape, options);
  planner.account().activations = take_arena(bytes, options.lender);

  Emission emission(planner, context.ops(), tape, options, schedule, *this, arena_.get());
  for (size_t i = 0; i < gates_.size(); ++i) gates_[i].value = emission.value(tape.gates()[i].y);
  for (const Tape::Node& node : tape.nodes()) {
    if (node.op != Op::batch_norm) continue;
    const Tensor both = emission.value(node.statistics);
    const Shape& x = tape.shape(node.x);
    statistics_.push_back({node.name, x.c, x.pixels(), both.at(0, 0, 0), both.at(0, 0, 1)});
  }
  images_ = emission.value(tape.input_var());
  logits_ = emission.value(tape.output_var());
  if (options.gradient) dlogits_ = emission.gradient(tape.output_var(), schedule.dlogits);
  for (const Task& task : schedule.forward) forward_.push_back(emission.step(task));
  for (const Task& task : schedule.backward) backward_.push_back(emission.step(task));
  account_ = planner.account();
}

// Memory that is not in the arena: gate tables, rows, tap weights. Returns its bytes.
size_t Plan::allocate_state(const Tape& tape, const PlanOptions& options) {
  size_t bytes = 0;
  const auto reserve = [&bytes](size_t n) {
    const size_t at = bytes;
    bytes += (n + 255) / 256 * 256;
    return at;
  };
  struct Offsets {
    size_t table = 0, dgate = 0, tap_sum = 0;
  };
  std::vector<Offsets> offsets;
  for (const Tape::Gate& gate : tape.gates()) {
    const size_t table = sizeof(float) * options.gate_rows * tape.shape(gate.y).c;
    Offsets o{reserve(table)};
    if (options.gradient) o.dgate = reserve(table), o.tap_sum = reserve(sizeof(double) * options.gradient_from);
    offsets.push_back(o);
  }
  const size_t rows = reserve(sizeof(int32_t) * tape.shape(tape.output_var()).n);
  const size_t weights = options.gradient ? reserve(sizeof(float) * options.gradient_from) : 0;
  state_ = context_.backend().allocate(bytes);
  std::byte* base = state_.get();
  for (size_t i = 0; i < offsets.size(); ++i) {
    const Tape::Gate& gate = tape.gates()[i];
    const Shape shape = tape.shape(gate.y);
    GateMemory memory;
    memory.name = gate.name;
    memory.channels = shape.c;
    memory.plane = shape.h * shape.w;
    memory.table = reinterpret_cast<float*>(base + offsets[i].table);
    if (options.gradient) {
      memory.dgate = reinterpret_cast<float*>(base + offsets[i].dgate);
      memory.tap_sum = reinterpret_cast<double*>(base + offsets[i].tap_sum);
    }
    gates_.push_back(std::move(memory));
  }
  rows_ = reinterpret_cast<int32_t*>(base + rows);
  if (options.gradient) tap_weight_ = reinterpret_cast<float*>(base + weights);
  return bytes;
}

// Returns the bytes that were allocated: none where the lender's arena is large enough.
size_t Plan::take_arena(size_t bytes, const Plan* lender) {
  const bool borrow = lender && lender->arena_bytes_ >= bytes;
  arena_ = borrow ? lender->arena_ : context_.backend().allocate(bytes);
  arena_bytes_ = borrow ? lender->arena_bytes_ : bytes;
  return borrow ? 0 : bytes;
}

void Plan::forward() {
  for (const Step& step : forward_) step.kernel(context_);
}

void Plan::backward() {
  for (const Step& step : backward_) step.kernel(context_);
}

}  // namespace nad
