// What planning's passes hand from one to the next: every kernel of a plan in its order, as a task, with the memory
// that it touches as numbers.
//
//   schedule_forward()  a task for every node of the tape, a region for every value          engine/schedule.cpp
//   walk_gradients()    the tasks of the backward pass, regions for gradients                engine/gradient_walk.cpp
//   place_regions()     the regions' lifetimes, from what the tasks touch, and their places  engine/lifetimes.cpp
//   Emission            from a task to a kernel, now that there are addresses                engine/emission.cpp
#pragma once

#include <vector>

#include "engine/arena.h"
#include "engine/plan.h"
#include "engine/tape.h"

namespace nad {

// Where the gradient of a root lies: in a region, maybe as a slice of another root's gradient.
struct Place {
  int region = -1;
  int64_t first = 0, stride = 0;
};

struct Task {
  enum class Kind : uint8_t {
    forward,        // the node's op
    wide_forward,   // of a convolution with a max-pool that the backend does not fuse: the convolution,
    pool_forward,   // then the pool
    zero,           // dy = 0: nothing downstream reads the gate, its tap starts the gradient
    epilogue,       // dy, the gradient at the output, becomes the one at z (engine/ops.h, Epilogue), in place
    pass_on,        // dx (+)= scale * dy
    backward,       // the op's
    pool_backward,  // wide_forward's and pool_forward's
    wide_backward,
  };
  Kind kind = Kind::forward;
  int node = -1;
  int time = 0;  // when it runs; the tasks of one node share theirs
  Place dy;      // the gradient at the node's output
  Var to;        // the value whose gradient it contributes to,
  Place dx;      // where that lies
  Accumulate mode = Accumulate::overwrite;
  Param scale;           // of pass_on
  bool below = false;    // epilogue: something below needs the gradient
  bool rectify = false;  // backward: also back through the ReLU that the node before ends in
  int wide = -1;         // region of the map between a convolution and its pool
};

struct Schedule {
  int64_t samples = 0;        // of the output
  int64_t gradient_from = 0;  // the first with a backward pass
  std::vector<Region> regions;
  std::vector<int> values;     // of every root: the region of its value, or -1
  std::vector<int> argmax;     // of every node: the region of a max-pool's positions, or -1
  std::vector<bool> composed;  // of every node: a convolution with a max-pool in two kernels
  Place dlogits;
  std::vector<Task> forward, backward;

  int new_region(size_t bytes);  // without a lifetime yet
  int64_t gradient_samples() const { return samples - gradient_from; }
  int forward_time(int node) const { return node + 1; }
  int loss_time() const { return static_cast<int>(argmax.size()) + 1; }
  int backward_time(int node) const { return 2 * static_cast<int>(argmax.size()) + 1 - node; }
  int end_time() const { return 2 * static_cast<int>(argmax.size()) + 2; }
};

// What the passes ask about a value.
inline int root_of(const Tape& tape, Var v) { return tape.values()[v.id].root; }
inline bool is_whole(const Tape& tape, Var v) { return tape.shape(v).c == tape.buffers()[root_of(tape, v)].shape.c; }

// ops: says which convolutions it fuses with their max-pool.
Schedule schedule_forward(const Planner& planner, const OpTable& ops, const Tape& tape, const PlanOptions& options);

// Appends the backward pass: from the logits down to the first gate. Throws Error(device) where the recording order
// breaks a slab's gradient (engine/plan.h, PRECOND).
void walk_gradients(const Tape& tape, const PlanOptions& options, Schedule& schedule);

// Sets the regions' lifetimes and offsets. Returns the bytes of the arena.
size_t place_regions(const Tape& tape, const PlanOptions& options, Schedule& schedule);

}  // namespace nad
