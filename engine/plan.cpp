#include "engine/plan.h"

#include <algorithm>
#include <array>
#include <functional>

#include "engine/arena.h"
#include "engine/error.h"

namespace nad {

// Two passes over the tape in one: walking it notes regions, lifetimes and, as closures, how to make each kernel;
// once the arena exists the closures run with real addresses.
class PlanBuilder {
 public:
  PlanBuilder(Plan& plan, Context& context, const Tape& tape, const PlanOptions& options)
      : plan_(plan), context_(context), ops_(context.ops()), tape_(tape), options_(options), planner_(context) {}

  void build() {
    forward_count_ = static_cast<int>(tape_.nodes().size());
    values_.assign(tape_.buffers().size(), -1);
    gradients_.assign(tape_.buffers().size(), {});
    argmax_.assign(tape_.nodes().size(), -1);
    originals_ = tape_.shape(tape_.input_var()).n;
    total_ = tape_.shape(tape_.output_var()).n;
    if (options_.gradient && total_ == originals_) {
      throw Error(ErrorKind::usage, "plan: a gradient needs original and gated samples, the tape repeats nothing");
    }
    allocate_state();
    touch(value_region(tape_.input_var()), 0);
    touch(value_region(tape_.input_var()), end_time());  // a step may be repeated on the same images
    for (int i = 0; i < forward_count_; ++i) walk_forward(i);
    touch(value_region(tape_.output_var()), end_time());
    if (options_.keep_gates || options_.gradient) {  // gate statistics read them behind the forward pass
      for (const Tape::Gate& gate : tape_.gates()) touch(value_region(gate.y), loss_time());
    }
    if (options_.gradient) {
      mark_gradients();
      start_gradient(tape_.output_var(), loss_time());
      for (int i = forward_count_ - 1; i >= 0; --i) walk_backward(i);
    }
    finish();
  }

 private:
  struct Place {  // where a root's gradient lives: inside a region, possibly as a slice of another root's
    int region = -1;
    int64_t first = 0, stride = 0;
  };
  struct Pending {
    std::string name;
    const char* op;
    bool backward;
    std::function<Kernel()> make;
  };

  int loss_time() const { return forward_count_ + 1; }
  int backward_time(int node) const { return 2 * forward_count_ + 1 - node; }
  int end_time() const { return 2 * forward_count_ + 2; }
  const Tape::Value& value(Var v) const { return tape_.values()[v.id]; }
  int root(Var v) const { return value(v).root; }
  bool whole(Var v) const { return value(v).shape.c == tape_.buffers()[root(v)].shape.c; }

  // ---- regions ----
  int new_region(size_t bytes, int time) {
    regions_.push_back({bytes, time, time, 0});
    return static_cast<int>(regions_.size()) - 1;
  }
  void touch(int region, int time) {
    regions_[region].first = std::min(regions_[region].first, time);
    regions_[region].last = std::max(regions_[region].last, time);
  }
  int value_region(Var v) {
    int& region = values_[root(v)];
    if (region < 0) {
      region = new_region(sizeof(float) * tape_.buffers()[root(v)].shape.count(), now_);
    }
    return region;
  }
  std::byte* address(int region) const { return plan_.arena_.get() + regions_[region].offset; }

  // ---- views (after the arena exists) ----
  Tensor view(Var v) const {
    const Tape::Value& val = value(v);
    return {reinterpret_cast<float*>(address(values_[val.root])) + val.first, val.shape,
            tape_.buffers()[val.root].shape.c};
  }
  // The samples that have a gradient: those after the originals.
  Tensor gated(Var v) const { return view(v).samples(originals_, total_ - originals_); }
  Tensor gradient(Var v, const Place& place) const {
    Shape shape = value(v).shape;
    shape.n = total_ - originals_;
    return {reinterpret_cast<float*>(address(place.region)) + place.first + value(v).first, shape, place.stride};
  }
  // The gate's channels from `first` on.
  GateRef gate_ref(int gate, int64_t first, bool gated_only) const {
    const Plan::GateMemory& memory = plan_.gates_[gate];
    return {memory.table + first, plan_.rows_ + (gated_only ? originals_ : 0), options_.gate_rows, memory.channels};
  }
  // Those that the node writes: all of them, but in a gated slab.
  GateRef gate_ref(const Tape::Node& node) const {
    if (node.gate < 0) return {};
    return gate_ref(node.gate, value(node.y).first - value(tape_.gates()[node.gate].y).first, false);
  }
  Epilogue epilogue(const Tape::Node& node) const {
    Epilogue e{node.post.scale, node.post.shift, {}, node.post.relu, gate_ref(node)};
    if (node.post.residual) e.residual = view(node.post.residual);
    return e;
  }

