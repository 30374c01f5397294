// The walk of gradients: backwards over the tape, from the logits to the first gate, noting what each node's backward
// pass has to compute and in which memory its gradients meet.
#include <vector>

#include "engine/error.h"
#include "engine/schedule.h"

namespace nad {
namespace {

class GradientWalk {
 public:
  GradientWalk(const Tape& tape, const PlanOptions& options, Schedule& schedule)
      : tape_(tape), options_(options), schedule_(schedule) {}

  void run() {
    const int nodes = static_cast<int>(tape_.nodes().size());
    gradients_.assign(tape_.buffers().size(), {});
    rectified_.assign(tape_.nodes().size(), false);
    mark_needs();
    schedule_.dlogits = start_gradient(tape_.output_var());
    for (int i = nodes - 1; i >= 0; --i) visit(i);
  }

 private:
  int root(Var v) const { return root_of(tape_, v); }

  // A root needs a gradient if a gate lies on it or above it.
  void mark_needs() {
    needs_.assign(tape_.buffers().size(), false);
    for (const Tape::Node& node : tape_.nodes()) {
      const bool above = needs_[root(node.x)] || (node.post.residual && needs_[root(node.post.residual)]);
      if (above && node.repeat > 1) {
        throw Error(ErrorKind::device, "plan: " + node.name + ": only the first gate may repeat the batch");
      }
      if (above || node.gate >= 0) needs_[root(node.y)] = true;
    }
  }

  Task make(Task::Kind kind, int node, const Place& dy) const {
    Task task;
    task.kind = kind;
    task.node = node;
    task.time = schedule_.backward_time(node);
    task.dy = dy;
    return task;
  }
  void add(const Task& task) { schedule_.backward.push_back(task); }

  const Place& start_gradient(Var v) {
    Place& place = gradients_[root(v)];
    const Shape& shape = tape_.buffers()[root(v)].shape;
    const int64_t count = schedule_.gradient_samples() * shape.h * shape.w * shape.c;
    place = {schedule_.new_region(sizeof(float) * static_cast<size_t>(count)), 0, shape.c};
    return place;
  }

  // Gives the task a place for its contribution to v's gradient, and whether it overwrites or accumulates.
  void contribute(Var v, Task& task) {
    task.to = v;
    task.mode = Accumulate::add;
    if (gradients_[root(v)].region < 0) {
      if (!is_whole(tape_, v)) {
        throw Error(ErrorKind::device,
                    "plan: " + tape_.buffers()[root(v)].name + ": the last consumer of a slab must read all of it");
      }
      start_gradient(v);
      task.mode = Accumulate::overwrite;
    }
    task.dx = gradients_[root(v)];
  }

  // The gradient of `to` becomes the memory of y's gradient (y is not needed any more once its node is done).
  bool share(Var to, Var y) {
    if (gradients_[root(to)].region >= 0 || !is_whole(tape_, to)) return false;
    const Place& from = gradients_[root(y)];
    gradients_[root(to)] = {from.region, from.first + tape_.values()[y.id].first, from.stride};
    return true;
  }

  void visit(int index) {
    const Tape::Node& node = tape_.nodes()[index];
    if (!needs_[root(node.y)]) return;
    // A gated slab's epilogue belongs to the node that wrote its last slice: the first one on the way back.
    const bool reaches_gate = node.gate < 0 || tape_.gates()[node.gate].last == index;
    if (gradients_[root(node.y)].region < 0 && reaches_gate && node.gate >= 0 && options_.taps) {
      // Nothing downstream reads the gate (DARTS: no edge of the cells above it): it has its tap all the same.
      add(make(Task::Kind::zero, index, start_gradient(tape_.gates()[node.gate].y)));
    }
    const Place dy = gradients_[root(node.y)];
    if (dy.region < 0) return;  // nothing downstream reads this value
    const bool x_needs = needs_[root(node.x)];
    const bool residual_needs = node.post.residual && needs_[root(node.post.residual)];
    const bool done = rectified_[index];  // by the backward pass of what reads y
    if (reaches_gate && !done && (node.post.relu || node.gate >= 0)) {
      Task task = make(Task::Kind::epilogue, index, dy);
      task.below = x_needs || residual_needs;
      add(task);
    }
    if (node.op == Op::gate) {  // its epilogue is all it is
      if (x_needs && !share(node.x, node.y)) pass_on(index, node.x, dy, nullptr);
      return;
    }
    if (residual_needs) {
      const bool same = x_needs && root(node.post.residual) == root(node.x);
      if (same || !share(node.post.residual, node.y)) pass_on(index, node.post.residual, dy, nullptr);
    }
    if (x_needs) visit_operator(index, dy);
  }

  void pass_on(int index, Var to, const Place& dy, const Param& scale) {
    Task task = make(Task::Kind::pass_on, index, dy);
    contribute(to, task);
    task.scale = scale;
    add(task);
  }

  void visit_operator(int index, const Place& dy) {
    const Tape::Node& node = tape_.nodes()[index];
    if (node.op == Op::batch_norm) {
      throw Error(ErrorKind::device, "plan: " + node.name + ": statistics are measured without a backward pass");
    }
    if (node.op == Op::pointwise) {
      const bool copy = !node.post.scale && !node.post.residual;
      if (!copy || !share(node.x, node.y)) pass_on(index, node.x, dy, node.post.scale);
      return;
    }
    Task task = make(Task::Kind::backward, index, dy);
    contribute(node.x, task);
    const int rectifier = node.op == Op::conv2d && !node.prologue ? rectifier_of(node.x) : -1;
    if (rectifier >= 0) rectified_[rectifier] = task.rectify = true;
    if (schedule_.composed[index]) {
      Shape wide = conv_output(node.conv, tape_.shape(node.x), tape_.shape(node.y).c);
      wide.n = schedule_.gradient_samples();
      task.wide = schedule_.new_region(sizeof(float) * static_cast<size_t>(wide.count()));
      task.kind = Task::Kind::pool_backward;
      add(task);
      task.kind = Task::Kind::wide_backward;
    }
    add(task);
  }

  // Whose ReLU, and nothing else, lies between the producer of x and its one consumer: the consumer's backward pass
  // can differentiate it like its own prologue's. -1: nobody's.
  int rectifier_of(Var x) const {
    int producer = -1, uses = 0;
    for (int i = 0; i < static_cast<int>(tape_.nodes().size()); ++i) {
      const Tape::Node& node = tape_.nodes()[i];
      uses += root(node.x) == root(x) ? 1 : 0;
      uses += node.post.residual && root(node.post.residual) == root(x) ? 1 : 0;
      if (root(node.y) == root(x)) producer = i;
    }
    if (producer < 0 || uses != 1) return -1;
    const Tape::Node& node = tape_.nodes()[producer];
    return node.post.relu && node.gate < 0 && is_whole(tape_, node.y) && is_whole(tape_, x) ? producer : -1;
  }

  const Tape& tape_;
  const PlanOptions& options_;
  Schedule& schedule_;
  std::vector<Place> gradients_;  // of every root
  std::vector<bool> needs_;       // of every root
  std::vector<bool> rectified_;   // of every node: its ReLU is differentiated elsewhere
};

}  // namespace

void walk_gradients(const Tape& tape, const PlanOptions& options, Schedule& schedule) {
  GradientWalk(tape, options, schedule).run();
}

}  // namespace nad
