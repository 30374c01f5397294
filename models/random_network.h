// Networks with random weights, of an architecture as it stands: what gates find in one of them is no knowledge
// (docs/METHOD.md, 5a.6).
//
//   std::map<std::string, HostTensor> weights = random_weights(network, seed);
//   BatchNormStatistics statistics(context, network, weights, batch);
//   while (...) statistics.add(images);
//   statistics.put_into(weights);  // now what a weights file holds, for build_network()
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "models/models.h"

namespace nad {

// Every tensor of the network (required_tensors). Weights of convolutions and linear layers are normal with mean 0 and
// deviation sqrt(2 / fan_in) (He et al. 2015; fan_in: what one output reads), a function of (seed, name, place) alone;
// biases are 0; a BatchNorm has weight 1, bias 0, and until it is measured mean 0 and variance 1. Throws as
// required_tensors().
std::map<std::string, HostTensor> random_weights(const NetworkDescription& network, uint64_t seed);

bool has_batchnorm(const NetworkDescription& network);  // throws as required_tensors()

// Measures the statistics of every BatchNorm on images. Each batch is normalised by its own, layer by layer, as in
// torch.nn.BatchNorm2d's training mode, so what a layer sees stays in range at any depth, whatever the weights. Over
// several batches a layer's statistics are those of all its inputs together: with n pixels of mean m and
// M2 = sum (x - m)^2 so far and a batch of n', m', M2',
//   d = m' - m;   m += d n' / (n + n');   M2 += M2' + d^2 n n' / (n + n');   running_mean = m, running_var = M2 / n
// (Chan et al. 1983). The variance is the biased one, which is what a batch is normalised by: with a single batch the
// finished network gives that batch the same logits. (PyTorch's running_var is n / (n - 1) times it.)
class BatchNormStatistics {
 public:
  // batch: images that are normalised together. A network without BatchNorm has nothing to measure: then nothing is
  // planned and add() does nothing. Throws what build_network() and Plan throw.
  BatchNormStatistics(Context& context, const NetworkDescription& network,
                      const std::map<std::string, HostTensor>& weights, int64_t batch);

  void add(const float* images);  // [batch, S, S, 3], normalised, on the host
  // Replaces the running_mean and running_var of every BatchNorm. Throws Error(not_finite) naming the first that is
  // not a number, Error(data) where weights lack one, std::logic_error before the first add().
  void put_into(std::map<std::string, HostTensor>& weights) const;

 private:
  struct Moments {
    double pixels = 0;
    std::vector<double> mean, squares;  // [C]; squares: M2 above
  };

  Context& context_;
  std::optional<Plan> plan_;
  std::vector<Moments> moments_;  // of every Plan::Statistics
};

}  // namespace nad
