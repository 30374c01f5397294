// DenseNet with bottleneck layers (Huang et al. 2016), torchvision's names.
// Gates: after pool0, after every dense block but the last (on the whole concatenation), after every transition,
// after norm5 and its ReLU.
//
// A dense block is one slab: its input is written to the first channels, every
// layer to the next `growth` ones, so the concatenation is never copied. Recording
// the gate on the whole slab last gives the slab's gradient a complete start.
#include "models/checked_attributes.h"
#include "models/networks.h"

namespace nad {
namespace {

struct Structure {
  int64_t stem_width = 64, growth = 32, bottleneck = 4;
  std::vector<int64_t> stage_depths;
};

Structure read_structure(const Attributes& a) {
  Structure s;
  s.stem_width = positive(a, "stem_width", 64, kMaxWidth);
  s.growth = positive(a, "growth", 32, kMaxWidth);
  s.bottleneck = positive(a, "bottleneck", 4, 64);
  s.stage_depths = positives(a, "stage_depths", {6, 12, 24, 16}, kMaxDepth);
  return s;
}

std::string block_name(size_t block) { return "denseblock" + std::to_string(block + 1); }

// A slab for one block of which `inputs` channels come from below: [samples, h, w, inputs + depth * growth].
Var block_slab(Builder& b, const Structure& s, size_t block, Shape map, int64_t inputs) {
  map.c = inputs + s.stage_depths[block] * s.growth;
  return b.tape().slab(map, "features." + block_name(block));
}

void record_layers(Builder& b, const Structure& s, size_t block, Var slab, int64_t channels) {
  Tape& tape = b.tape();
  const int64_t width = s.bottleneck * s.growth;
  for (int64_t i = 0; i < s.stage_depths[block]; ++i) {
    const std::string name = "features." + block_name(block) + ".denselayer" + std::to_string(i + 1);
    const Var x = tape.slice(slab, 0, channels);
    const Var y = b.conv(x, {.conv = name + ".conv1",
                             .norm = name + ".norm2",
                             .norm_before = name + ".norm1",
                             .channels = width,
                             .post = rectified()});
    b.conv(y, {.conv = name + ".conv2",
               .channels = s.growth,
               .params = square_conv(3, 1, 1),
               .into = tape.slice(slab, channels, s.growth)});
    channels += s.growth;
  }
}

// Gate, norm + ReLU + 1x1 convolution to half the channels, 2x2 average, gate: written to the next block's slab.
Var record_transition(Builder& b, const Structure& s, size_t block, Var slab) {
  Tape& tape = b.tape();
  const Var x = b.gate(slab, block_name(block));
  const std::string gate = "transition" + std::to_string(block + 1), name = "features." + gate;
  const int64_t half = tape.shape(x).c / 2;
  const Var y = b.conv(x, {.conv = name + ".conv", .norm_before = name + ".norm", .channels = half});
  Shape map = tape.shape(y);
  map.h = conv_extent(map.h, 2, 2, 0, 1, 0);
  map.w = conv_extent(map.w, 2, 2, 0, 1, 0);
  const Var next = block_slab(b, s, block + 1, map, half);
  b.gated(gate, {}, [&](const Post& post) {
    return tape.avg_pool(y, square_pool(2, 2), post, name + ".pool", tape.slice(next, 0, half));
  });
  record_layers(b, s, block + 1, next, half);
  return next;
}

Var record_stem(Builder& b, const Structure& s) {
  Tape& tape = b.tape();
  Var x = b.conv(
      b.images(),
      {.conv = "features.conv0", .norm = "features.norm0", .channels = s.stem_width, .params = square_conv(7, 2, 3)});
  x = tape.max_pool(x, square_pool(3, 2, 1), rectified(), "features.pool0");  // max(relu(x)) = relu(max(x))
  Shape map = tape.shape(x);
  map.n *= b.repeat();
  const Var slab = block_slab(b, s, 0, map, s.stem_width);
  b.gate(x, "pool0", false, tape.slice(slab, 0, s.stem_width));
  record_layers(b, s, 0, slab, s.stem_width);
  return slab;
}

}  // namespace

void record_densenet121(Builder& b) {
  const Structure s = read_structure(b.description().attributes);
  Var slab = record_stem(b, s);
  for (size_t block = 0; block + 1 < s.stage_depths.size(); ++block) slab = record_transition(b, s, block, slab);
  const Var x =
      b.gated("norm5", rectified(), [&](const Post& post) { return b.batchnorm(slab, "features.norm5", post); });
  b.classify(x, "classifier");
}

}  // namespace nad
