#include "models/parameters.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace nad {
namespace {

const char* const kHint = "is it the right weights file for this architecture?";

std::string text(const std::vector<int64_t>& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) result += (i ? ", " : "") + std::to_string(shape[i]);
  return result + "]";
}

}  // namespace

HostTensor Parameters::take(const std::string& name, const std::vector<int64_t>& shape) {
  asked_for_.push_back({name, shape});
  if (!has_values_) return {shape, {}};
  auto node = weights_.extract(name);
  if (node.empty()) throw Error(ErrorKind::data, "network: tensor '" + name + "' is missing", kHint);
  HostTensor& tensor = node.mapped();
  if (tensor.shape != shape || tensor.count() != static_cast<int64_t>(tensor.data.size())) {
    throw Error(ErrorKind::data,
                "network: tensor '" + name + "' has shape " + text(tensor.shape) + ", expected " + text(shape),
                kHint);
  }
  return std::move(tensor);
}

void Parameters::expect_all_taken() const {
  if (weights_.empty()) return;
  throw Error(ErrorKind::data,
              "network: " + std::to_string(weights_.size()) + " unexpected tensors, the first is '" +
                  weights_.begin()->first + "'",
              kHint);
}

Affine Affine::part(size_t first, size_t count) const {
  const auto range = [&](const std::vector<double>& v) {
    return std::vector<double>(v.begin() + static_cast<std::ptrdiff_t>(first),
                               v.begin() + static_cast<std::ptrdiff_t>(first + count));
  };
  return {range(scale), range(shift)};
}

void fold(HostTensor& weight, const std::vector<double>& scale) {
  if (weight.data.empty()) return;
  const size_t row = weight.data.size() / scale.size();
  for (size_t o = 0; o < scale.size(); ++o) {
    for (size_t i = 0; i < row; ++i) {
      float& w = weight.data[o * row + i];
      w = static_cast<float>(w * scale[o]);
    }
  }
}

void columns_to_nhwc(HostTensor& weight, int64_t channels) {
  if (weight.data.empty()) return;
  const size_t columns = static_cast<size_t>(weight.shape[1]), c = static_cast<size_t>(channels);
  const size_t pixels = columns / c;
  std::vector<float> row(columns);  // one row at a time: VGG16's first layer has 411 MB
  for (size_t o = 0; o < static_cast<size_t>(weight.shape[0]); ++o) {
    float* w = weight.data.data() + o * columns;
    for (size_t channel = 0; channel < c; ++channel) {
      for (size_t p = 0; p < pixels; ++p) row[p * c + channel] = w[channel * pixels + p];
    }
    std::copy(row.begin(), row.end(), w);
  }
}

}  // namespace nad
