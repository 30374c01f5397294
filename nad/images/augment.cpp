#include "nad/images/augment.h"

#include <algorithm>
#include <cmath>

#include "engine/rng.h"
#include "nad/images/draw_below.h"

namespace nad {
namespace {

constexpr double kMinScale = 0.08, kMaxScale = 1.25;
constexpr double kMinRatio = 3.0 / 4.0, kMaxRatio = 4.0 / 3.0;
constexpr int kTries = 10;

// Counters of one key: two for each try, then the place of the crop, then the flip.
enum : uint64_t { kLeftCounter = 2 * kTries, kTopCounter, kFlipCounter };

// Halves go to the even neighbour, as Python's round does.
int round_half_even(double x) { return static_cast<int>(std::nearbyint(x)); }

double draw_between(uint64_t key, uint64_t counter, double low, double high) {
  return low + (high - low) * static_cast<double>(random_uniform(key, counter));
}

// The largest centre crop whose ratio lies in the allowed range.
Box centre_fallback(int width, int height) {
  const double ratio = double(width) / height;
  int w = width, h = height;
  if (ratio < kMinRatio) h = round_half_even(w / kMinRatio);
  if (ratio > kMaxRatio) w = round_half_even(h * kMaxRatio);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

Box draw_crop(uint64_t key, int width, int height) {
  const double log_low = std::log(kMinRatio), log_high = std::log(kMaxRatio);
  for (uint64_t t = 0; t < kTries; t++) {
    const double area = double(width) * height * draw_between(key, 2 * t, kMinScale, kMaxScale);
    const double ratio = std::exp(draw_between(key, 2 * t + 1, log_low, log_high));
    const int w = round_half_even(std::sqrt(area * ratio));
    const int h = round_half_even(std::sqrt(area / ratio));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const int left = static_cast<int>(draw_below(key, kLeftCounter, width - w + 1));
    const int top = static_cast<int>(draw_below(key, kTopCounter, height - h + 1));
    return {left, top, w, h};
  }
  return centre_fallback(width, height);
}

}  // namespace

uint64_t augmentation_key(uint64_t seed, std::string_view source_class, int64_t epoch, int64_t image) {
  const uint64_t of_class = random_key(random_key(seed, hash_name("augmentation")), hash_name(source_class));
  return random_key(random_key(of_class, static_cast<uint64_t>(epoch)), static_cast<uint64_t>(image));
}

Augmentation draw_augmentation(uint64_t key, int width, int height) {
  return {draw_crop(key, width, height), (random_bits(key, kFlipCounter) >> 63) != 0};
}

std::vector<float> byte_values(const Preprocessing& preprocessing) {
  std::vector<float> values;
  for (size_t c = 0; c < 3; c++) {
    for (int v = 0; v < 256; v++) {
      values.push_back((static_cast<float>(v) / 255.0f - preprocessing.mean[c]) / preprocessing.stddev[c]);
    }
  }
  return values;
}

Preprocessor::Preprocessor(int size, const Preprocessing& preprocessing)
    : size_(size),
      shorter_side_(preprocessing.resize_size ? preprocessing.resize_size
                                              : static_cast<int>(int64_t{size} * 256 / 224)),
      table_(byte_values(preprocessing)),
      resizer_(preprocessing.interpolation),
      resized_(size_t{3} * static_cast<size_t>(size) * static_cast<size_t>(size)) {}

void Preprocessor::reserve(int width, int height) { resizer_.reserve(width, height, size_, size_); }

void Preprocessor::normalize(const uint8_t* rgb, bool flip, float* out) const {
  const int64_t step = flip ? -3 : 3;
  const float* table = table_.data();
  for (int y = 0; y < size_; y++) {
    const uint8_t* row = rgb + int64_t{3} * y * size_;
    const uint8_t* pixel = flip ? row + int64_t{3} * (size_ - 1) : row;
    for (int x = 0; x < size_; x++, pixel += step, out += 3) {
      out[0] = table[pixel[0]];
      out[1] = table[256 + pixel[1]];
      out[2] = table[512 + pixel[2]];
    }
  }
}

void Preprocessor::augment(const Image& image, const Augmentation& augmentation, float* out) {
  resizer_.resize(image, augmentation.crop, size_, size_, {0, 0, size_, size_}, resized_.data());
  normalize(resized_.data(), augmentation.flip, out);
}

void Preprocessor::evaluated_pixels(const Image& image, uint8_t* out) {
  // torchvision truncates the longer side and rounds the crop's corner half to even.
  const int64_t shorter = shorter_side_;
  const int64_t least = std::max(1, std::min(image.width, image.height));
  const int width = static_cast<int>(image.width <= image.height ? shorter : shorter * image.width / least);
  const int height = static_cast<int>(image.width <= image.height ? shorter * image.height / least : shorter);
  const Box window{round_half_even((width - size_) / 2.0), round_half_even((height - size_) / 2.0), size_, size_};
  resizer_.resize(image, {0, 0, image.width, image.height}, width, height, window, out);
}

void Preprocessor::evaluate(const Image& image, float* out) {
  evaluated_pixels(image, resized_.data());
  normalize(resized_.data(), false, out);
}

void preprocess_eval(const Image& image, int size, const Preprocessing& preprocessing, float* out) {
  Preprocessor(size, preprocessing).evaluate(image, out);
}

}  // namespace nad
