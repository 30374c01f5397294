// DARTS (Liu et al. 2018), NetworkImageNet and NetworkCIFAR of https://github.com/quark0/darts with its names.
// Gates: after each stem (the CIFAR form has one, which both inputs of cell 0 read), then after every cell.
//
// The reference's stem1 begins with an in-place ReLU, so what cell 0 sees of stem0, and what gate 0 records, is
// rectified after the gate. The ImageNet form ends in AvgPool2d(7), which is the global average at the standard size
// only: of a larger map, to 13x13, it sees the first 7x7. Maps of other sizes do not fit the reference's classifier;
// they are averaged whole, as in the CIFAR form.
#include "models/checked_attributes.h"
#include "models/darts_cell.h"
#include "models/networks.h"

namespace nad {
namespace {

constexpr int64_t kLastPool = 7;

struct Structure {
  int64_t channels = 48, layers = 14, stem_multiplier = 3;
  bool imagenet = true;
  Genotype normal, reduce;
};

Structure read_structure(const Attributes& a) {
  Structure s;
  const std::string form = a.get<std::string>("form", "imagenet");
  if (form != "imagenet" && form != "cifar")
    bad_attribute("form", "is '" + form + "', expected 'imagenet' or 'cifar'");
  s.imagenet = form == "imagenet";
  s.channels = positive(a, "channels", 48, kMaxWidth);
  s.layers = positive(a, "layers", 14, kMaxDepth);
  s.stem_multiplier = positive(a, "stem_multiplier", 3, 64);
  if (s.imagenet && s.channels % 2 != 0) {
    bad_attribute("channels", "is " + std::to_string(s.channels) + ", the imagenet form needs an even number");
  }
  s.normal = read_genotype(a, "normal");
  s.reduce = read_genotype(a, "reduce");
  return s;
}

struct Stems {
  Var first, second;  // the inputs of cell 0
};

Stems record_imagenet_stems(Builder& b, int64_t channels) {
  const Conv2dParams halve = square_conv(3, 2, 1);
  Var x =
      b.conv(b.images(),
             {.conv = "stem0.0", .norm = "stem0.1", .channels = channels / 2, .params = halve, .post = rectified()});
  x = b.conv(x, {.conv = "stem0.3", .norm = "stem0.4", .channels = channels, .params = halve});
  const Var stem0 = b.gate(x, "stem0", true);
  const Var stem1 = b.gated("stem1", {}, [&](const Post& post) {
    return b.conv(stem0, {.conv = "stem1.1", .norm = "stem1.2", .channels = channels, .params = halve, .post = post});
  });
  return {stem0, stem1};
}

Stems record_cifar_stem(Builder& b, int64_t channels) {
  const Var x =
      b.conv(b.images(), {.conv = "stem.0", .norm = "stem.1", .channels = channels, .params = square_conv(3, 1, 1)});
  const Var stem = b.gate(x, "stem");
  return {stem, stem};
}

}  // namespace

void record_darts(Builder& b) {
  const Structure s = read_structure(b.description().attributes);
  int64_t channels = s.channels;
  Stems inputs = s.imagenet ? record_imagenet_stems(b, channels) : record_cifar_stem(b, channels * s.stem_multiplier);
  bool reduction_before = s.imagenet;  // stem1 halves the map
  for (int64_t i = 0; i < s.layers; ++i) {
    const bool reduction = i == s.layers / 3 || i == 2 * s.layers / 3;
    if (reduction) channels *= 2;
    const std::string name = "cells." + std::to_string(i);
    DartsCell cell(b, reduction ? s.reduce : s.normal, {name, channels, reduction, reduction_before});
    const Var y = cell.record(inputs.first, inputs.second);
    inputs = {inputs.second, y};
    reduction_before = reduction;
  }
  const Var last = inputs.second;
  const Shape map = b.tape().shape(last);
  const auto fits = [](int64_t side) { return side >= kLastPool && side < 2 * kLastPool; };
  const bool cut = s.imagenet && fits(map.h) && fits(map.w) && (map.h > kLastPool || map.w > kLastPool);
  b.classify(cut ? b.tape().avg_pool(last, square_pool(kLastPool, kLastPool), {}, "global_pooling") : last,
             "classifier");
}

}  // namespace nad
