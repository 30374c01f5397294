// nad_random: a network that knows nothing, as a weights file like another's: random weights, and the statistics of its
// normalisations measured on training images (docs/METHOD.md, 5a.6). Exit codes: engine/error.h.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <limits>
#include <optional>

#include "engine/parallel.h"
#include "models/random_network.h"
#include "nad/analyse/answers.h"
#include "nad/run/device_options.h"
#include "nad/run/flag_values.h"
#include "nad/run/network.h"
#include "nad/run/output_place.h"
#include "nad/run/program.h"
#include "weights/durable_file.h"
#include "weights/weights_writer.h"

namespace {

using namespace nad;

// A channel's mean over a 7x7 map of so many images is known to a hundredth of its deviation.
constexpr int64_t kImages = 256;
constexpr int64_t kBatch = 32;  // images that are normalised together, at most
constexpr int64_t kBytes = int64_t{512} << 20;

struct Options : DeviceOptions {
  std::string weights, data, out;
  uint64_t seed = 233;
};

// Empty where the program is done: --help or --version.
std::optional<Options> parse(int argc, const char* const* argv) {
  CLI::App app(
      "Writes a weights file of the same architecture whose weights are random: what gates find in it is no "
      "knowledge",
      "nad_random");
  Options o;
  DeviceFlags device;
  std::optional<std::string> data, seed;  // as typed
  app.add_option("--weights", o.weights, "weights file of the network that it is to be like")
      ->required()
      ->type_name("W.h5");
  app.add_option("--data", data,
                 "image folder, DIR/train/<class>/*, to measure BatchNorm on; default: images packed into W.h5")
      ->type_name("DIR");
  app.add_option("--out", o.out, "weights file to write; an earlier one is replaced")->required()->type_name("R.h5");
  app.add_option("--seed", seed, "seed of the weights and of which images are taken; default: 233")->type_name("N");
  device.declare(app);
  if (!parse_flags(app, argc, argv, std::cout)) return std::nullopt;
  device.convert(&o);
  if (data) o.data = given_name("--data", *data, "an image folder, or no --data for the packed images");
  if (seed) o.seed = whole_number<uint64_t>("--seed", *seed, 0, std::numeric_limits<uint64_t>::max());
  o.out = follow_links(o.out);
  return o;
}

// Evenly of all classes of the network, cropped as for evaluation.
LabelledPixels training_images(const Options& o, const WeightsFile& file) {
  std::unique_ptr<ImageSource> source;
  if (o.data.empty()) source = std::make_unique<PackedSource>(file);
  if (!o.data.empty()) source = std::make_unique<FolderSource>(o.data);
  const ClassMatch match = match_classes(source->classes("train"), file.class_ids(), file.num_classes());
  const ImagePool pool =
      draw_image_pool(*source, "train", match.source_class, {kImages, kBytes}, o.seed, std::max(1, max_threads()),
                      [](const std::string& line) { std::fprintf(stderr, "broken image: %s\n", line.c_str()); });
  if (pool.images.empty()) {
    throw Error(ErrorKind::data, "there is no training image to measure BatchNorm on", "see the folder train",
                Setting::images);
  }
  return prepare(pool, file.input_size(), preprocessing_of(file));
}

// The images lie class by class; a batch takes every n-th, so that it is a mix. Returns how many images were measured.
int64_t measure(Context& context, const NetworkDescription& network, const LabelledPixels& images,
                std::map<std::string, HostTensor>& weights) {
  const auto count = static_cast<int64_t>(images.labels.size()), image = images.size * images.size * 3;
  const int64_t batches = (count + kBatch - 1) / kBatch, batch = count / batches;
  BatchNormStatistics statistics(context, network, weights, batch);
  std::vector<float> pixels;
  for (int64_t b = 0; b < batches; ++b) {
    pixels.clear();
    for (int64_t i = 0; i < batch; ++i) {
      const auto from = images.pixels.begin() + (i * batches + b) * image;
      pixels.insert(pixels.end(), from, from + image);
    }
    statistics.add(pixels.data());
  }
  statistics.put_into(weights);
  return batch * batches;
}

int make(const Options& o) {
  check_output(o.out, {.may_exist = true, .inputs = {o.weights}, .try_writing = true});
  const WeightsFile file(o.weights);
  const NetworkDescription network = describe(file);
  std::map<std::string, HostTensor> weights = random_weights(network, o.seed);
  RandomMark mark{o.seed, 0};
  const std::unique_ptr<Context> context = take_device(o);
  if (has_batchnorm(network)) mark.images = measure(*context, network, training_images(o, file), weights);
  write_random_weights(o.out, file, weights, mark);
  const std::string measured = has_batchnorm(network)
                                   ? "BatchNorm measured on " + std::to_string(mark.images) + " training images"
                                   : "no BatchNorm to measure";
  std::fprintf(stderr, "%s: %s with random weights (seed %llu), %s\n", o.out.c_str(), network.arch.c_str(),
               static_cast<unsigned long long>(o.seed), measured.c_str());
  return 0;
}

const FlagNames kFlags = {
    {Setting::device, "--device"}, {Setting::precision, "--precision"}, {Setting::convolutions, "--conv"},
    {Setting::images, "--data"},   {Setting::output, "--out"},
};

}  // namespace

int main(int argc, char** argv) {
  return run_program("nad_random", kFlags, [&] {
    const std::optional<Options> options = parse(argc, argv);
    return options ? make(*options) : 0;
  });
}
