#include "nad/run/network_laboratory.h"

#include <algorithm>
#include <filesystem>

#include "engine/parallel.h"
#include "nad/images/list_source.h"
#include "nad/run/network.h"
#include "nad/store/file_hash.h"

namespace nad {
namespace {

std::unique_ptr<ImageSource> open_images(const AnalyseOptions& o, const WeightsFile& weights) {
  if (!o.data.empty()) return open_folder(o.data, o.val_list, weights.class_ids());
  if (!weights.has_images()) return nullptr;
  return std::make_unique<PackedSource>(weights);
}

struct ClassNames {  // [classes of the network], the source's name of each in a split, "" where it has none
  std::vector<std::string> train, val;
};

// As nad_run matches them: without class ids the train split's sorted order is that of the classes, in val too. Where
// train is missing or does not match there are no training images, and val goes by its own order.
ClassNames class_names(const ImageSource& images, const WeightsFile& weights) {
  const int64_t count = weights.num_classes();
  const std::vector<std::string> none(static_cast<size_t>(count)), &ids = weights.class_ids();
  const std::vector<std::string> train = images.has_split("train") ? images.classes("train") : none,
                                 val = images.classes("val");
  if (!ids.empty()) return {classes_by_id(train, ids), classes_by_id(val, ids)};
  if (images.has_split("train") && static_cast<int64_t>(train.size()) == count) return {train, train};
  return {none, match_classes(val, {}, count).source_class};
}

// Names and sizes of a folder's files, without reading them.
std::string listing(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string file = entry.path().filename().string();
    if (file[0] == '.' || !entry.is_regular_file(error)) continue;
    files.push_back(file + " " + std::to_string(entry.file_size(error)));
  }
  std::sort(files.begin(), files.end());
  std::string text;
  for (const std::string& file : files) text += file + "|";
  return text;
}

// Other val images, or another number of training images, are other images, wherever they lie. A packed image is as the
// weights file is, whose hash the sub-architectures have.
std::string identity(const AnalyseOptions& o, const ImageSource& images, const ClassNames& names) {
  std::string text = to_string(o.precision) + (o.val_list.empty() ? "" : "|" + file_hash(o.val_list));
  for (size_t k = 0; k < names.val.size(); k++) {
    if (names.val[k].empty()) continue;
    text += "|" + names.val[k] + " " +
            (o.data.empty() || !o.val_list.empty() ? std::to_string(count_readable(images, "val", names.val[k]))
                                                   : listing(images.where("val", names.val[k])));
    if (!names.train[k].empty()) text += "/" + std::to_string(count_readable(images, "train", names.train[k]));
  }
  return hexadecimal(hash_bytes(kHashStart, text.data(), text.size()));
}

std::string masks_identity(const ObjectMasks& masks, const ClassNames& names) {
  std::string text;
  for (const std::string& name : names.val) {
    if (!name.empty()) text += "|" + name + " " + listing(masks.where(name));
  }
  return hexadecimal(hash_bytes(kHashStart, text.data(), text.size()));
}

}  // namespace

NetworkLaboratory open_laboratory(const AnalyseOptions& o, const std::string& path, Progress& progress) {
  NetworkLaboratory n;
  n.weights = std::make_unique<WeightsFile>(path);
  n.images = open_images(o, *n.weights);
  if (!o.masks.empty()) n.masks = std::make_unique<ObjectMasks>(o.masks);
  if (!n.images || !n.images->has_split("val")) return n;
  n.context = take_device(o);
  const NetworkDescription network = describe(*n.weights);
  LaboratoryParts parts;
  parts.context = n.context.get();
  parts.network = build_network(network, load_tensors(*n.weights, network), {1, 1, true});
  parts.images = n.images.get();
  const ClassNames names = class_names(*n.images, *n.weights);
  parts.val_class = names.val;
  parts.train_class = names.train;
  parts.images_id = identity(o, *n.images, names);
  parts.masks = n.masks.get();
  if (n.masks) parts.masks_id = masks_identity(*n.masks, names);
  parts.input_size = network.input_size;
  parts.preprocessing = preprocessing_of(*n.weights);
  parts.seed = o.settings.seed;
  parts.samples = o.batch;
  parts.workers = std::max(1, max_threads());
  parts.report = [&progress](const std::string& line) { progress.warn("broken image: " + line); };
  n.laboratory = std::make_unique<Laboratory>(std::move(parts));
  if (!n.laboratory->image_classes().empty()) return n;
  if (!o.data.empty() && !n.images->classes("val").empty()) {
    throw Error(ErrorKind::data, "no class folder of " + o.data + "/val has images of a class of the network",
                "name the folders by the network's class ids");
  }
  n.laboratory.reset();
  return n;
}

}  // namespace nad
