// bench_images FILE...: images a second from bytes in memory to pixels, from pixels to batches for learning, and both; and
// what a class of them costs in memory. bench/compare_images.py sets torchvision's DataLoader beside it.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/quantile.h"
#include "engine/error.h"
#include "nad/images/loader.h"

namespace {

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

nad::DecodedClass decoded(const std::vector<nad::EncodedImage>& encoded, int threads) {
  nad::DecodedImages images = nad::decode_images(
      encoded, threads, [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
  return {0, "bench", std::move(images.images), std::move(images.names), images.broken};
}

// One pass over the class in batches of 16, with random crops.
double augment_seconds(const nad::DecodedClass& images, int size, int threads, uint64_t seed) {
  nad::LoaderOptions options;
  options.size = size;
  options.workers = threads;
  options.ahead = 2 * threads;  // as PyTorch's prefetch_factor
  options.seed = seed;
  options.steps = nad::steps_per_epoch(static_cast<int64_t>(images.images.size()), options.batch);
  const auto begin = std::chrono::steady_clock::now();
  nad::BatchLoader loader(images, options);
  for (int64_t step = 0; step < options.steps; step++) loader.next();
  return seconds_since(begin);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Images a second: decoding, augmentation, both");
  std::vector<std::string> files;
  int threads = 2, rounds = 1, size = 224;
  app.add_option("FILE", files, "images")->required();
  app.add_option("--threads", threads, "threads")->check(CLI::Range(1, 1024));
  app.add_option("--rounds", rounds, "times; medians are printed")->check(CLI::Range(1, 1000));
  app.add_option("--size", size, "side of the network's input")->check(CLI::Range(1, 4096));
  CLI11_PARSE(app, argc, argv);
  try {
    std::vector<nad::EncodedImage> encoded;
    for (const std::string& file : files) encoded.push_back(nad::read_image_file(file));
    std::vector<double> decode, augment;
    double bytes = 0, images = 0;
    for (int round = 0; round < rounds; round++) {
      const std::vector<nad::EncodedImage> copies = encoded;
      const auto begin = std::chrono::steady_clock::now();
      const nad::DecodedClass all = decoded(copies, threads);
      decode.push_back(seconds_since(begin));
      if (all.images.empty()) return 3;
      augment.push_back(augment_seconds(all, size, threads, static_cast<uint64_t>(round)));
      images = static_cast<double>(all.images.size());
      bytes = 0;
      for (const nad::Image& image : all.images) bytes += static_cast<double>(image.rgb.size());
    }
    const double d = nad::bench::median(decode), a = nad::bench::median(augment);
    std::printf(
        "{\"images\": %.0f, \"threads\": %d, \"mebibytes\": %.1f, \"decode\": %.1f, \"augment\": %.1f, \"both\": "
        "%.1f}\n",
        images, threads, bytes / (1 << 20), images / d, images / a, images / (d + a));
  } catch (const nad::Error& e) {
    std::fprintf(stderr, "bench_images: %s\n", e.what());
    return e.exit_code();
  }
}