  // Does the forward op itself sum up the tap on its output?
  bool sums_tap(const Tape::Node& node) const {
    return options_.gradient && options_.taps && node.gate >= 0 && node.op == Op::conv2d && ops_.conv2d_sums_taps &&
           total_ == 2 * originals_ && tape_.gates()[node.gate].y.id == node.y.id;
  }

  void later(const std::string& name, const char* op, bool backward, std::function<Kernel()> make) {
    pending_.push_back({name, op, backward, std::move(make)});
  }

  // ---- forward ----
  void walk_forward(int index) {
    const Tape::Node& node = tape_.nodes()[index];
    now_ = index + 1;
    touch(value_region(node.x), now_);
    if (node.post.residual) touch(value_region(node.post.residual), now_);
    touch(value_region(node.y), now_);
    if ((node.op == Op::max_pool || node.op == Op::conv2d_max_pool) && options_.gradient) {
      argmax_[index] = new_region(static_cast<size_t>(tape_.shape(node.y).count()), now_);
    }
    if (node.op == Op::conv2d_max_pool && !fuses_max_pool(node)) return walk_wide_forward(index);
    later(node.name, to_string(node.op), false, [this, index] { return make_forward(index); });
  }

  bool fuses_max_pool(const Tape::Node& n) const {
    return ops_.fuses_max_pool && ops_.fuses_max_pool(planner_, n.conv, n.pool, tape_.shape(n.x), tape_.shape(n.y).c);
  }

  // Convolution and max-pool one after the other, for backends that do not fuse them.
  void walk_wide_forward(int index) {
    const Tape::Node& n = tape_.nodes()[index];
    const Shape wide = conv_output(n.conv, tape_.shape(n.x), tape_.shape(n.y).c);
    const int region = new_region(sizeof(float) * static_cast<size_t>(wide.count()), now_);
    later(n.name, "conv2d", false, [this, &n, wide, region] {
      const Epilogue affine{n.post.scale, n.post.shift, {}, false, {}};
      return ops_.conv2d(planner_, {n.conv, view(n.x), n.weight, {}, affine, whole_view(region, wide)});
    });
    later(n.name, "max_pool", false, [this, &n, wide, region, index] {
      Epilogue rest = epilogue(n);
      rest.scale = rest.shift = nullptr;
      return ops_.max_pool(planner_, {n.pool, whole_view(region, wide), rest, view(n.y), argmax(index)});
    });
  }

  void walk_wide_backward(int index, const Place& dz, const Place& place, Accumulate mode) {
    const Tape::Node& n = tape_.nodes()[index];
    Shape wide = conv_output(n.conv, tape_.shape(n.x), tape_.shape(n.y).c);
    wide.n = total_ - originals_;
    const int region = new_region(sizeof(float) * static_cast<size_t>(wide.count()), now_);
    later(n.name, "max_pool", true, [this, &n, wide, region, index, dz] {
      return ops_.max_pool_backward(planner_, {n.pool, gradient(n.y, dz), gated_argmax(index), Accumulate::overwrite,
                                               whole_view(region, wide)});
    });
    later(n.name, "conv2d", true, [this, &n, wide, region, place, mode] {
      return ops_.conv2d_backward(
          planner_, {n.conv, whole_view(region, wide), n.weight, n.post.scale, {}, {}, mode, gradient(n.x, place)});
    });
  }

  Tensor whole_view(int region, const Shape& shape) const {
    return {reinterpret_cast<float*>(address(region)), shape, shape.c};
  }
  uint8_t* argmax(int index) const {
    return argmax_[index] < 0 ? nullptr : reinterpret_cast<uint8_t*>(address(argmax_[index]));
  }
  const uint8_t* gated_argmax(int index) const {  // of the samples after the originals
    const Shape& shape = tape_.shape(tape_.nodes()[index].y);
    return argmax(index) + originals_ * shape.h * shape.w * shape.c;
  }

