#include "models/builder.h"

#include <cmath>
#include <memory>
#include <utility>

#include "engine/error.h"
#include "models/checked_attributes.h"

namespace nad {
namespace {

Param to_param(HostTensor tensor) { return std::make_shared<const HostTensor>(std::move(tensor)); }

Param to_param(const std::vector<double>& values) {
  HostTensor tensor{{static_cast<int64_t>(values.size())}, {}};
  tensor.data.assign(values.begin(), values.end());
  return to_param(std::move(tensor));
}

void check_description(const NetworkDescription& d, const BuildOptions& options) {
  if (d.num_classes < 1 || d.num_classes > int64_t{1} << 20) {
    bad_attribute("num_classes", "is " + std::to_string(d.num_classes) + ", expected 1 to 1048576");
  }
  if (d.input_size < 1 || d.input_size > 1 << 14) {
    bad_attribute("input_size", "is " + std::to_string(d.input_size) + ", expected 1 to 16384");
  }
  if (options.batch < 1 || options.repeat < 1) {
    throw Error(ErrorKind::usage, "network: a batch of " + std::to_string(options.batch) + " images repeated " +
                                      std::to_string(options.repeat) + " times, expected at least 1");
  }
}

}  // namespace

Conv2dParams square_conv(int64_t kernel, int64_t stride, int64_t pad) {
  Conv2dParams p;
  p.kernel_h = p.kernel_w = kernel;
  p.stride_h = p.stride_w = stride;
  p.pad_h = p.pad_w = pad;
  return p;
}

PoolParams square_pool(int64_t kernel, int64_t stride, int64_t pad) {
  PoolParams p;
  p.kernel_h = p.kernel_w = kernel;
  p.stride_h = p.stride_w = stride;
  p.pad_h = p.pad_w = pad;
  return p;
}

Post rectified() {
  Post post;
  post.relu = true;
  return post;
}

Prologue rectified_input() {
  Prologue prologue;
  prologue.relu = true;
  return prologue;
}

Builder::Builder(const NetworkDescription& description, const BuildOptions& options, Parameters parameters)
    : description_(description), options_(options), parameters_(std::move(parameters)) {
  check_description(description, options);
  eps_ = description.attributes.get<double>("batchnorm_eps", eps_);
  if (!std::isfinite(eps_) || eps_ < 0) bad_attribute("batchnorm_eps", "is negative or not finite");
}

Var Builder::images() { return tape_.input({options_.batch, description_.input_size, description_.input_size, 3}); }

Affine Builder::batchnorm_affine(const std::string& name, int64_t channels) {
  const HostTensor weight = parameters_.take(name + ".weight", {channels});
  const HostTensor bias = parameters_.take(name + ".bias", {channels});
  const HostTensor mean = parameters_.take(name + ".running_mean", {channels});
  const HostTensor variance = parameters_.take(name + ".running_var", {channels});
  Affine affine{std::vector<double>(static_cast<size_t>(channels), 1.0),
                std::vector<double>(static_cast<size_t>(channels), 0.0)};
  for (size_t c = 0; c < weight.data.size(); ++c) {
    if (measures_batchnorm()) {
      affine.scale[c] = weight.data[c];
      affine.shift[c] = bias.data[c];
      continue;
    }
    const double spread = variance.data[c] + eps_;
    if (!(spread > 0)) {
      throw Error(ErrorKind::data, "network: '" + name + ".running_var' is " + std::to_string(variance.data[c]) +
                                       " in channel " + std::to_string(c) + ", a variance is not negative");
    }
    affine.scale[c] = weight.data[c] / std::sqrt(spread);
    affine.shift[c] = bias.data[c] - mean.data[c] * affine.scale[c];
  }
  return affine;
}

Var Builder::batchnorm(Var x, const std::string& name, const Post& post, Var into) {
  const Affine affine = batchnorm_affine(name, tape_.shape(x).c);
  if (measures_batchnorm()) x = tape_.batch_norm(x, eps_, name);
  Post whole = post;
  whole.scale = to_param(affine.scale);
  whole.shift = to_param(affine.shift);
  return tape_.pointwise(x, whole, name, into);
}

Var Builder::conv(Var x, const ConvLayer& layer) {
  ConvLayer rest = layer;
  if (!layer.norm_before.empty()) {
    if (measures_batchnorm()) {
      x = batchnorm(x, layer.norm_before, rectified());
    } else {
      const Affine affine = batchnorm_affine(layer.norm_before, tape_.shape(x).c);
      rest.prologue = {true, to_param(affine.scale), to_param(affine.shift)};
    }
  }
  if (layer.norm.empty()) return conv(x, rest, {});
  if (!measures_batchnorm()) return conv(x, rest, batchnorm_affine(layer.norm, layer.channels));
  rest.post = {};
  rest.into = {};
  return batchnorm(conv(x, rest, {}), layer.norm, layer.post, layer.into);
}

Var Builder::conv(Var x, const ConvLayer& layer, const Affine& norm) {
  const Conv2dParams& p = layer.params;
  HostTensor weight =
      parameters_.take(layer.conv + ".weight", {layer.channels, tape_.shape(x).c / p.groups, p.kernel_h, p.kernel_w});
  Post post = layer.post;
  if (layer.bias) post.shift = to_param(parameters_.take(layer.conv + ".bias", {layer.channels}));
  if (!norm.scale.empty()) {
    if (options_.fold_batchnorm) {
      fold(weight, norm.scale);
    } else {
      post.scale = to_param(norm.scale);
    }
    post.shift = to_param(norm.shift);
  }
  const Param param = to_param(std::move(weight));
  if (layer.pool.kernel_h * layer.pool.kernel_w == 1) {
    return tape_.conv2d(x, p, param, layer.prologue, post, layer.conv, layer.into);
  }
  return tape_.conv2d_max_pool(x, p, layer.pool, param, post, layer.conv);
}

Var Builder::gate(Var x, const std::string& name, bool relu, Var into) {
  const int64_t repeat = tape_.gates().empty() ? options_.repeat : 1;
  return tape_.gate(x, relu, repeat, name, into);
}

Var Builder::gated_slab(Shape shape, const std::string& name) { return tape_.gated_slab(shape, name); }

Var Builder::gated(const std::string& name, Post post, const std::function<Var(const Post&)>& record) {
  if (tape_.gates().empty()) return gate(record(post), name);
  post.gate = name;
  return record(post);
}

Var Builder::linear(Var x, const std::string& name, int64_t outputs, bool relu, int64_t flatten_channels) {
  const Shape in = tape_.shape(x);
  HostTensor weight = parameters_.take(name + ".weight", {outputs, in.h * in.w * in.c});
  if (flatten_channels > 0) columns_to_nhwc(weight, flatten_channels);
  Post post;
  post.relu = relu;
  post.shift = to_param(parameters_.take(name + ".bias", {outputs}));
  return tape_.linear(x, to_param(std::move(weight)), post, name);
}

void Builder::classify(Var x, const std::string& name) {
  const Var pooled = tape_.adaptive_pool(x, 1, 1, {}, "global_pool");
  tape_.output(linear(pooled, name, description_.num_classes, false));
}

}  // namespace nad
