// Augmentation as an op: the reference and, on the model of the GPU, the CUDA kernels against the host's
// Preprocessor, byte for byte; batches that reach the learner as draws teach it what the same batches as pixels do.
#include <cstring>

#include "engine/rng.h"
#include "kernels/backends.h"
#include "nad/images/augment.h"
#include "nad/learn/class_batches.h"
#include "nad/run/network.h"
#include "tests/cuda_main.h"

using namespace nad;

namespace {

int below(uint64_t key, uint64_t counter, int n) {
  return static_cast<int>(random_bits(key, counter) % static_cast<uint64_t>(n));
}

Image random_image(uint64_t key, int width, int height) {
  Image image{width, height, {}};
  for (int64_t i = 0; i < int64_t{3} * width * height; ++i) {
    image.rgb.push_back(static_cast<uint8_t>(random_bits(key, static_cast<uint64_t>(i)) >> 56));
  }
  return image;
}

struct Sample {
  Image image;
  Augmentation draw;
};

// Images of other sizes, crops from a pixel to everything, both flips.
std::vector<Sample> random_samples(int count) {
  std::vector<Sample> samples;
  for (int k = 0; k < count; ++k) {
    const uint64_t key = random_key(41, static_cast<uint64_t>(k));
    const int width = 1 + below(key, 0, 60), height = 1 + below(key, 1, 60);
    Box crop{0, 0, width, height};
    if (k % 3 != 0) {
      crop.width = 1 + below(key, 2, width);
      crop.height = 1 + below(key, 3, height);
      crop.left = below(key, 4, width - crop.width + 1);
      crop.top = below(key, 5, height - crop.height + 1);
    }
    samples.push_back({random_image(key, width, height), {crop, k % 2 == 1}});
  }
  return samples;
}

// What the op of a backend makes of the samples, every third one left out: [N, S, S, 3], -7 where nothing is written.
std::vector<float> augment(Backend& backend, Context& context, const std::vector<Sample>& samples, int size,
                           Interpolation interpolation) {
  const auto n = static_cast<int64_t>(samples.size());
  std::vector<Buffer> images;
  std::vector<AugmentSample> records(samples.size());
  for (size_t k = 0; k < samples.size(); ++k) {
    const auto& [image, draw] = samples[k];
    images.push_back(backend.allocate(image.rgb.size()));
    backend.upload(images.back().get(), image.rgb.data(), image.rgb.size());
    if (k % 4 == 3) continue;
    records[k] = {reinterpret_cast<const uint8_t*>(images.back().get()),
                  image.width,
                  image.height,
                  draw.crop.left,
                  draw.crop.top,
                  draw.crop.width,
                  draw.crop.height,
                  draw.flip};
  }
  const std::vector<float> values = byte_values(Preprocessing{});
  const auto put = [&](const void* data, size_t bytes) {
    Buffer buffer = backend.allocate(bytes);
    backend.upload(buffer.get(), data, bytes);
    return buffer;
  };
  std::vector<float> result(static_cast<size_t>(n * size * size * 3), -7.0f);
  const size_t bytes = result.size() * sizeof(float);
  const Buffer y = put(result.data(), bytes), table = put(values.data(), values.size() * sizeof(float)),
               list = put(records.data(), records.size() * sizeof(AugmentSample));
  AugmentArgs args;
  args.y.data = reinterpret_cast<float*>(y.get());
  args.y.shape = {n, size, size, 3};
  args.y.stride = 3;
  args.samples = reinterpret_cast<const AugmentSample*>(list.get());
  args.byte_values = reinterpret_cast<const float*>(table.get());
  args.max_side = 60;
  args.interpolation = interpolation;
  Planner planner(context);
  learning_backend(backend).learning_ops().augment(planner, args)(context);
  backend.download(result.data(), y.get(), bytes);
  return result;
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("the op equals the host's preprocessor byte for byte") {
  for (const auto& [size, interpolation] :
       {std::pair(1, Interpolation::bilinear), std::pair(7, Interpolation::bicubic),
        std::pair(32, Interpolation::bilinear), std::pair(32, Interpolation::bicubic)}) {
    CAPTURE(size);
    const std::vector<Sample> samples = random_samples(24);
    std::vector<float> expected;
    Preprocessing preprocessing;
    preprocessing.interpolation = interpolation;
    Preprocessor preprocessor(size, preprocessing);
    for (size_t k = 0; k < samples.size(); ++k) {
      std::vector<float> one(static_cast<size_t>(size * size * 3), -7.0f);
      if (k % 4 != 3) preprocessor.augment(samples[k].image, samples[k].draw, one.data());
      expected.insert(expected.end(), one.begin(), one.end());
    }
    for (const char* name : {"reference", "cpu", "cuda"}) {
      CAPTURE(name);
      Context context(make_backend(name));
      CHECK(same_bytes(augment(context.backend(), context, samples, size, interpolation), expected));
    }
  }
}

namespace {

const std::string kNetwork = std::string(NAD_SOURCE_DIR) + "/tests/golden/resnet50_narrow.h5";

struct Learnt {
  GateVectors gates;
  bool on_device = false;
  int64_t updates = 0;  // specific
};

// The gates after a few steps on a class of random images, and under `specific` on others; the last batch of an epoch
// is short.
Learnt learn(const std::string& backend, bool draws, bool graph, Objective objective, int64_t index) {
  const WeightsFile file(kNetwork);
  const NetworkDescription network = describe(file);
  LearnOptions options;
  options.objective = objective;
  options.beta = 0.02;
  options.batch = 3;
  options.slots = 2;
  if (draws) options.byte_values = byte_values(Preprocessing{});
  Context context(make_backend(backend, {.graph = graph}));
  Learner learner(context, network, load_tensors(file, network), options);

  DecodedClass images;
  images.index = index;
  images.source_class = "n1";
  for (const Sample& sample : random_samples(5)) images.images.push_back(sample.image);
  LoaderOptions loader;
  loader.batch = 3;
  loader.size = static_cast<int>(learner.input_size());
  loader.steps = 5;
  ImagePool pool;
  for (const Sample& sample : random_samples(7)) {
    pool.images.push_back(sample.image);
    pool.labels.push_back(pool.images.size() < 3 ? 10 : 11);
  }
  Others others{OtherImages(std::move(pool)), std::nullopt};
  if (draws) others.on_device.emplace(context, others.images.images());
  ClassBatches batches(context, learner, images, loader, options.shows_others() ? &others : nullptr);
  Learnt result;
  result.on_device = batches.on_device();
  learner.assign(1, initial_gates(learner.channels(), 9), {}, 9);
  for (int t = 0; t < 5; ++t) {
    batches.feed(learner, 1);
    learner.step();
  }
  result.gates = learner.logits(1);
  if (options.shows_others()) result.updates = learner.moments(1).steps;
  learner.release(1);
  learner.step();  // reads no image any more
  context.backend().synchronize();
  return result;
}

// One that the original network answers to some of the images: a step of `specific` needs that.
int64_t answered_class() {
  for (int64_t index = 0; index < 10; ++index) {
    if (learn("cpu", false, true, Objective::specific, index).updates > 0) return index;
  }
  FAIL("no class");
  return 0;
}

}  // namespace

TEST_CASE("draws teach the learner what pixels do") {
  const int64_t index = answered_class();
  for (const char* backend : {"cpu", "cuda"}) {
    CAPTURE(backend);
    for (const Objective objective : {Objective::paper, Objective::specific}) {
      const Learnt pixels = learn(backend, false, true, objective, index);
      CHECK_FALSE(pixels.on_device);
      for (const bool graph : {true, false}) {
        const Learnt draws = learn(backend, true, graph, objective, index);
        CHECK(draws.on_device);
        CHECK(draws.updates == pixels.updates);
        REQUIRE(draws.gates.size() == pixels.gates.size());
        for (size_t i = 0; i < draws.gates.size(); ++i) CHECK(same_bytes(draws.gates[i], pixels.gates[i]));
      }
    }
  }
}

TEST_CASE("images that are too large, and backends that do not augment, get pixels") {
  const WeightsFile file(kNetwork);
  const NetworkDescription network = describe(file);
  LearnOptions options;
  options.byte_values = byte_values(Preprocessing{});
  Context context(make_backend("cuda"));
  CHECK(learning_backend(context.backend()).augments());
  CHECK_FALSE(learning_backend(*make_backend("cpu")).augments());
  Learner learner(context, network, load_tensors(file, network), options);
  DecodedClass images;
  images.images.push_back(random_image(3, kMaxAugmentSide + 1, 1));
  LoaderOptions loader;
  loader.steps = 1;
  loader.size = 32;
  CHECK_FALSE(ClassBatches(context, learner, images, loader).on_device());
  images.images[0] = random_image(3, kMaxAugmentSide, 1);
  CHECK(ClassBatches(context, learner, images, loader).on_device());
}