  Kernel make_forward(int index) {
    const Tape::Node& n = tape_.nodes()[index];
    const CTensor x = view(n.x);
    const Tensor y = view(n.y);
    switch (n.op) {
      case Op::conv2d:
        return ops_.conv2d(planner_, {n.conv, x, n.weight, n.prologue, epilogue(n), y,
                                      sums_tap(n) ? plan_.gates_[n.gate].tap_sum : nullptr});
      case Op::conv2d_max_pool:
        return ops_.conv2d_max_pool(planner_, {n.conv, n.pool, x, n.weight, epilogue(n), y, argmax(index)});
      case Op::linear:
        return ops_.linear(planner_, {x, n.weight, epilogue(n), y});
      case Op::pointwise:
        return ops_.pointwise(planner_, {x, epilogue(n), y});
      case Op::gate:
        return ops_.gate(planner_, {x, gate_ref(n), n.post.relu, n.repeat, y});
      case Op::max_pool:
        return ops_.max_pool(planner_, {n.pool, x, epilogue(n), y, argmax(index)});
      case Op::avg_pool:
        return ops_.avg_pool(planner_, {n.pool, x, epilogue(n), y});
      case Op::adaptive_pool:
        return ops_.adaptive_pool(planner_, {x, epilogue(n), y});
    }
    return {};
  }

  // ---- backward ----
  // A root needs a gradient if a gate lies on it or above it.
  void mark_gradients() {
    needs_.assign(tape_.buffers().size(), false);
    rectified_.assign(tape_.nodes().size(), false);
    for (const Tape::Node& node : tape_.nodes()) {
      const bool above = needs_[root(node.x)] || (node.post.residual && needs_[root(node.post.residual)]);
      if (above || node.gate >= 0) needs_[root(node.y)] = true;
    }
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
    return node.post.relu && node.gate < 0 && whole(node.y) && whole(x) ? producer : -1;
  }

  Place& start_gradient(Var v, int time) {
    Place& place = gradients_[root(v)];
    const Shape& shape = tape_.buffers()[root(v)].shape;
    const int64_t samples = total_ - originals_;
    place = {new_region(sizeof(float) * samples * shape.h * shape.w * shape.c, time), 0, shape.c};
    return place;
  }

  // The place for a contribution to v's gradient at this time, and whether it overwrites or accumulates.
  Place contribute(Var v, Accumulate& mode) {
    Place& place = gradients_[root(v)];
    mode = Accumulate::add;
    if (place.region < 0) {
      if (!whole(v)) {
        throw Error(ErrorKind::device,
                    "plan: " + tape_.buffers()[root(v)].name + ": the last consumer of a slab must read all of it");
      }
      start_gradient(v, now_);
      mode = Accumulate::overwrite;
    }
    touch(gradients_[root(v)].region, now_);
    return gradients_[root(v)];
  }

  // The gradient of `to` becomes the memory of y's gradient (y is not needed any more once its node is done).
  bool share(Var to, Var y) {
    if (gradients_[root(to)].region >= 0 || !whole(to)) return false;
    const Place& from = gradients_[root(y)];
    gradients_[root(to)] = {from.region, from.first + value(y).first, from.stride};
    return true;
  }

  void walk_backward(int index) {
    const Tape::Node& node = tape_.nodes()[index];
    if (!needs_[root(node.y)]) return;
    now_ = backward_time(index);
    const bool first = node.gate < 0 || tape_.gates()[node.gate].last == index;  // to reach its gate
    if (gradients_[root(node.y)].region < 0 && first && node.gate >= 0 && options_.taps) start_from_zero(node);
    const Place dy = gradients_[root(node.y)];
    if (dy.region < 0) return;  // nothing downstream reads this value
    touch(dy.region, now_);
    const bool x_needs = needs_[root(node.x)];
    const bool residual_needs = node.post.residual && needs_[root(node.post.residual)];
    const bool done = rectified_[index];  // by the backward pass of what reads y
    if (first && !done && (node.post.relu || node.gate >= 0)) epilogue_backward(node, dy, x_needs || residual_needs);
    if (node.op == Op::gate) {  // its epilogue is all it is
      if (x_needs && !share(node.x, node.y)) pass_on(node, node.x, dy, nullptr);
      return;
    }
    if (residual_needs) {
      const bool same = x_needs && root(node.post.residual) == root(node.x);
      if (same || !share(node.post.residual, node.y)) pass_on(node, node.post.residual, dy, nullptr);
    }
    if (x_needs) operator_backward(index, dy);
  }

