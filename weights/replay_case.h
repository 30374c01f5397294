// Prepared batches for nad_replay, and what it found: how any other implementation can be compared with this one.
// The layout is weights/FORMAT.md's "Replay cases and results".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nad {

// Images before any preparation: [count, height, width, 3], 8-bit RGB.
struct RawImages {
  int64_t count = 0, height = 0, width = 0;
  std::vector<uint8_t> rgb;
};

// The dataset raw_images of a case that asks for logits only; none where it has no such dataset. Throws Error(data).
std::optional<RawImages> read_raw_images(const std::string& path);

struct ReplayCase {
  std::optional<std::string> objective;  // root attributes, defaults for the flags
  std::optional<double> beta, lr;
  int64_t count = 0, size = 0;  // images, pixels of a side
  std::vector<float> images;    // [count, size, size, 3] NHWC, normalised
  std::vector<int32_t> labels;  // [count]
  int64_t steps = 0, batch = 0;
  std::vector<int64_t> batches;                // [steps, batch], indices of images
  std::vector<std::vector<float>> gates_init;  // per gate [C]
  std::vector<std::vector<float>> sigma_init;  // per gate [C], or empty
  std::vector<std::vector<float>> noise;       // per gate [steps, batch, C], or empty
};

// images_u8 becomes float by the dataset's own attributes scale and shift (u8 * scale + shift per channel) where it
// has them, else by (u8 / 255 - mean) / stddev. Throws Error(data): unreadable, missing, wrong type or shape, not
// finite, index out of range.
ReplayCase read_replay_case(const std::string& path, const std::array<float, 3>& mean,
                            const std::array<float, 3>& stddev);

struct ReplayResult {
  std::vector<double> losses;    // [steps, 4]: total, reconstruction, regularisation, cross-entropy
  std::vector<uint8_t> skipped;  // [steps]
  std::vector<int64_t> correct;  // [steps]
  std::vector<std::vector<float>> gradient0, gates_final, sigma_final;  // per gate [C]; sigma_final may be empty
  int64_t count = 0, classes = 0;
  std::vector<float> logits_original, logits_hard;  // [count, classes]
};

// Whole or not at all (weights/durable_file.h). Throws Error(data).
void write_replay_result(const std::string& path, const ReplayResult& result);
// Of raw images: logits_orig [count, classes] alone.
void write_raw_logits(const std::string& path, const std::vector<float>& logits, int64_t count);

}  // namespace nad
