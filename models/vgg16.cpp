// VGG (Simonyan and Zisserman 2014), configuration D by default, with torchvision's
// names: features.N and classifier.N. Gates: after the ReLU of every convolution,
// after the max-pool where one follows, the last after the adaptive pool.
#include "engine/error.h"
#include "models/checked_attributes.h"
#include "models/networks.h"

namespace nad {
namespace {

struct Structure {
  std::vector<int64_t> stage_depths, widths, hidden;  // widths: one per convolution
  int64_t pool_size = 7;
};

Structure read_structure(const Attributes& a) {
  Structure s;
  s.stage_depths = positives(a, "stage_depths", {2, 2, 3, 3, 3}, kMaxDepth);
  s.widths = positives(a, "widths", {64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512}, kMaxWidth);
  s.hidden = positives(a, "hidden", {4096, 4096}, kMaxWidth, 0);
  s.pool_size = positive(a, "pool_size", 7, 1024);
  int64_t convolutions = 0;
  for (const int64_t depth : s.stage_depths) convolutions += depth;
  if (convolutions != static_cast<int64_t>(s.widths.size())) {
    bad_attribute("widths", "has " + std::to_string(s.widths.size()) + " values, stage_depths add up to " +
                                std::to_string(convolutions) + " convolutions");
  }
  return s;
}

// The convolution in front of a pool, with it: max(relu(x)) = relu(max(x)), so nobody needs the wide map.
Var record_stage_end(Builder& b, Var x, ConvLayer conv, const std::string& gate, int64_t adaptive_size) {
  Tape& tape = b.tape();
  const Shape in = tape.shape(x);
  conv.pool = square_pool(2, 2);
  const auto record = [&](const Post& post) {
    conv.post = post;
    return b.conv(x, conv);
  };
  if (adaptive_size == 0 || (in.h / 2 == adaptive_size && in.w / 2 == adaptive_size)) {
    return b.gated(gate, rectified(), record);
  }
  const Var pooled = record(rectified());
  return b.gated(gate, {}, [&](const Post& post) {
    return tape.adaptive_pool(pooled, adaptive_size, adaptive_size, post, "avgpool");
  });
}

Var record_features(Builder& b, const Structure& s) {
  Var x = b.images();
  size_t layer = 0;
  int64_t place = 0;  // in torchvision's Sequential: convolution, ReLU, and a pool after each stage
  for (size_t stage = 0; stage < s.stage_depths.size(); ++stage) {
    for (int64_t i = 0; i < s.stage_depths[stage]; ++i, place += 2) {
      const std::string gate = "conv" + std::to_string(stage + 1) + "_" + std::to_string(i + 1);
      ConvLayer conv{.conv = "features." + std::to_string(place),
                     .channels = s.widths[layer++],
                     .params = square_conv(3, 1, 1),
                     .bias = true};
      if (i + 1 < s.stage_depths[stage]) {
        x = b.gated(gate, rectified(), [&](const Post& post) {
          conv.post = post;
          return b.conv(x, conv);
        });
      } else {
        const bool last = stage + 1 == s.stage_depths.size();
        x = record_stage_end(b, x, conv, gate, last ? s.pool_size : 0);
      }
    }
    ++place;
  }
  return x;
}

}  // namespace

void record_vgg16(Builder& b) {
  const Structure s = read_structure(b.description().attributes);
  Var x = record_features(b, s);
  int64_t flatten_channels = s.widths.back();
  int64_t place = 0;  // linear, ReLU, dropout; dropout does nothing in evaluation
  for (const int64_t width : s.hidden) {
    x = b.linear(x, "classifier." + std::to_string(place), width, true, flatten_channels);
    flatten_channels = 0;
    place += 3;
  }
  x = b.linear(x, "classifier." + std::to_string(place), b.description().num_classes, false, flatten_channels);
  b.tape().output(x);
}

}  // namespace nad
