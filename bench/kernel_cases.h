// What bench_kernels measures: every op of the table (engine/ops.h)
// on every distinct layer of a network.
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "bench/layer_shapes.h"
#include "tests/batch_norm_problems.h"
#include "tests/gate_problems.h"

namespace nad::bench {

struct KernelCase {
  std::string name;          // network/op/shape
  bool convolution = false;  // the variants of one algorithm take it
  bool products = false;     // the precision makes a difference
  bool max_pool = false;     // of the backends that fuse it
  std::function<Problem(Data)> make;
};

// Cases of one network at a batch: forward ops get both halves of
// it, original and gated samples; backward ops the gated ones.
class KernelCases {
 public:
  KernelCases(const Network& network, int64_t batch) : network_(network), batch_(batch) {
    for (const ConvCase& c : network.convs) add_convolution(c);
    for (ConvCase c : network.pooled_convs) {
      c.n = 2 * batch;
      add("conv2d_max_pool", conv_text, conv_max_pool_problem, c);
      c.n = batch;
      add("conv2d_max_pool_backward", conv_text, conv_max_pool_backward_problem, c);
      for (auto k = list_.end() - 2; k != list_.end(); ++k) k->products = k->max_pool = true;
    }
    for (const TensorCase& c : network.linears) add_linear(c);
    for (const TensorCase& c : network.epilogues) add_elementwise(c);
    for (const TensorCase& c : network.gates) {
      add("gate", tensor_text, gate_problem, with_samples(c, c.out == 1 ? 2 * batch : batch));
    }
    add_pools();
    add_learning();
  }
  const std::vector<KernelCase>& list() const { return list_; }
  // The `count` cases with the largest floors, that is max(flops / 200, bytes): 200 flops a byte is what the tensor
  // cores of a large GPU do in bf16 while its memory moves one.
  std::vector<KernelCase> largest(size_t count) const {
    std::vector<std::pair<double, size_t>> floors;
    for (const KernelCase& c : list_) {
      const Problem p = c.make(Data::device);
      floors.emplace_back(std::max(p.flops / 200, p.traffic), floors.size());
    }
    std::sort(floors.rbegin(), floors.rend());
    floors.resize(std::min(count, floors.size()));
    std::vector<KernelCase> cases;
    for (const auto& [floor, index] : floors) cases.push_back(list_[index]);
    return cases;
  }

 private:
  template <class Case>
  void add(const std::string& op, std::string (*text)(const Case&), Problem (*make)(const Case&, Data),
           const Case& c) {
    list_.push_back(
        {.name = network_.name + "/" + op + "/" + text(c), .make = [=](Data data) { return make(c, data); }});
  }
  template <class Case>
  static Case with_samples(Case c, int64_t n, unsigned more = 0) {
    c.shape.n = n;
    c.options |= more;
    return c;
  }

  void add_convolution(ConvCase c) {
    ConvCase forward = c;
    forward.n = 2 * batch_;
    if (c.options & kGate) forward.options |= kTap;  // summed by the backends whose conv2d does
    add("conv2d", conv_text, conv_problem, forward);
    c.n = batch_;
    add("conv2d_backward", conv_text, conv_backward_problem, c);
    for (auto k = list_.end() - 2; k != list_.end(); ++k) k->convolution = k->products = true;
  }
  void add_linear(const TensorCase& c) {
    add("linear", tensor_text, linear_problem, with_samples(c, 2 * batch_));
    add("linear_backward", tensor_text, linear_backward_problem, with_samples(c, batch_));
    for (auto k = list_.end() - 2; k != list_.end(); ++k) k->products = true;
  }
  void add_elementwise(const TensorCase& c) {
    add("pointwise", tensor_text, pointwise_problem, with_samples(c, 2 * batch_));
    add("pointwise_backward", tensor_text, pointwise_backward_problem, with_samples(c, batch_, kScale));
    add("epilogue_backward", tensor_text, epilogue_backward_problem, with_samples(c, batch_));
    add("batch_norm", norm_text, batch_norm_problem, NormCase{{batch_, c.shape.h, c.shape.w, c.shape.c}});
  }
  void add_pools() {
    for (const PoolCase& c : network_.max_pools) {
      add("max_pool", pool_text, max_pool_problem, with_samples(c, 2 * batch_));
      add("max_pool_backward", pool_text, max_pool_backward_problem, with_samples(c, batch_));
    }
    for (const PoolCase& c : network_.avg_pools) {
      add("avg_pool", pool_text, avg_pool_problem, with_samples(c, 2 * batch_));
      add("avg_pool_backward", pool_text, avg_pool_backward_problem, with_samples(c, batch_));
    }
    for (const AdaptiveCase& c : network_.adaptive_pools) {
      add("adaptive_pool", adaptive_text, adaptive_pool_problem, with_samples(c, 2 * batch_));
      add("adaptive_pool_backward", adaptive_text, adaptive_pool_backward_problem, with_samples(c, batch_));
    }
  }
  // Classes of 16 images each, as many as the batch holds.
  void add_learning() {
    const int64_t images = std::min<int64_t>(batch_, 16), classes = batch_ / images;
    const std::vector<int32_t> valid(static_cast<size_t>(classes), static_cast<int32_t>(images));
    const LossCase loss = {classes, images, 1000, false, valid};
    add("classify", loss_text, classify_problem, loss);
    add("softmax_loss", loss_text, softmax_loss_problem, loss);
    const SpecificCase specific = {SpecificTarget::all, classes, 2 * images, 1000, valid, valid};
    add("specific_loss", specific_text, specific_loss_problem, specific);
    add("operating_point", specific_text, operating_point_problem, specific);
    const std::set<std::pair<int64_t, int64_t>> distinct(network_.gated_channels.begin(),
                                                         network_.gated_channels.end());
    for (const auto& [channels, plane] : distinct) {
      const GateCase released = {Objective::released, classes, images, channels, plane, valid};
      GateCase noisy = released;
      noisy.objective = Objective::variational;
      add("gate_values", gate_text, gate_values_problem, released);
      add("gate_noise", gate_text, gate_noise_problem, noisy);
      add("gate_statistics", gate_text, gate_statistics_problem, noisy);
      add("gate_update", gate_text, gate_update_problem, released);
    }
  }

  Network network_;
  int64_t batch_;
  std::vector<KernelCase> list_;
};

}  // namespace nad::bench
