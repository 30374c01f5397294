// ResNet of bottleneck blocks (He et al. 2015), torchvision's names. A block's stride is on its 3x3 convolution (version
// 1.5), or on its first (version 1).
// Gates: after the stem's max-pool, then after the closing ReLU of every block.
#include "models/checked_attributes.h"
#include "models/networks.h"

namespace nad {
namespace {

struct Structure {
  int64_t stem_width = 64, expansion = 4, stride_conv = 2;
  std::vector<int64_t> stage_depths, widths;  // widths: of a stage's 3x3 convolutions
};

Structure read_structure(const Attributes& a) {
  Structure s;
  s.stem_width = positive(a, "stem_width", 64, kMaxWidth);
  s.expansion = positive(a, "expansion", 4, 64);
  s.stride_conv = positive(a, "stride_conv", 2, 2);
  s.stage_depths = positives(a, "stage_depths", {3, 4, 6, 3}, kMaxDepth);
  s.widths = positives(a, "widths", {64, 128, 256, 512}, kMaxWidth);
  if (s.widths.size() != s.stage_depths.size()) {
    bad_attribute("widths", "has " + std::to_string(s.widths.size()) + " values, stage_depths has " +
                                std::to_string(s.stage_depths.size()));
  }
  return s;
}

// Residual addition, ReLU and gate are part of conv3.
Var record_block(Builder& b, Var x, const std::string& name, int64_t width, int64_t outputs, int64_t stride,
                 int64_t stride_conv) {
  const int64_t inputs = b.tape().shape(x).c;
  Var y = b.conv(x, {.conv = name + ".conv1",
                     .norm = name + ".bn1",
                     .channels = width,
                     .params = square_conv(1, stride_conv == 1 ? stride : 1),
                     .post = rectified()});
  y = b.conv(y, {.conv = name + ".conv2",
                 .norm = name + ".bn2",
                 .channels = width,
                 .params = square_conv(3, stride_conv == 2 ? stride : 1, 1),
                 .post = rectified()});
  Var shortcut = x;
  if (stride != 1 || inputs != outputs) {
    shortcut = b.conv(x, {.conv = name + ".downsample.0",
                          .norm = name + ".downsample.1",
                          .channels = outputs,
                          .params = square_conv(1, stride)});
  }
  Post post = rectified();
  post.residual = shortcut;
  return b.gated(name, post, [&](const Post& gated) {
    return b.conv(y, {.conv = name + ".conv3", .norm = name + ".bn3", .channels = outputs, .post = gated});
  });
}

}  // namespace

void record_resnet50(Builder& b) {
  const Structure s = read_structure(b.description().attributes);
  Var x =
      b.conv(b.images(), {.conv = "conv1", .norm = "bn1", .channels = s.stem_width, .params = square_conv(7, 2, 3)});
  x = b.tape().max_pool(x, square_pool(3, 2, 1), rectified(), "maxpool");  // max(relu(x)) = relu(max(x))
  x = b.gate(x, "stem");
  for (size_t stage = 0; stage < s.widths.size(); ++stage) {
    for (int64_t block = 0; block < s.stage_depths[stage]; ++block) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      x = record_block(b, x, name, s.widths[stage], s.widths[stage] * s.expansion, stage > 0 && block == 0 ? 2 : 1,
                       s.stride_conv);
    }
  }
  b.classify(x, "fc");
}

}  // namespace nad
