// The four networks as they are recorded: the tensors they ask for, their gates, wrong attributes and weights.
// What they compute is tests/test_models_forward.cpp's.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "models/models.h"

namespace {

using namespace nad;
using Integers = std::vector<int64_t>;
using Strings = std::vector<std::string>;

NetworkDescription standard(const std::string& arch, int64_t classes = 1000) {
  NetworkDescription d;
  d.arch = arch;
  d.num_classes = classes;
  return d;
}

Integers channels(const NetworkDescription& d) {
  Integers result;
  for (const GateInfo& gate : gate_infos(d)) result.push_back(gate.channels);
  return result;
}

// Every tensor with values that no test reads: for failures that come before any arithmetic.
std::map<std::string, HostTensor> ones_for(const NetworkDescription& d) {
  std::map<std::string, HostTensor> weights;
  for (const TensorSpec& spec : required_tensors(d)) {
    HostTensor tensor{spec.shape, {}};
    tensor.data.assign(static_cast<size_t>(tensor.count()), 1.0f);
    weights[spec.name] = std::move(tensor);
  }
  return weights;
}

bool starts_with(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

}  // namespace

TEST_CASE("DARTS' imagenet form averages the first 7x7 of a last map of 8x8 to 13x13") {
  NetworkDescription d = standard("darts", 10);
  d.attributes.set("channels", int64_t{4});
  d.attributes.set("layers", int64_t{3});
  const auto cut = [&](int64_t size) {
    d.input_size = size;
    const Tape tape = build_network(d, ones_for(d), {1, 2, true});
    return std::any_of(tape.nodes().begin(), tape.nodes().end(), [](const Tape::Node& node) {
      return node.op == Op::avg_pool && node.name == "global_pooling" && node.pool.kernel_h == 7;
    });
  };
  CHECK(!cut(192));  // 6x6
  CHECK(!cut(224));  // all of 7x7
  CHECK(cut(256));
  CHECK(cut(416));
  CHECK(!cut(448));  // 14x14
  d.attributes.set("form", std::string("cifar"));
  CHECK(!cut(32));  // 8x8
}

TEST_CASE("the standard networks ask for the reference networks' tensors") {
  struct Expected {
    const char* arch;
    size_t tensors;
    int64_t parameters, statistics;  // learnt values, and BatchNorm's means and variances
  };
  // tensors: torchvision 0.14's state_dict without num_batches_tracked; DARTS without the auxiliary head
  const Expected table[] = {{"vgg16", 32, 138357544, 0},
                            {"resnet50", 267, 25557032, 53120},
                            {"densenet121", 606, 7978856, 83648},
                            {"darts", 952, 4718752, 36336}};
  for (const Expected& expected : table) {
    CAPTURE(expected.arch);
    int64_t parameters = 0, statistics = 0;
    std::set<std::string> names;
    for (const TensorSpec& spec : required_tensors(standard(expected.arch))) {
      const int64_t count = std::accumulate(spec.shape.begin(), spec.shape.end(), int64_t{1}, std::multiplies<>());
      (spec.name.find(".running_") == std::string::npos ? parameters : statistics) += count;
      CHECK_MESSAGE(names.insert(spec.name).second, spec.name, " is asked for twice");
    }
    CHECK(names.size() == expected.tensors);
    CHECK(parameters == expected.parameters);
    CHECK(statistics == expected.statistics);
  }
}

TEST_CASE("names and shapes of single tensors") {
  struct Expected {
    const char* arch;
    const char* name;
    Integers shape;
  };
  const Expected table[] = {
      {"vgg16", "features.28.weight", {512, 512, 3, 3}},
      {"vgg16", "classifier.0.weight", {4096, 25088}},
      {"vgg16", "classifier.6.bias", {365}},
      {"resnet50", "conv1.weight", {64, 3, 7, 7}},
      {"resnet50", "layer1.0.downsample.1.running_var", {256}},
      {"resnet50", "layer4.2.conv2.weight", {512, 512, 3, 3}},
      {"resnet50", "fc.weight", {365, 2048}},
      {"densenet121", "features.denseblock3.denselayer24.conv1.weight", {128, 992, 1, 1}},
      {"densenet121", "features.transition2.norm.running_mean", {512}},
      {"densenet121", "classifier.weight", {365, 1024}},
      {"darts", "stem0.3.weight", {48, 24, 3, 3}},
      {"darts", "cells.0.preprocess0.conv_2.weight", {24, 48, 1, 1}},
      {"darts", "cells.2._ops.7.op.1.weight", {48, 1, 3, 3}},
      {"darts", "cells.13._ops.0.op.6.weight", {192, 192, 1, 1}},
      {"darts", "classifier.weight", {365, 768}},
  };
  for (const Expected& expected : table) {
    CAPTURE(expected.name);
    Integers shape;
    for (const TensorSpec& spec : required_tensors(standard(expected.arch, 365))) {
      if (spec.name == expected.name) shape = spec.shape;
    }
    CHECK(shape == expected.shape);
  }
}

TEST_CASE("gates of the standard networks") {
  CHECK(channels(standard("vgg16")) == Integers{64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512});
  CHECK(channels(standard("resnet50")) ==
        Integers{64, 256, 256, 256, 512, 512, 512, 512, 1024, 1024, 1024, 1024, 1024, 1024, 2048, 2048, 2048});
  CHECK(channels(standard("densenet121")) == Integers{64, 256, 128, 512, 256, 1024, 512, 1024});
  CHECK(channels(standard("darts")) ==
        Integers{48, 48, 192, 192, 192, 192, 384, 384, 384, 384, 384, 768, 768, 768, 768, 768});
  const std::vector<GateInfo> vgg = gate_infos(standard("vgg16")), dense = gate_infos(standard("densenet121"));
  CHECK(vgg[0].name == "conv1_1");
  CHECK(vgg[0].height == 224);
  CHECK(vgg[1].height == 112);  // after the pool
  CHECK(vgg.back().width == 7);
  CHECK(dense[1].name == "denseblock1");
  CHECK(dense[2].name == "transition1");
  CHECK(dense[2].height == 28);
  CHECK(gate_infos(standard("resnet50"))[16].name == "layer4.2");
  CHECK(gate_infos(standard("darts"))[15].name == "cells.13");
}

TEST_CASE("sizes that are not the standard ones") {
  NetworkDescription cifar = standard("darts", 10);
  cifar.input_size = 32;
  cifar.attributes.set("form", std::string("cifar"));
  cifar.attributes.set("channels", int64_t{36});
  cifar.attributes.set("layers", int64_t{20});
  const std::vector<GateInfo> gates = gate_infos(cifar);
  REQUIRE(gates.size() == 21);
  CHECK(gates[0].channels == 108);
  CHECK(gates[0].height == 32);
  CHECK(gates[20].channels == 4 * 144);
  CHECK(gates[20].height == 8);

  NetworkDescription vgg = standard("vgg16", 10);
  vgg.attributes.set("hidden", Integers{});
  vgg.input_size = 96;
  CHECK(required_tensors(vgg).back().name == "classifier.0.bias");
  CHECK(gate_infos(vgg).back().height == 7);  // from a map of 3x3

  NetworkDescription resnet101 = standard("resnet50");
  resnet101.attributes.set("stage_depths", Integers{3, 4, 23, 3});
  CHECK(gate_infos(resnet101).size() == 34);
}

TEST_CASE("beta by default") {
  CHECK(architectures() == Strings{"vgg16", "resnet50", "densenet121", "darts"});
  CHECK(default_beta("vgg16", false) == 4.5);
  CHECK(default_beta("vgg16", true) == 5.0);
  CHECK(default_beta("resnet50", true) == 0.02);
  CHECK(default_beta("darts", false) == 0.45);
  CHECK(default_beta("darts", true) == 0.20);
  CHECK_THROWS_AS(default_beta("alexnet", false), Error);
}

TEST_CASE("wrong attributes give one line that names them") {
  struct Wrong {
    const char* arch;
    const char* attribute;
    Attribute value;
    const char* message;
  };
  const Integers too_deep(2000, 1);
  const Wrong table[] = {
      {"vgg16", "stage_depths", Integers{}, "is empty"},
      {"vgg16", "stage_depths", int64_t{2}, "unexpected type"},
      {"vgg16", "stage_depths", Integers{2, 2, 3, 3, 2},
       "attribute 'widths' has 13 values, stage_depths add up to 12"},
      {"vgg16", "stage_depths", Integers{2, 2, 0, 3, 3}, "holds 0"},
      {"vgg16", "stage_depths", too_deep, "has 2000 values"},
      {"vgg16", "widths", Integers{64}, "has 1 values"},
      {"vgg16", "hidden", Integers{4096, -1}, "holds -1"},
      {"vgg16", "pool_size", int64_t{0}, "holds 0"},
      {"vgg16", "pool_size", 7.0, "unexpected type"},
      {"resnet50", "widths", Integers{64, 128, 256}, "has 3 values, stage_depths has 4"},
      {"resnet50", "stem_width", int64_t{1} << 40, "expected 1 to 65536"},
      {"resnet50", "expansion", int64_t{-4}, "holds -4"},
      {"resnet50", "stride_conv", int64_t{3}, "holds 3, expected 1 to 2"},
      {"resnet50", "batchnorm_eps", -1e-5, "negative or not finite"},
      {"resnet50", "batchnorm_eps", std::string("1e-5"), "unexpected type"},
      {"densenet121", "growth", int64_t{0}, "holds 0"},
      {"densenet121", "bottleneck", int64_t{65}, "expected 1 to 64"},
      {"densenet121", "stage_depths", Integers{6, 12, 24, 16, 6, 6}, "the input is too small"},
      {"darts", "form", std::string("mnist"), "expected 'imagenet' or 'cifar'"},
      {"darts", "channels", int64_t{47}, "even number"},
      {"darts", "layers", int64_t{0}, "holds 0"},
      {"darts", "genotype_normal", Strings{}, "has 0 operations"},
      {"darts", "genotype_normal", Strings{"skip_connect:0"}, "has 1 operations, expected two per node"},
      {"darts", "genotype_normal", Strings{"skip_connect:0", "sep_conv_4x4:1"}, "unknown operation 'sep_conv_4x4'"},
      {"darts", "genotype_normal", Strings{"skip_connect:0", "skip_connect"}, "expected operation:state"},
      {"darts", "genotype_normal", Strings{"skip_connect:0", "skip_connect:1x"}, "expected operation:state"},
      {"darts", "genotype_reduce", Strings{"max_pool_3x3:0", "max_pool_3x3:2"}, "its state must be 0 to 1"},
      {"darts", "genotype_reduce", Strings{"max_pool_3x3:-1", "max_pool_3x3:1"}, "its state must be 0 to 1"},
      {"darts", "genotype_normal_concat", Integers{}, "is empty"},
      {"darts", "genotype_normal_concat", Integers{2, 6}, "holds 6, expected states from 0 to 5"},
      {"darts", "genotype_reduce_concat", Integers{1, 2}, "holds 1, expected states from 2 to 5"},
  };
  for (const Wrong& wrong : table) {
    CAPTURE(wrong.arch);
    CAPTURE(wrong.attribute);
    NetworkDescription d = standard(wrong.arch);
    if (std::string(wrong.message).find("too small") != std::string::npos) d.input_size = 64;
    d.attributes.set(wrong.attribute, wrong.value);
    std::string message;
    try {
      required_tensors(d);
    } catch (const Error& error) {
      message = error.what();
      CHECK(error.kind() == ErrorKind::data);
    }
    CAPTURE(message);
    CHECK(message.find(wrong.message) != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("wrong descriptions and weights are refused") {
  using doctest::Contains;
  NetworkDescription d = standard("resnet50");
  d.num_classes = 0;
  CHECK_THROWS_WITH_AS(required_tensors(d), Contains("num_classes"), Error);
  d = standard("resnet50");
  d.input_size = 1 << 20;
  CHECK_THROWS_WITH_AS(gate_infos(d), Contains("input_size"), Error);
  CHECK_THROWS_WITH_AS(required_tensors(standard("alexnet")), Contains("known are vgg16, resnet50"), Error);
  for (const int64_t size : {1, 16}) {
    d = standard("vgg16");
    d.input_size = size;
    CHECK_THROWS_WITH_AS(required_tensors(d), Contains("the input is too small"), Error);
  }
  d = standard("darts");
  d.input_size = 200;  // maps of 25x25
  CHECK_THROWS_WITH_AS(required_tensors(d), Contains("even numbers"), Error);

  d = standard("resnet50", 10);
  d.input_size = 32;
  d.attributes.set("stage_depths", Integers{1, 1});
  d.attributes.set("widths", Integers{4, 8});
  CHECK_NOTHROW(build_network(d, ones_for(d), {}));
  auto weights = ones_for(d);
  weights.erase("layer2.0.bn2.running_var");
  CHECK_THROWS_WITH_AS(build_network(d, weights, {}), Contains("'layer2.0.bn2.running_var' is missing"), Error);
  weights = ones_for(d);
  weights["fc.weight"].shape = {10, 31};
  CHECK_THROWS_WITH_AS(build_network(d, weights, {}), Contains("has shape [10, 31], expected [10, 32]"), Error);
  weights = ones_for(d);
  weights["layer3.0.conv1.weight"] = {{1}, {0.0f}};
  CHECK_THROWS_WITH_AS(build_network(d, weights, {}), Contains("unexpected tensors, the first is 'layer3.0"), Error);
  weights = ones_for(d);
  weights["bn1.running_var"].data[3] = -1.0f;
  CHECK_THROWS_WITH_AS(build_network(d, weights, {}), Contains("'bn1.running_var' is -1"), Error);
}

TEST_CASE("only the first gate repeats the batch, and everything in front of it runs once per image") {
  for (const std::string& arch : architectures()) {
    CAPTURE(arch);
    NetworkDescription d = standard(arch, 3);
    d.input_size = 64;
    if (arch == "vgg16") d.attributes.set("hidden", Integers{8});
    BuildOptions options;
    options.batch = 3;
    options.repeat = 2;
    const Tape tape = build_network(d, ones_for(d), options);
    bool split = false;
    for (const Tape::Node& node : tape.nodes()) {
      CAPTURE(node.name);
      CHECK(tape.shape(node.x).n == (split ? 6 : 3));
      if (node.gate == 0) split = true;
      CHECK(tape.shape(node.y).n == (split ? 6 : 3));
      if (node.op == Op::gate) CHECK(node.repeat == (node.gate == 0 ? 2 : 1));
    }
    CHECK(tape.gates().size() == gate_infos(d).size());
    CHECK(tape.shape(tape.output_var()) == Shape{6, 1, 1, 3});
  }
}

TEST_CASE("DARTS cells pool a state once and copy nothing into their slab") {
  const NetworkDescription d = standard("darts", 3);
  int64_t pools = 0, copies = 0;
  const Tape tape = build_network(d, ones_for(d), {});
  for (const Tape::Node& node : tape.nodes()) {
    if (!starts_with(node.name, "cells.4.")) continue;
    pools += node.op == Op::max_pool;
    copies += node.op == Op::pointwise && !node.post.residual;
  }
  CHECK(pools == 2);  // DARTS_V2's reduction cell names five
  CHECK(copies == 0);
}
