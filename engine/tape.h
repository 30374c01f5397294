// The tape: a network recorded once, as nodes over integer ids. Recording checks shapes; nothing is computed and no
// memory is held but the parameters. engine/plan.h turns a tape into kernels and buffers.
#pragma once

#include <string>
#include <vector>

#include "engine/ops.h"

namespace nad {

// A value: a channel range of a recorded buffer.
struct Var {
  int id = -1;
  explicit operator bool() const { return id >= 0; }
};

enum class Op : uint8_t {
  conv2d,
  conv2d_max_pool,
  linear,
  pointwise,
  gate,
  max_pool,
  avg_pool,
  adaptive_pool,
  batch_norm
};
const char* to_string(Op op);

// What follows an op in the same pass (engine/ops.h, Epilogue).
// With a name in `gate` the node's output is the next gate.
struct Post {
  Param scale, shift;
  Var residual;
  bool relu = false;
  std::string gate = {};
};

class Tape {
 public:
  struct Buffer {  // a root: one dense NHWC buffer
    Shape shape;
    std::string name;
    int gate = -1;  // of a gated slab
  };
  struct Value {  // channels [first, first + shape.c) of a root
    int root = -1;
    int64_t first = 0;
    Shape shape;
  };
  struct Node {
    Op op;
    std::string name;
    Var x, y;
    Post post;
    Conv2dParams conv;
    PoolParams pool;
    Param weight;
    Prologue prologue;
    int64_t repeat = 1;   // Op::gate
    int gate = -1;        // index of the gate that this node ends with, or -1
    double epsilon = 0;   // Op::batch_norm
    Var statistics = {};  // the same: [1, 1, 2, C], mean and variance
  };
  struct Gate {
    Var y;  // the gated representation
    std::string name;
    int last = -1;  // the last node that writes it, the only one but in a gated slab
  };

  // The images: [N, H, W, 3], filled before each replay.
  Var input(Shape shape, const std::string& name = "images");
  // A buffer that nodes write slices of; every channel must be written before it is read.
  Var slab(Shape shape, const std::string& name);
  // The same as the next gate: each node that writes a slice of it ends with those channels of the gate, and not in
  // a ReLU: the way back through the gate is one pass over the slab.
  Var gated_slab(Shape shape, const std::string& name);
  Var slice(Var slab, int64_t first, int64_t count);

  // Each records one node and returns its output; `into` is a slab's slice to write to (default: a buffer of its
  // own). Throw Error(data) naming the node where shapes do not fit.
  Var conv2d(Var x, const Conv2dParams& params, Param weight, const Prologue& prologue, const Post& post,
             const std::string& name, Var into = {});
  // max(relu(x)) = relu(max(x)): post acts on the pooled map; it has no residual.
  Var conv2d_max_pool(Var x, const Conv2dParams& params, const PoolParams& pool, Param weight, const Post& post,
                      const std::string& name);
  Var linear(Var x, Param weight, const Post& post, const std::string& name);
  Var pointwise(Var x, const Post& post, const std::string& name, Var into = {});
  // y = gate * x, rectified afterwards where relu is set; the batch is repeated (engine/ops.h, GateArgs).
  Var gate(Var x, bool relu, int64_t repeat, const std::string& name, Var into = {});
  Var max_pool(Var x, const PoolParams& params, const Post& post, const std::string& name, Var into = {});
  Var avg_pool(Var x, const PoolParams& params, const Post& post, const std::string& name, Var into = {});
  Var adaptive_pool(Var x, int64_t out_h, int64_t out_w, const Post& post, const std::string& name);
  // Normalised by the batch's own statistics, which the plan hands out (Plan::statistics). Has no backward pass.
  Var batch_norm(Var x, double epsilon, const std::string& name);
  void output(Var logits) { output_ = logits; }

  // The same network, its parameters shared, for `samples` images that the first gate repeats so many times. Throws
  // Error(usage) where it shall repeat and the first gate is part of another node.
  Tape with_batch(int64_t samples, int64_t repeat) const;

  const Shape& shape(Var v) const { return values_[v.id].shape; }
  const std::vector<Buffer>& buffers() const { return buffers_; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Gate>& gates() const { return gates_; }
  Var input_var() const { return input_; }
  Var output_var() const { return output_; }

 private:
  Var add_value(const Shape& shape, const std::string& name);
  Var record(Node node, const Shape& shape, Var into);

  std::vector<Buffer> buffers_;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<Gate> gates_;
  Var input_, output_;
};

}  // namespace nad
