// A laboratory over a small network and images in memory, and the same answers by one image at a time on the reference
// backend: what the analyses of the network itself are checked against.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/rng.h"
#include "kernels/backends.h"
#include "nad/analyse/analysis.h"
#include "nad/run/network.h"

namespace nad {

// A 24-bit BMP of noise around a grey of its own.
inline std::vector<uint8_t> noisy_bmp(uint64_t key, int side) {
  const int row = (3 * side + 3) / 4 * 4, size = 54 + row * side;
  std::vector<uint8_t> bytes(static_cast<size_t>(size), 0);
  const auto put = [&](size_t at, int value, int width) {
    for (int i = 0; i < width; i++) bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
  };
  bytes[0] = 'B';
  bytes[1] = 'M';
  put(2, size, 4);
  put(10, 54, 4);
  put(14, 40, 4);
  put(18, side, 4);
  put(22, side, 4);
  put(26, 1, 2);
  put(28, 24, 2);
  const auto grey = static_cast<int>(random_bits(key, 1 << 20) % 190);
  for (int y = 0; y < side; y++) {
    for (int x = 0; x < 3 * side; x++) {
      bytes[54 + y * row + x] = static_cast<uint8_t>(
          grey + static_cast<int>(random_bits(key, static_cast<uint64_t>(y * 3 * side + x)) >> 58));
    }
  }
  return bytes;
}

// Classes 0, 1, ... named so; class c has images[c] of them in either split.
class MemorySource : public ImageSource {
 public:
  std::set<std::string> broken;  // classes whose images cannot be decoded
  bool has_train = true;

  explicit MemorySource(std::vector<int64_t> images) : images_(std::move(images)) {}
  bool has_split(const std::string&) const override { return true; }
  std::vector<std::string> classes(const std::string&) const override {
    std::vector<std::string> names;
    for (size_t c = 0; c < images_.size(); c++) names.push_back(std::to_string(c));
    return names;
  }
  int64_t count(const std::string& split, const std::string& name) const override {
    return split == "val" || has_train ? images_.at(std::stoul(name)) : 0;
  }
  std::vector<EncodedImage> load(const std::string& split, const std::string& name) const override {
    std::vector<int64_t> all;
    for (int64_t i = 0; i < count(split, name); i++) all.push_back(i);
    return load(split, name, all);
  }
  std::vector<EncodedImage> load(const std::string& split, const std::string& name,
                                 const std::vector<int64_t>& which) const override {
    std::vector<EncodedImage> found;
    for (const int64_t i : which) {
      const uint64_t key = random_key(random_key(split == "val", std::stoul(name)), static_cast<uint64_t>(i));
      EncodedImage image;
      image.name = name + "/" + std::to_string(i);
      if (!broken.count(name)) image.bytes = noisy_bmp(key, 40);
      found.push_back(std::move(image));
    }
    return found;
  }
  std::string where(const std::string&, const std::string& name) const override { return name; }

 private:
  std::vector<int64_t> images_;
};

struct SmallLab {
  WeightsFile file{std::string(NAD_SOURCE_DIR) + "/tests/golden/resnet50_narrow.h5"};
  NetworkDescription network = describe(file);
  Context context{make_backend("cpu")}, reference_context{make_backend("reference")};
  MemorySource images;
  Subject subject;
  AnalysisSettings settings;
  std::map<std::string, Findings> so_far;
  std::unique_ptr<Laboratory> laboratory;
  GatedForward reference;

  // images of each class; the first `classes` of them have a sub-architecture.
  explicit SmallLab(std::vector<int64_t> image_counts, int64_t classes = 6)
      : images(std::move(image_counts)), reference(reference_context, tape(), {.images = 1, .copies = 1, .rows = 2}) {
    use_masks(nullptr);
    Results results;
    results.settings.arch = network.arch;
    results.settings.objective = "released";
    results.channels = reference.channels();
    for (const GateInfo& gate : gate_infos(network)) results.gate_names.push_back(gate.name);
    for (int64_t c = 0; c < classes; c++) {
      ClassResult& r = results.classes[c];
      r.index = c;
      r.id = r.name = std::to_string(c);
      r.finished = true;
      r.logits = initial_gates(results.channels, class_key(7, c));
      for (std::vector<float>& gate : r.logits) {
        for (float& logit : gate) logit += 1;  // keeps some 84 %
      }
    }
    std::vector<std::string> notes;
    subject = group_subjects({{"r.h5", std::move(results)}}, &notes).at(0);
  }

  // The laboratory anew, with masks of its objects or none. They must outlive it.
  void use_masks(const ObjectMasks* masks) {
    LaboratoryParts parts;
    parts.context = &context;
    parts.network = tape();
    parts.images = &images;
    parts.val_class = parts.train_class = images.classes("val");
    parts.val_class.resize(static_cast<size_t>(network.num_classes));
    parts.masks = masks;
    parts.masks_id = masks ? "some" : "";
    parts.input_size = network.input_size;
    parts.seed = settings.seed;
    parts.samples = 5;
    laboratory = std::make_unique<Laboratory>(std::move(parts));
  }

  Tape tape() const { return build_network(network, load_tensors(file, network), {1, 1, true}); }
  Study study() const {
    return {subject, settings, laboratory.get(), so_far, [](double) {}};
  }

  // One image at a time. multipliers: empty for the original.
  std::vector<float> logits(const LabelledPixels& pixels, size_t image, const GateVectors& multipliers) {
    const int64_t each = pixels.size * pixels.size * 3;
    if (!multipliers.empty()) reference.set_row(1, multipliers);
    reference.use_rows(std::vector<int32_t>{multipliers.empty() ? 0 : 1});
    reference.run(pixels.pixels.data() + static_cast<int64_t>(image) * each, 1);
    std::vector<float> found(static_cast<size_t>(reference.num_classes()));
    reference.logits(0, 1, found.data());
    return found;
  }
  int64_t answer(const LabelledPixels& pixels, size_t image, const GateVectors& multipliers) {
    const std::vector<float> of = logits(pixels, image, multipliers);
    return std::max_element(of.begin(), of.end()) - of.begin();
  }
  // The share of images that are answered `own`; of those of class `label` only where that is not negative.
  double share(const LabelledPixels& pixels, const GateVectors& multipliers, int64_t own, int64_t label = -1) {
    double hits = 0, count = 0;
    for (size_t i = 0; i < pixels.labels.size(); i++) {
      if (label >= 0 && pixels.labels[i] != label) continue;
      hits += answer(pixels, i, multipliers) == own;
      count++;
    }
    return hits / count;
  }
};

inline std::vector<double> real_column(const Findings& f, const std::string& name) {
  for (const Column& column : f.table) {
    if (column.name != name) continue;
    if (const auto* values = std::get_if<std::vector<double>>(&column.values)) return *values;
    const auto& whole = std::get<std::vector<int64_t>>(column.values);
    return {whole.begin(), whole.end()};
  }
  throw std::out_of_range("no column " + name);
}

}  // namespace nad
