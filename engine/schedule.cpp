#include "engine/schedule.h"

#include <limits>

namespace nad {
namespace {

int value_region(const Tape& tape, Schedule& schedule, Var v) {
  int& region = schedule.values[root_of(tape, v)];
  if (region < 0) {
    region = schedule.new_region(sizeof(float) * tape.buffers()[root_of(tape, v)].shape.count());
  }
  return region;
}

void schedule_node(const Tape& tape, int index, bool gradient, Schedule& schedule) {
  const Tape::Node& node = tape.nodes()[index];
  value_region(tape, schedule, node.x);
  if (node.post.residual) value_region(tape, schedule, node.post.residual);
  value_region(tape, schedule, node.y);
  if (node.statistics) value_region(tape, schedule, node.statistics);
  if ((node.op == Op::max_pool || node.op == Op::conv2d_max_pool) && gradient) {
    schedule.argmax[index] = schedule.new_region(static_cast<size_t>(tape.shape(node.y).count()));
  }
  Task task;
  task.node = index;
  task.time = schedule.forward_time(index);
  if (schedule.composed[index]) {
    const Shape wide = conv_output(node.conv, tape.shape(node.x), tape.shape(node.y).c);
    task.wide = schedule.new_region(sizeof(float) * static_cast<size_t>(wide.count()));
    task.kind = Task::Kind::wide_forward;
    schedule.forward.push_back(task);
    task.kind = Task::Kind::pool_forward;
  }
  schedule.forward.push_back(task);
}

}  // namespace

int Schedule::new_region(size_t bytes) {
  regions.push_back({bytes, std::numeric_limits<int>::max(), std::numeric_limits<int>::min(), 0});
  return static_cast<int>(regions.size()) - 1;
}

Schedule schedule_forward(const Planner& planner, const OpTable& ops, const Tape& tape, const PlanOptions& options) {
  Schedule schedule;
  schedule.samples = tape.shape(tape.output_var()).n;
  schedule.gradient_from = options.gradient_from;
  schedule.values.assign(tape.buffers().size(), -1);
  schedule.argmax.assign(tape.nodes().size(), -1);
  for (const Tape::Node& n : tape.nodes()) {
    const bool fused = n.op == Op::conv2d_max_pool && ops.fuses_max_pool &&
                       ops.fuses_max_pool(planner, n.conv, n.pool, tape.shape(n.x), tape.shape(n.y).c);
    schedule.composed.push_back(n.op == Op::conv2d_max_pool && !fused);
  }
  value_region(tape, schedule, tape.input_var());
  for (size_t i = 0; i < tape.nodes().size(); ++i) {
    schedule_node(tape, static_cast<int>(i), options.gradient, schedule);
  }
  return schedule;
}

}  // namespace nad
