#include "nad/images/shuffled_source.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "engine/error.h"
#include "engine/rng.h"

namespace nad {

ShuffledSource::ShuffledSource(std::unique_ptr<ImageSource> whole, std::vector<std::string> classes, uint64_t seed)
    : whole_(std::move(whole)), classes_(std::move(classes)) {
  std::sort(classes_.begin(), classes_.end());
  std::vector<Place> all;
  std::vector<int64_t> counts;
  for (size_t k = 0; k < classes_.size(); ++k) {
    counts.push_back(count_readable(*whole_, "train", classes_[k]));
    for (int64_t i = 0; i < counts.back(); ++i) all.push_back({static_cast<int32_t>(k), i});
  }
  const uint64_t key = random_key(seed, hash_name("shuffled labels"));
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return random_bits(key, a) < random_bits(key, b); });
  auto next = order.begin();
  for (size_t k = 0; k < classes_.size(); ++k) {
    const auto end = next + counts[k];
    std::sort(next, end);  // reading goes class by class
    std::vector<Place>& places = dealt_[classes_[k]];
    std::transform(next, end, std::back_inserter(places), [&](size_t i) { return all[i]; });
    next = end;
  }
}

const std::vector<ShuffledSource::Place>* ShuffledSource::dealt(const std::string& split,
                                                                const std::string& source_class) const {
  const auto found = dealt_.find(source_class);
  return split == "train" && found != dealt_.end() ? &found->second : nullptr;
}

int64_t ShuffledSource::count(const std::string& split, const std::string& source_class) const {
  const std::vector<Place>* places = dealt(split, source_class);
  return places ? static_cast<int64_t>(places->size()) : whole_->count(split, source_class);
}

std::vector<EncodedImage> ShuffledSource::load(const std::string& split, const std::string& source_class) const {
  std::vector<int64_t> all(static_cast<size_t>(count(split, source_class)));
  std::iota(all.begin(), all.end(), int64_t{0});
  return load(split, source_class, all);
}

std::vector<EncodedImage> ShuffledSource::load(const std::string& split, const std::string& source_class,
                                               const std::vector<int64_t>& which) const {
  const std::vector<Place>* places = dealt(split, source_class);
  if (!places) return whole_->load(split, source_class, which);
  if (!which.empty() && which.back() >= static_cast<int64_t>(places->size())) {
    throw Error(ErrorKind::data, where(split, source_class) + " are fewer than a moment ago",
                "leave the images alone while they are read");
  }
  std::vector<EncodedImage> images;
  for (auto next = which.begin(); next != which.end();) {
    const int32_t from = (*places)[static_cast<size_t>(*next)].source_class;
    std::vector<int64_t> of_class;
    for (; next != which.end() && (*places)[static_cast<size_t>(*next)].source_class == from; ++next) {
      of_class.push_back((*places)[static_cast<size_t>(*next)].image);
    }
    std::vector<EncodedImage> some = whole_->load(split, classes_[static_cast<size_t>(from)], of_class);
    std::move(some.begin(), some.end(), std::back_inserter(images));
  }
  return images;
}

std::string ShuffledSource::where(const std::string& split, const std::string& source_class) const {
  return dealt(split, source_class) ? "the shuffled images of class " + source_class
                                    : whole_->where(split, source_class);
}

}  // namespace nad