  // A gate that nothing downstream reads (DARTS: no edge of the cells above it) has its tap all the same.
  void start_from_zero(const Tape::Node& node) {
    const Tape::Gate& gate = tape_.gates()[node.gate];
    const Place place = start_gradient(gate.y, now_);
    later(gate.name, "zero", true, [this, place] {
      const size_t bytes = regions_[place.region].bytes;
      const Buffer zeros = context_.backend().allocate(bytes);
      planner_.account().state += bytes;
      std::byte* to = address(place.region);
      return [zeros, to, bytes](Context& context) { context.backend().copy(to, zeros.get(), bytes); };
    });
  }

  // dy becomes dz in place; that of a gated slab all at once, as one stream through memory.
  void epilogue_backward(const Tape::Node& node, const Place& dy, bool below) {
    const Var y = node.gate < 0 ? node.y : tape_.gates()[node.gate].y;
    touch(value_region(y), now_);
    later(node.gate < 0 ? node.name : tape_.gates()[node.gate].name, "epilogue", true, [this, &node, y, dy, below] {
      EpilogueBackwardArgs a;
      a.dy = gradient(y, dy);
      a.y = gated(y);
      a.relu = node.post.relu;
      if (node.gate >= 0) {
        const Plan::GateMemory& gate = plan_.gates_[node.gate];
        a.gate = gate_ref(node.gate, 0, true);
        a.dgate = gate.dgate;
        if (options_.taps) {
          a.tap_target = view(y).samples(0, originals_);
          a.tap_weight = plan_.tap_weight_;
          a.tap_scale = 1.0f / static_cast<float>(gate.channels * gate.plane * plan_.gates_.size());
          if (!sums_tap(node)) a.tap_sum = gate.tap_sum;
        }
      }
      if (below) a.dz = gradient(y, dy);
      return ops_.epilogue_backward(planner_, a);
    });
  }

  // gradient(to) (+)= scale * dz
  void pass_on(const Tape::Node& node, Var to, const Place& dz, Param scale) {
    Accumulate mode;
    const Place place = contribute(to, mode);
    later(node.name, "pass on", true, [this, &node, to, dz, place, mode, scale] {
      return ops_.pointwise_backward(planner_, {gradient(node.y, dz), scale, mode, gradient(to, place)});
    });
  }

  void operator_backward(int index, const Place& dz) {
    const Tape::Node& node = tape_.nodes()[index];
    if (node.op == Op::pointwise) {
      const bool copy = !node.post.scale && !node.post.residual;
      if (!copy || !share(node.x, node.y)) pass_on(node, node.x, dz, node.post.scale);
      return;
    }
    Accumulate mode;
    const Place place = contribute(node.x, mode);
    Prologue prologue = node.prologue;
    const int rectifier = node.op == Op::conv2d && !node.prologue ? rectifier_of(node.x) : -1;
    if (rectifier >= 0) rectified_[rectifier] = prologue.relu = true;
    if (prologue) touch(value_region(node.x), now_);
    if (argmax_[index] >= 0) touch(argmax_[index], now_);
    if (node.op == Op::conv2d_max_pool && !fuses_max_pool(node)) return walk_wide_backward(index, dz, place, mode);
    later(node.name, to_string(node.op), true, [this, index, dz, place, mode, prologue] {
      const Tape::Node& n = tape_.nodes()[index];
      const CTensor dy = gradient(n.y, dz);
      const Tensor dx = gradient(n.x, place);
      switch (n.op) {
        case Op::conv2d:
          return ops_.conv2d_backward(planner_, {n.conv, dy, n.weight, n.post.scale, prologue,
                                                 prologue ? CTensor(gated(n.x)) : CTensor(), mode, dx});
        case Op::linear:
          return ops_.linear_backward(planner_, {dy, n.weight, mode, dx});
        case Op::conv2d_max_pool:
          return ops_.conv2d_max_pool_backward(
              planner_, {n.conv, n.pool, dy, gated_argmax(index), n.weight, n.post.scale, mode, dx});
        case Op::max_pool:
          return ops_.max_pool_backward(planner_, {n.pool, dy, gated_argmax(index), mode, dx});
        case Op::avg_pool:
          return ops_.avg_pool_backward(planner_, {n.pool, dy, mode, dx});
        case Op::adaptive_pool:
          return ops_.adaptive_pool_backward(planner_, {dy, mode, dx});
        default:
          return Kernel{};
      }
    });
  }

