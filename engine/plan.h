// Planning: from a tape to kernels and addresses, once; then forward() and backward() replay them.
//
// - Gradients flow from the logits to the gates, for the samples after the originals only: with Tape::gate's repeat
//   of 2 the first N samples are the original network (gate row 0) and have no backward pass. Nothing below the first
//   gate has one either, and parameters never have.
// - Every buffer lives in one arena; two buffers share bytes where their lifetimes (first write to last read, forward
//   and backward) do not overlap. What the backward pass reads: the output of a node that ends in ReLU or a gate, the
//   input of a convolution with a prologue, a byte per max-pool output.
// - A residual's gradient is its sum's gradient: where it is the first contribution it shares the memory instead of
//   being copied.
// PRECOND on recording order: the last consumer of a slab reads all of
// it (a gate, a pointwise node), so that its gradient starts complete.
#pragma once

#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/tape.h"

namespace nad {

struct PlanOptions {
  bool gradient = false;    // plan backward()
  bool taps = false;        // objective `released`: distance to the originals at every gate
  bool keep_gates = false;  // gate_value() stays valid until the next forward()
  int64_t gate_rows = 1;    // rows of every gate table
};

class Plan {
 public:
  // What learning needs of one gate. Pointers are memory of the backend.
  struct GateMemory {
    std::string name;
    int64_t channels = 0, plane = 0;  // C, H*W
    float* table = nullptr;           // [rows, C]
    float* dgate = nullptr;           // [rows, C], written by backward()
    double* tap_sum = nullptr;        // [N], written by forward() or backward() with taps
    Tensor value;                     // [repeat*N, H, W, C]
  };
  struct Step {
    std::string name;
    const char* op;
    bool backward;
    Kernel kernel;
  };

  // Throws Error(device) where the backend does not support a node, Error(memory) where the arena does not fit.
  Plan(Context& context, const Tape& tape, const PlanOptions& options);

  void forward();
  void backward();  // PRECOND: forward() ran and logits_gradient() is filled

  Tensor images() const { return images_; }            // [N, H, W, 3]
  Tensor logits() const { return logits_; }            // [repeat*N, 1, 1, K]
  Tensor logits_gradient() const { return dlogits_; }  // [(repeat-1)*N, 1, 1, K]
  int32_t* rows() const { return rows_; }              // [repeat*N]: the gate row of every sample
  float* tap_weight() const { return tap_weight_; }    // [N]
  int64_t samples() const { return logits_.shape.n; }
  int64_t originals() const { return originals_; }
  std::vector<GateMemory>& gates() { return gates_; }
  const MemoryAccount& account() const { return account_; }
  const std::vector<Step>& forward_steps() const { return forward_; }
  const std::vector<Step>& backward_steps() const { return backward_; }

 private:
  friend class PlanBuilder;
  Context& context_;
  Buffer arena_, state_;
  std::vector<Step> forward_, backward_;
  std::vector<GateMemory> gates_;
  Tensor images_, logits_, dlogits_;
  int32_t* rows_ = nullptr;
  float* tap_weight_ = nullptr;
  int64_t originals_ = 0;
  MemoryAccount account_;
};

}  // namespace nad
