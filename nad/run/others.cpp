#include "nad/run/others.h"

#include <algorithm>
#include <set>

#include "engine/error.h"
#include "engine/parallel.h"
#include "nad/report/text.h"
#include "nad/run/image_hash.h"
#include "nad/store/file_hash.h"

namespace nad {
namespace {

std::string hash_of(const OtherImages& others) {
  const std::vector<int64_t>& labels = others.labels();
  return hexadecimal(
      hash_images(hash_bytes(kHashStart, labels.data(), sizeof(int64_t) * labels.size()), others.images()));
}

}  // namespace

std::shared_ptr<const Others> draw_others(const RunSetup& s, RunState& state, Progress& progress) {
  RunSettings& settings = state.results.settings;
  if (!settings.shows_others()) return nullptr;
  const PoolLimits limits = settings.negatives > 0 ? PoolLimits{.images = settings.negatives}
                                                   : PoolLimits{kAutoNegatives, kAutoNegativeBytes};
  const auto others = std::make_shared<Others>(
      OtherImages(draw_image_pool(*s.source, "train", s.shown_class, limits, settings.order_seed,
                                  std::max(1, max_threads()),
                                  [&](const std::string& line) { progress.warn("broken image: " + line); })),
      std::nullopt);
  const std::vector<Image>& images = others->images.images();
  if (images.empty()) throw Error(ErrorKind::data, "there are no images of other classes to show", "see --data");
  const std::string hash = hash_of(others->images);
  if (!settings.negatives_hash.empty() && settings.negatives_hash != hash) {
    throw Error(ErrorKind::data, "the images of other classes are not those that " + s.out + " was learnt with",
                "give the same images, or another --out to start anew");
  }
  settings.negatives_hash = hash;
  double bytes = 0;
  for (const Image& image : images) bytes += static_cast<double>(image.rgb.size());
  const std::vector<int64_t>& labels = others->images.labels();
  progress.say(format("others: %zu images of %zu classes, %.1f MiB", images.size(),
                      std::set<int64_t>(labels.begin(), labels.end()).size(), bytes / (1 << 20)));
  if (!state.learner->options().byte_values.empty() && DeviceImages::fit(*state.context, images)) {
    others->on_device.emplace(*state.context, images);
  }
  return others;
}

}  // namespace nad
