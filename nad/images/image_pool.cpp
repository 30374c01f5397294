#include "nad/images/image_pool.h"

#include <algorithm>
#include <iterator>

#include "engine/error.h"
#include "nad/images/loader.h"

namespace nad {
namespace {

struct Class {
  int64_t label = 0;
  std::string name;
  std::vector<int> order;  // of its images
  int64_t taken = 0;
};

std::vector<int> shuffled(uint64_t seed, const std::string& name, int64_t count) {
  std::vector<int> order(static_cast<size_t>(count));
  epoch_order(seed, name, 0, order);
  return order;
}

// The classes that have images, in the order in which rounds visit them.
std::vector<Class> classes_with_images(const ImageSource& source, const std::string& split,
                                       const std::vector<std::string>& source_class, uint64_t seed) {
  std::vector<Class> found;
  for (const int at : shuffled(seed, "", static_cast<int64_t>(source_class.size()))) {
    const std::string& name = source_class[static_cast<size_t>(at)];
    if (name.empty()) continue;
    const int64_t images = count_readable(source, split, name);
    if (images > 0) found.push_back({at, name, shuffled(seed, name, images), 0});
  }
  return found;
}

void share_out(std::vector<Class>& classes, int64_t count) {
  for (bool more = true; more && count > 0;) {
    more = false;
    for (Class& c : classes) {
      if (count == 0 || c.taken == static_cast<int64_t>(c.order.size())) continue;
      ++c.taken;
      --count;
      more = true;
    }
  }
}

// The images of a class that were drawn, in the order of their draw.
std::vector<EncodedImage> load_drawn(const ImageSource& source, const std::string& split, const Class& c) {
  const std::vector<int64_t> drawn(c.order.begin(), c.order.begin() + c.taken);
  std::vector<int64_t> which = drawn;
  std::sort(which.begin(), which.end());
  std::vector<EncodedImage> sorted = source.load(split, c.name, which), images;
  for (const int64_t i : drawn) {
    images.push_back(
        std::move(sorted[static_cast<size_t>(std::lower_bound(which.begin(), which.end(), i) - which.begin())]));
  }
  return images;
}

// Decodes a few at a time until they take so many bytes.
DecodedImages decode_some(std::vector<EncodedImage> encoded, int64_t bytes, int workers,
                          const std::function<void(const std::string&)>& report) {
  constexpr size_t kAtATime = 16;
  DecodedImages decoded;
  for (size_t begin = 0; begin < encoded.size(); begin += kAtATime) {
    const auto first = encoded.begin() + static_cast<int64_t>(begin);
    const auto last = encoded.begin() + static_cast<int64_t>(std::min(begin + kAtATime, encoded.size()));
    DecodedImages some =
        decode_images({std::make_move_iterator(first), std::make_move_iterator(last)}, workers, report);
    decoded.broken += some.broken;
    for (size_t i = 0; i < some.images.size(); ++i) {
      bytes -= static_cast<int64_t>(some.images[i].rgb.size());
      if (bytes < 0 && !decoded.images.empty()) return decoded;
      decoded.images.push_back(std::move(some.images[i]));
      decoded.names.push_back(std::move(some.names[i]));
    }
  }
  return decoded;
}

}  // namespace

ImagePool draw_image_pool(const ImageSource& source, const std::string& split,
                          const std::vector<std::string>& source_class, const PoolLimits& limits, uint64_t seed,
                          int workers, const std::function<void(const std::string&)>& report) {
  std::vector<Class> classes = classes_with_images(source, split, source_class, seed);
  share_out(classes, limits.images);
  std::erase_if(classes, [](const Class& c) { return c.taken == 0; });
  ImagePool pool;
  int64_t bytes = 0;  // of the pool so far
  for (const Class& c : classes) {
    if (bytes >= limits.bytes && !pool.images.empty()) break;  // the classes' first images alone were too large
    DecodedImages decoded;
    std::vector<std::string> drawn;  // their names
    try {
      std::vector<EncodedImage> encoded = load_drawn(source, split, c);
      for (const EncodedImage& image : encoded) drawn.push_back(image.name);
      decoded = decode_some(std::move(encoded), limits.bytes / static_cast<int64_t>(classes.size()), workers, report);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      decoded.broken = c.taken;
      if (report) report(e.what());
    }
    for (const Image& image : decoded.images) bytes += static_cast<int64_t>(image.rgb.size());
    pool.broken += decoded.broken;
    pool.labels.insert(pool.labels.end(), decoded.images.size(), c.label);
    std::move(decoded.images.begin(), decoded.images.end(), std::back_inserter(pool.images));
    size_t at = 0;
    for (std::string& name : decoded.names) {
      while (drawn[at] != name) ++at;
      pool.places.push_back(c.order[at++]);
      pool.names.push_back(std::move(name));
    }
  }
  return pool;
}

}  // namespace nad
