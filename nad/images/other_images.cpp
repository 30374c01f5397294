#include "nad/images/other_images.h"

#include <algorithm>

#include "engine/rng.h"
#include "nad/images/draw_below.h"

namespace nad {
namespace {

// Counters of a draw: its class, its image, what its augmentation is drawn from.
constexpr uint64_t kCounters = 3;

}  // namespace

OtherImages::OtherImages(ImagePool pool) : pool_(std::move(pool)) {
  for (size_t i = 0; i < pool_.labels.size(); i++) {
    if (classes_.empty() || classes_.back().label != pool_.labels[i]) {
      classes_.push_back({pool_.labels[i], static_cast<int>(i), 0});
    }
    classes_.back().count++;
  }
}

int64_t OtherImages::place_of(int64_t label) const {
  return std::find_if(classes_.begin(), classes_.end(), [&](const Class& c) { return c.label == label; }) -
         classes_.begin();
}

int64_t OtherImages::classes_beside(int64_t own) const {
  const auto all = static_cast<int64_t>(classes_.size());
  return all - (place_of(own) < all);
}

void OtherImages::draw(uint64_t seed, int64_t own, int64_t step, std::span<Draw> draws) const {
  const uint64_t of_class = random_key(random_key(seed, hash_name("others")), static_cast<uint64_t>(own));
  const uint64_t key = random_key(of_class, static_cast<uint64_t>(step));
  const int64_t left_out = place_of(own), choice = classes_beside(own);
  for (size_t i = 0; i < draws.size(); i++) {
    int64_t place = draw_below(key, kCounters * i, choice);
    place += place >= left_out;
    const Class& c = classes_[static_cast<size_t>(place)];
    draws[i].image = c.first + static_cast<int>(draw_below(key, kCounters * i + 1, c.count));
    draws[i].key = random_bits(key, kCounters * i + 2);
  }
}

}  // namespace nad
