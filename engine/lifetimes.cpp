// Lifetimes and places: a region lives from the first task that touches it to the last; regions whose lives do not
// overlap share bytes (engine/arena.h).
#include <algorithm>

#include "engine/schedule.h"

namespace nad {
namespace {

class Lifetimes {
 public:
  Lifetimes(const Tape& tape, Schedule& schedule) : tape_(tape), schedule_(schedule) {}

  void touch(int region, int time) {
    if (region < 0) return;
    Region& r = schedule_.regions[region];
    r.first = std::min(r.first, time);
    r.last = std::max(r.last, time);
  }
  void touch(Var v, int time) {
    if (v) touch(schedule_.values[root_of(tape_, v)], time);
  }

  // All that a task reads and writes.
  void touch(const Task& task) {
    const Tape::Node& node = tape_.nodes()[task.node];
    switch (task.kind) {
      case Task::Kind::forward:
      case Task::Kind::wide_forward:
      case Task::Kind::pool_forward:
        touch(node.x, task.time);
        touch(node.post.residual, task.time);
        touch(node.y, task.time);
        touch(node.statistics, task.time);
        touch(schedule_.argmax[task.node], task.time);
        break;
      case Task::Kind::epilogue:
        touch(node.gate < 0 ? node.y : tape_.gates()[node.gate].y, task.time);
        break;
      case Task::Kind::backward:
      case Task::Kind::pool_backward:
      case Task::Kind::wide_backward:
        if (node.prologue || task.rectify) touch(node.x, task.time);
        touch(schedule_.argmax[task.node], task.time);
        break;
      case Task::Kind::zero:
      case Task::Kind::pass_on:
        break;
    }
    for (const int region : {task.dy.region, task.dx.region, task.wide}) touch(region, task.time);
  }

 private:
  const Tape& tape_;
  Schedule& schedule_;
};

}  // namespace

size_t place_regions(const Tape& tape, const PlanOptions& options, Schedule& schedule) {
  Lifetimes lifetimes(tape, schedule);
  lifetimes.touch(tape.input_var(), 0);
  lifetimes.touch(tape.input_var(), schedule.end_time());  // a step may be repeated on the same images
  for (const Task& task : schedule.forward) lifetimes.touch(task);
  lifetimes.touch(tape.output_var(), schedule.end_time());
  if (options.keep_gates || options.gradient) {  // read behind the forward pass
    for (const Tape::Gate& gate : tape.gates()) lifetimes.touch(gate.y, schedule.loss_time());
  }
  for (const Tape::Node& node : tape.nodes()) lifetimes.touch(node.statistics, schedule.end_time());
  lifetimes.touch(schedule.dlogits.region, schedule.loss_time());
  for (const Task& task : schedule.backward) lifetimes.touch(task);
  return assign_offsets(schedule.regions);
}

}  // namespace nad
