#include "nad/run/network_laboratory.h"

#include <algorithm>

#include "engine/parallel.h"
#include "nad/run/network.h"
#include "nad/store/file_hash.h"

namespace nad {
namespace {

std::unique_ptr<ImageSource> open_images(const AnalyseOptions& o, const WeightsFile& weights) {
  if (!o.data.empty()) return std::make_unique<FolderSource>(o.data);
  if (!weights.has_images()) return nullptr;
  return std::make_unique<PackedSource>(weights);
}

// The source's name of every class of the network in a split, "" where it has none.
std::vector<std::string> class_names(const ImageSource& images, const std::string& split,
                                     const WeightsFile& weights) {
  const std::vector<std::string> none(static_cast<size_t>(weights.num_classes()));
  if (!images.has_split(split)) return none;
  const std::vector<std::string> found = images.classes(split);
  if (!weights.class_ids().empty()) return classes_by_id(found, weights.class_ids());
  return match_classes(found, {}, weights.num_classes()).source_class;
}

// Another folder, or other numbers of images, are other images.
std::string identity(const AnalyseOptions& o, const ImageSource& images, const std::vector<std::string>& val_class) {
  std::string text = o.data + "|" + to_string(o.precision);
  for (const std::string& name : val_class) {
    if (!name.empty()) text += "|" + name + " " + std::to_string(count_readable(images, "val", name));
  }
  return hexadecimal(hash_bytes(kHashStart, text.data(), text.size()));
}

}  // namespace

NetworkLaboratory open_laboratory(const AnalyseOptions& o, const std::string& path, Progress& progress) {
  NetworkLaboratory n;
  n.weights = std::make_unique<WeightsFile>(path);
  n.images = open_images(o, *n.weights);
  if (!n.images || !n.images->has_split("val")) return n;
  n.context = take_device(o);
  const NetworkDescription network = describe(*n.weights);
  LaboratoryParts parts;
  parts.context = n.context.get();
  parts.network = build_network(network, load_tensors(*n.weights, network), {1, 1, true});
  parts.images = n.images.get();
  parts.val_class = class_names(*n.images, "val", *n.weights);
  parts.train_class = class_names(*n.images, "train", *n.weights);
  parts.images_id = identity(o, *n.images, parts.val_class);
  parts.input_size = network.input_size;
  parts.normalization = {n.weights->mean(), n.weights->stddev()};
  parts.seed = o.settings.seed;
  parts.samples = o.batch;
  parts.workers = std::max(1, max_threads());
  parts.report = [&progress](const std::string& line) { progress.warn("broken image: " + line); };
  n.laboratory = std::make_unique<Laboratory>(std::move(parts));
  if (n.laboratory->image_classes().empty()) n.laboratory.reset();
  return n;
}

}  // namespace nad
