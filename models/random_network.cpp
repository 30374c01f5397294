#include "models/random_network.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "engine/parallel.h"
#include "engine/rng.h"

namespace nad {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

void fill_he(HostTensor& weight, uint64_t key) {
  const int64_t fan_in = weight.count() / weight.shape[0];
  const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in));
  parallel_for(weight.count(), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      weight.data[static_cast<size_t>(i)] =
          static_cast<float>(deviation * static_cast<double>(random_normal(key, static_cast<uint64_t>(i))));
    }
  });
}

// Where the network has a BatchNorm: one forward pass of a batch, every gate open.
Tape measuring_network(const NetworkDescription& network, const std::map<std::string, HostTensor>& weights,
                       int64_t batch) {
  BuildOptions options;
  options.batch = batch;
  options.repeat = 1;
  options.measure_batchnorm = true;
  return build_network(network, weights, options);
}

void put(std::map<std::string, HostTensor>& weights, const std::string& name, const std::vector<double>& values) {
  const auto found = weights.find(name);
  if (found == weights.end() || found->second.data.size() != values.size()) {
    throw Error(ErrorKind::data, "network: no tensor '" + name + "' of " + std::to_string(values.size()) + " values",
                "are these the weights that were measured?");
  }
  for (size_t c = 0; c < values.size(); ++c) {
    if (!std::isfinite(values[c])) {
      throw Error(
          ErrorKind::not_finite,
          "network: the measured '" + name + "' is " + std::to_string(values[c]) + " in channel " + std::to_string(c),
          "check the images and the weights");
    }
    found->second.data[c] = static_cast<float>(values[c]);
  }
}

}  // namespace

std::map<std::string, HostTensor> random_weights(const NetworkDescription& network, uint64_t seed) {
  const uint64_t key = random_key(seed, hash_name("random weights"));
  std::map<std::string, HostTensor> weights;
  for (const TensorSpec& spec : required_tensors(network)) {
    HostTensor tensor{spec.shape, {}};
    const bool one =
        spec.shape.size() == 1 && (ends_with(spec.name, ".weight") || ends_with(spec.name, ".running_var"));
    tensor.data.assign(static_cast<size_t>(tensor.count()), one ? 1.0f : 0.0f);
    if (spec.shape.size() > 1) fill_he(tensor, random_key(key, hash_name(spec.name)));
    weights.emplace(spec.name, std::move(tensor));
  }
  return weights;
}

bool has_batchnorm(const NetworkDescription& network) {
  const std::vector<TensorSpec> tensors = required_tensors(network);
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const TensorSpec& t) { return ends_with(t.name, ".running_mean"); });
}

BatchNormStatistics::BatchNormStatistics(Context& context, const NetworkDescription& network,
                                         const std::map<std::string, HostTensor>& weights, int64_t batch)
    : context_(context) {
  if (!has_batchnorm(network)) return;
  plan_.emplace(context, measuring_network(network, weights, batch), PlanOptions{});
  for (const Plan::GateMemory& gate : plan_->gates()) {
    const std::vector<float> open(static_cast<size_t>(gate.channels), 1.0f);
    context.backend().upload(gate.table, open.data(), sizeof(float) * open.size());
  }
  const std::vector<int32_t> rows(static_cast<size_t>(plan_->samples()), 0);
  context.backend().upload(plan_->rows(), rows.data(), sizeof(int32_t) * rows.size());
  for (const Plan::Statistics& s : plan_->statistics()) {
    const std::vector<double> zeros(static_cast<size_t>(s.channels), 0.0);
    moments_.push_back({0, zeros, zeros});
  }
}

void BatchNormStatistics::add(const float* images) {
  if (!plan_) return;
  const Tensor to = plan_->images();
  context_.backend().upload(to.data, images, sizeof(float) * static_cast<size_t>(to.shape.count()));
  plan_->forward();
  for (size_t i = 0; i < moments_.size(); ++i) {
    const Plan::Statistics& batch = plan_->statistics()[i];
    Moments& all = moments_[i];
    std::vector<float> mean(all.mean.size()), variance(all.mean.size());
    context_.backend().download(mean.data(), batch.mean, sizeof(float) * mean.size());
    context_.backend().download(variance.data(), batch.variance, sizeof(float) * variance.size());
    const double pixels = static_cast<double>(batch.pixels), sum = all.pixels + pixels;
    for (size_t c = 0; c < mean.size(); ++c) {
      const double d = static_cast<double>(mean[c]) - all.mean[c];
      all.mean[c] += d * pixels / sum;
      all.squares[c] += static_cast<double>(variance[c]) * pixels + d * d * all.pixels * pixels / sum;
    }
    all.pixels = sum;
  }
}

void BatchNormStatistics::put_into(std::map<std::string, HostTensor>& weights) const {
  for (size_t i = 0; i < moments_.size(); ++i) {
    const Moments& all = moments_[i];
    if (all.pixels == 0) throw std::logic_error("BatchNormStatistics::put_into before the first batch");
    const std::string& name = plan_->statistics()[i].name;
    std::vector<double> variance = all.squares;
    for (double& v : variance) v /= all.pixels;
    put(weights, name + ".running_mean", all.mean);
    put(weights, name + ".running_var", variance);
  }
}

}  // namespace nad
