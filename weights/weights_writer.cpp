#include "weights/weights_writer.h"

#include "weights/durable_file.h"
#include "weights/hdf5_writer.h"

namespace nad {
namespace {

using hdf5::Handle;
using hdf5::Writer;

void write_images(const Writer& writer, const WeightsFile& like) {
  const Handle images = writer.group(writer.root(), "images");
  for (const char* split : {"train", "val"}) {
    const std::vector<std::string> classes = like.image_classes(split);
    if (classes.empty()) continue;
    const Handle of_split = writer.group(images.get(), split);
    for (const std::string& id : classes) {
      const Handle of_class = writer.group(of_split.get(), id);
      for (const EncodedImage& image : like.images(split, id)) {
        writer.dataset(of_class.get(), image.name, image.bytes);
      }
    }
  }
}

}  // namespace

void write_random_weights(const std::string& path, const WeightsFile& like,
                          const std::map<std::string, HostTensor>& tensors, const RandomMark& mark) {
  const Writer writer("weights file");
  for (const auto& [name, value] : like.attributes().values()) {
    if (name == "converted_from" || name == "random_seed" || name == "measured_images") continue;
    std::visit([&, &key = name](const auto& v) { writer.attribute(writer.root(), key.c_str(), v); }, value);
  }
  writer.attribute(writer.root(), "random_seed", mark.seed);
  writer.attribute(writer.root(), "measured_images", mark.images);
  const Handle weights = writer.group(writer.root(), "weights");
  for (const auto& [name, tensor] : tensors) {
    writer.dataset(weights.get(), name, tensor.data, {tensor.shape.begin(), tensor.shape.end()});
  }
  if (like.has_images()) write_images(writer, like);
  write_durably(path, writer.bytes(), "weights file");
}

}  // namespace nad