  // ---- memory that is not in the arena: gate tables, rows, tap weights ----
  void allocate_state() {
    size_t bytes = 0;
    auto reserve = [&bytes](size_t n) {
      const size_t at = bytes;
      bytes += (n + 255) / 256 * 256;
      return at;
    };
    std::vector<std::array<size_t, 3>> offsets;
    for (const Tape::Gate& gate : tape_.gates()) {
      const size_t table = sizeof(float) * options_.gate_rows * tape_.shape(gate.y).c;
      offsets.push_back({reserve(table), reserve(table), reserve(sizeof(double) * originals_)});
    }
    const size_t rows = reserve(sizeof(int32_t) * total_), taps = reserve(sizeof(float) * originals_);
    plan_.state_ = context_.backend().allocate(bytes);
    planner_.account().state = bytes;
    std::byte* base = plan_.state_.get();
    for (size_t i = 0; i < offsets.size(); ++i) {
      const Tape::Gate& gate = tape_.gates()[i];
      const Shape shape = tape_.shape(gate.y);
      plan_.gates_.push_back({gate.name,
                              shape.c,
                              shape.h * shape.w,
                              reinterpret_cast<float*>(base + offsets[i][0]),
                              reinterpret_cast<float*>(base + offsets[i][1]),
                              reinterpret_cast<double*>(base + offsets[i][2]),
                              {}});
    }
    plan_.rows_ = reinterpret_cast<int32_t*>(base + rows);
    plan_.tap_weight_ = reinterpret_cast<float*>(base + taps);
    plan_.originals_ = originals_;
  }

  void finish() {
    const size_t bytes = assign_offsets(regions_);
    plan_.arena_ = context_.backend().allocate(bytes);
    planner_.account().activations = bytes;
    for (size_t i = 0; i < plan_.gates_.size(); ++i) plan_.gates_[i].value = view(tape_.gates()[i].y);
    plan_.images_ = view(tape_.input_var());
    plan_.logits_ = view(tape_.output_var());
    if (options_.gradient) plan_.dlogits_ = gradient(tape_.output_var(), gradients_[root(tape_.output_var())]);
    for (const Pending& p : pending_) {
      (p.backward ? plan_.backward_ : plan_.forward_).push_back({p.name, p.op, p.backward, p.make()});
    }
    plan_.account_ = planner_.account();
  }

  Plan& plan_;
  Context& context_;
  const OpTable& ops_;
  const Tape& tape_;
  const PlanOptions& options_;
  Planner planner_;
  int forward_count_ = 0, now_ = 0;
  int64_t originals_ = 0, total_ = 0;
  std::vector<Region> regions_;
  std::vector<int> values_;       // region of every root's value
  std::vector<Place> gradients_;  // of every root
  std::vector<int> argmax_;       // region per node, max-pools only
  std::vector<bool> needs_;
  std::vector<bool> rectified_;  // per node: its ReLU is differentiated elsewhere
  std::vector<Pending> pending_;
};

Plan::Plan(Context& context, const Tape& tape, const PlanOptions& options) : context_(context) {
  PlanBuilder(*this, context, tape, options).build();
}

void Plan::forward() {
  for (const Step& step : forward_) step.kernel(context_);
}

void Plan::backward() {
  for (const Step& step : backward_) step.kernel(context_);
}

}  // namespace nad
