// Planning: from a tape to kernels and addresses, once; then forward() and backward() replay them.
//
// - Gradients flow from the logits to the gates, and only for the samples from PlanOptions::gradient_from on: those
//   before are computed forward alone, as what the others are compared with (taps). Nothing below the first gate has
//   a backward pass, and parameters never have.
// - Every buffer lives in one arena; two buffers share bytes where their lifetimes (first write to last read, forward
//   and backward) do not overlap. What the backward pass reads: the output of a node that ends in ReLU or a gate, the
//   input of a convolution with a prologue, a byte per max-pool output.
// - A residual's gradient is its sum's gradient: where it is the first contribution it shares the memory instead of
//   being copied.
// - Three passes, each with a file of its own, make a plan: see engine/schedule.h.
// PRECOND on recording order: the last consumer of a slab reads all of
// it (a gate, a pointwise node), so that its gradient starts complete.
#pragma once

#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/tape.h"

namespace nad {

class Plan;

struct PlanOptions {
  bool gradient = false;         // plan backward()
  int64_t gradient_from = 0;     // for the samples from this one on
  bool taps = false;             // at every gate the distance from sample n to sample gradient_from + n, for all n
  bool keep_gates = false;       // GateMemory::value stays valid until the next forward()
  int64_t gate_rows = 1;         // rows of every gate table
  const Plan* lender = nullptr;  // of the same context: its arena is used too, where it is large enough. What either
                                 // left there is lost when the other runs.
};

class Plan {
 public:
  // One gate. Pointers are memory of the backend.
  struct GateMemory {
    std::string name;
    int64_t channels = 0, plane = 0;  // C, H*W
    float* table = nullptr;           // [rows, C]
    float* dgate = nullptr;           // [rows, C], written by backward()
    double* tap_sum = nullptr;        // [gradient_from], written by forward() or backward() with taps
    Tensor value;                     // [samples, H, W, C]
  };
  // Of the input of a node that normalises by the batch's own, written by forward().
  struct Statistics {
    std::string name;
    int64_t channels = 0, pixels = 0;  // C, N*H*W
    const float* mean = nullptr;       // [C], memory of the backend
    const float* variance = nullptr;   // [C], biased
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
  Tensor logits() const { return logits_; }            // [samples, 1, 1, K], samples = repeat*N (Tape::gate)
  Tensor logits_gradient() const { return dlogits_; }  // [samples - gradient_from, 1, 1, K]
  int32_t* rows() const { return rows_; }              // [samples]: the gate row of every sample
  float* tap_weight() const { return tap_weight_; }    // [gradient_from]
  int64_t samples() const { return logits_.shape.n; }
  const std::vector<GateMemory>& gates() const { return gates_; }
  const std::vector<Statistics>& statistics() const { return statistics_; }  // of every Op::batch_norm, in order
  const MemoryAccount& account() const { return account_; }
  const std::vector<Step>& forward_steps() const { return forward_; }
  const std::vector<Step>& backward_steps() const { return backward_; }

 private:
  size_t allocate_state(const Tape& tape, const PlanOptions& options);
  size_t take_arena(size_t bytes, const Plan* lender);

  Context& context_;
  Buffer arena_, state_;
  size_t arena_bytes_ = 0;
  std::vector<Step> forward_, backward_;
  std::vector<GateMemory> gates_;
  std::vector<Statistics> statistics_;
  Tensor images_, logits_, dlogits_;
  int32_t* rows_ = nullptr;
  float* tap_weight_ = nullptr;
  MemoryAccount account_;
};

}  // namespace nad
