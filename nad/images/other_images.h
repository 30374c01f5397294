// What a class is shown beside its own images: images of the other classes (docs/METHOD.md section 2a).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nad/images/image_pool.h"

namespace nad {

class OtherImages {
 public:
  // pool: images of a class lie side by side, as draw_image_pool() leaves them.
  explicit OtherImages(ImagePool pool);

  struct Draw {
    int image = 0;     // its place in images()
    uint64_t key = 0;  // of its augmentation, for draw_augmentation()
  };
  // What class `own` is shown in a step: each draw is uniform over the classes of the pool, own left out, then over
  // the images of that class. A pure function of (pool, seed, own, step): draw i does not depend on how many there
  // are. PRECOND: classes_beside(own) > 0.
  void draw(uint64_t seed, int64_t own, int64_t step, std::span<Draw> draws) const;

  int64_t classes_beside(int64_t own) const;  // that the pool has images of
  const std::vector<Image>& images() const { return pool_.images; }
  const std::vector<int64_t>& labels() const { return pool_.labels; }  // [images]

 private:
  struct Class {
    int64_t label = 0;
    int first = 0, count = 0;  // of its images
  };
  int64_t place_of(int64_t label) const;  // in classes_; classes_.size() where the pool has none

  ImagePool pool_;
  std::vector<Class> classes_;
};

}  // namespace nad
