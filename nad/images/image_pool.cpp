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

}  // namespace

ImagePool draw_image_pool(const ImageSource& source, const std::string& split,
                          const std::vector<std::string>& source_class, int64_t count, uint64_t seed, int workers,
                          const std::function<void(const std::string&)>& report) {
  std::vector<Class> classes = classes_with_images(source, split, source_class, seed);
  share_out(classes, count);
  ImagePool pool;
  for (const Class& c : classes) {
    if (c.taken == 0) continue;
    std::vector<int64_t> which(c.order.begin(), c.order.begin() + c.taken);
    std::sort(which.begin(), which.end());
    DecodedImages decoded;
    try {
      decoded = decode_images(source.load(split, c.name, which), workers, report);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      decoded.broken = c.taken;
      if (report) report(e.what());
    }
    pool.broken += decoded.broken;
    pool.labels.insert(pool.labels.end(), decoded.images.size(), c.label);
    std::move(decoded.images.begin(), decoded.images.end(), std::back_inserter(pool.images));
  }
  return pool;
}

}  // namespace nad
