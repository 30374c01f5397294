#include "nad/images/half_source.h"

#include <algorithm>
#include <numeric>

#include "engine/error.h"
#include "engine/rng.h"

namespace nad {

std::vector<int64_t> half_of_images(const std::string& source_class, int64_t count, Half half) {
  std::vector<int64_t> places(static_cast<size_t>(count));
  std::iota(places.begin(), places.end(), int64_t{0});
  if (half == Half::all) return places;
  const uint64_t key = random_key(random_key(0, hash_name("half")), hash_name(source_class));
  std::sort(places.begin(), places.end(), [&](int64_t a, int64_t b) {
    return random_bits(key, static_cast<uint64_t>(a)) < random_bits(key, static_cast<uint64_t>(b));
  });
  const auto middle = places.begin() + (count + 1) / 2;
  half == Half::first ? places.erase(middle, places.end()) : places.erase(places.begin(), middle);
  std::sort(places.begin(), places.end());
  return places;
}

std::vector<int64_t> HalfSource::kept(const std::string& split, const std::string& source_class) const {
  return half_of_images(source_class, whole_->count(split, source_class), split == "train" ? half_ : Half::all);
}

int64_t HalfSource::count(const std::string& split, const std::string& source_class) const {
  return static_cast<int64_t>(kept(split, source_class).size());
}

std::vector<EncodedImage> HalfSource::load(const std::string& split, const std::string& source_class) const {
  return whole_->load(split, source_class, kept(split, source_class));
}

std::vector<EncodedImage> HalfSource::load(const std::string& split, const std::string& source_class,
                                           const std::vector<int64_t>& which) const {
  const std::vector<int64_t> places = kept(split, source_class);
  std::vector<int64_t> wanted;
  for (const int64_t i : which) {
    if (i >= static_cast<int64_t>(places.size())) {
      throw Error(ErrorKind::data, where(split, source_class) + " has fewer images than a moment ago",
                  "leave the images alone while they are read");
    }
    wanted.push_back(places[static_cast<size_t>(i)]);
  }
  return whole_->load(split, source_class, wanted);
}

}  // namespace nad
