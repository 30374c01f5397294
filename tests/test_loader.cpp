// The batches that the loader makes of a class: contents, order, resumption, errors.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/rng.h"
#include "nad/images/augment.h"
#include "nad/images/dataset.h"
#include "nad/images/loader.h"

namespace {

std::string failure(const std::function<void()>& body, nad::ErrorKind kind = nad::ErrorKind::data) {
  try {
    body();
  } catch (const nad::Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

nad::DecodedClass noise_class(int images, const std::string& id = "n01440764") {
  nad::DecodedClass c;
  c.source_class = id;
  for (int n = 0; n < images; n++) {
    nad::Image image{20 + n % 7, 30 - n % 5, {}};
    image.rgb.resize(size_t{3} * static_cast<size_t>(image.width * image.height));
    for (size_t i = 0; i < image.rgb.size(); i++) {
      image.rgb[i] = static_cast<uint8_t>(nad::random_bits(static_cast<uint64_t>(n), i));
    }
    c.images.push_back(image);
    c.names.push_back(std::to_string(n));
  }
  return c;
}

struct Copy {
  std::vector<float> pixels;
  std::vector<int> indices;
  int64_t step, epoch;
  int valid;
  bool operator==(const Copy&) const = default;
};

nad::LoaderOptions small(int64_t steps, int workers = 2) {
  nad::LoaderOptions o;
  o.batch = 4, o.size = 16, o.steps = steps, o.workers = workers;
  return o;
}

std::vector<Copy> run(const nad::DecodedClass& c, const nad::LoaderOptions& o) {
  nad::BatchLoader loader(c, o);
  std::vector<Copy> all;
  for (int64_t step = o.first_step; step < o.steps; step++) {
    const nad::Batch& b = loader.next();
    all.push_back({{b.images, b.images + o.batch * o.size * o.size * 3},
                   {b.indices.begin(), b.indices.end()},
                   b.step,
                   b.epoch,
                   b.valid});
  }
  CHECK_THROWS_AS(loader.next(), std::logic_error);
  return all;
}

TEST_CASE("an epoch's order is a permutation and differs with seed, class and epoch") {
  std::vector<int> order(257), sorted(257), other(257);
  nad::epoch_order(1, "a", 0, order);
  sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::iota(other.begin(), other.end(), 0);
  CHECK(sorted == other);
  CHECK(order != other);
  nad::epoch_order(1, "a", 0, other);
  CHECK(order == other);
  for (const auto& [seed, id, epoch] : {std::tuple{2, "a", 0}, {1, "b", 0}, {1, "a", 1}}) {
    nad::epoch_order(static_cast<uint64_t>(seed), id, epoch, other);
    CHECK(order != other);
  }
}

TEST_CASE("every permutation of three images is equally likely") {
  std::vector<int> counts(9, 0), order(3);
  for (int epoch = 0; epoch < 6000; epoch++) {
    nad::epoch_order(233, "a", epoch, order);
    counts[static_cast<size_t>(order[0] * 3 + order[1])]++;
  }
  for (int first = 0; first < 3; first++) {
    for (int second = 0; second < 3; second++) {
      if (first != second) CHECK(std::abs(counts[static_cast<size_t>(first * 3 + second)] - 1000) < 150);
    }
  }
}

TEST_CASE("an epoch holds every image once, its last batch is short and zero behind the valid samples") {
  const nad::DecodedClass c = noise_class(10);
  const std::vector<Copy> all = run(c, small(9));  // three epochs of 4 + 4 + 2
  std::vector<int> seen;
  for (size_t i = 0; i < all.size(); i++) {
    const Copy& b = all[i];
    CHECK(b.step == static_cast<int64_t>(i));
    CHECK(b.epoch == static_cast<int64_t>(i) / 3);
    CHECK(b.valid == (i % 3 == 2 ? 2 : 4));
    CHECK(b.indices.size() == static_cast<size_t>(b.valid));
    CHECK(std::all_of(b.pixels.begin() + b.valid * 16 * 16 * 3, b.pixels.end(), [](float v) { return v == 0; }));
    seen.insert(seen.end(), b.indices.begin(), b.indices.end());
    if (i % 3 != 2) continue;
    std::sort(seen.begin(), seen.end());
    std::vector<int> each(10);
    std::iota(each.begin(), each.end(), 0);
    CHECK(seen == each);
    seen.clear();
  }
  CHECK(all[0].indices != all[3].indices);
}

TEST_CASE("a sample is the augmented image that its index, class and epoch say") {
  const nad::DecodedClass c = noise_class(10);
  nad::Preprocessor preprocessor(16, {});
  std::vector<float> expected(16 * 16 * 3);
  for (const Copy& b : run(c, small(6))) {
    for (int k = 0; k < b.valid; k++) {
      const int index = b.indices[static_cast<size_t>(k)];
      const nad::Image& image = c.images[static_cast<size_t>(index)];
      const uint64_t key = nad::augmentation_key(233, c.source_class, b.epoch, index);
      preprocessor.augment(image, nad::draw_augmentation(key, image.width, image.height), expected.data());
      CHECK(std::equal(expected.begin(), expected.end(), b.pixels.begin() + k * 16 * 16 * 3));
    }
  }
}

TEST_CASE("batches do not depend on workers, queue length or the step a run is resumed at") {
  const nad::DecodedClass c = noise_class(11);
  const std::vector<Copy> all = run(c, small(14, 1));
  CHECK(run(c, small(14, 2)) == all);
  CHECK(run(c, small(14, 5)) == all);
  CHECK(run(c, small(14, 0)) == all);
  nad::LoaderOptions o = small(14, 3);
  o.ahead = 1;
  CHECK(run(c, o) == all);
  for (int64_t first : {1, 3, 7, 13, 14}) {
    for (int workers : {0, 2}) {
      o = small(14, workers);
      o.first_step = first;
      CHECK(run(c, o) == std::vector<Copy>(all.begin() + first, all.end()));
    }
  }
  o = small(14, 2);
  o.seed = 234;
  CHECK(run(c, o) != all);
  CHECK(run(noise_class(11, "another"), small(14, 2)) != all);
}

// Classes 0, 1, ... with so many images each.
nad::OtherImages others_of(const std::vector<int>& counts) {
  nad::ImagePool pool;
  for (size_t k = 0; k < counts.size(); k++) {
    const nad::DecodedClass c = noise_class(counts[k], std::to_string(k));
    pool.images.insert(pool.images.end(), c.images.begin(), c.images.end());
    pool.labels.insert(pool.labels.end(), c.images.size(), static_cast<int64_t>(k));
  }
  return nad::OtherImages(std::move(pool));
}

TEST_CASE("draws of others are uniform over the classes beside the own one, then over their images") {
  const nad::OtherImages pool = others_of({5, 1, 20, 2});
  for (const int64_t own : {0, 2, 3, 7}) {  // of class 7 the pool has nothing
    CAPTURE(own);
    const int64_t classes = own == 7 ? 4 : 3, draws = 24000;
    CHECK(pool.classes_beside(own) == classes);
    std::vector<int64_t> of_class(4), of_image(28);
    std::vector<nad::OtherImages::Draw> step(16);
    for (int64_t t = 0; t < draws / 16; t++) {
      pool.draw(233, own, t, step);
      for (const auto& draw : step) {
        ++of_class.at(static_cast<size_t>(pool.labels()[static_cast<size_t>(draw.image)]));
        ++of_image.at(static_cast<size_t>(draw.image));
      }
    }
    for (int64_t k = 0; k < 4; k++) {
      if (k == own) {
        CHECK(of_class[k] == 0);
      } else {
        CHECK(std::abs(of_class[k] - draws / classes) < 400);  // over five standard deviations
      }
    }
    for (size_t i = 6; i < 26; i++) {  // those of class 2
      if (own != 2) CHECK(std::abs(of_image[i] - draws / classes / 20) < 110);
    }
  }
}

TEST_CASE("draws of others depend on seed, class and step; the first ones not on how many there are") {
  const nad::OtherImages pool = others_of({5, 6, 20, 2});
  const auto drawn = [&](uint64_t seed, int64_t own, int64_t step, size_t count) {
    std::vector<nad::OtherImages::Draw> draws(count);
    pool.draw(seed, own, step, draws);
    std::vector<std::pair<int, uint64_t>> result;
    for (const auto& draw : draws) result.emplace_back(draw.image, draw.key);
    return result;
  };
  const auto some = drawn(1, 2, 3, 8), more = drawn(1, 2, 3, 16);
  CHECK(drawn(1, 2, 3, 8) == some);
  CHECK(std::equal(some.begin(), some.end(), more.begin()));
  CHECK(drawn(2, 2, 3, 8) != some);
  CHECK(drawn(1, 1, 3, 8) != some);
  CHECK(drawn(1, 2, 4, 8) != some);
}

TEST_CASE("a batch holds others beside the class's images, the same for any workers and after a resume") {
  nad::DecodedClass c = noise_class(6);
  c.index = 1;
  const nad::OtherImages pool = others_of({3, 4, 5});
  constexpr int64_t kSample = 16 * 16 * 3;
  using Step = std::pair<std::vector<float>, std::vector<float>>;  // of the class, of others
  const auto steps = [&](int workers, int64_t first) {
    nad::LoaderOptions o = small(5, workers);
    o.others = &pool;
    o.first_step = first;
    nad::BatchLoader loader(c, o);
    std::vector<Step> all;
    for (int64_t t = first; t < o.steps; t++) {
      const nad::Batch& b = loader.next();
      CHECK(b.valid == (t % 2 == 0 ? 4 : 2));
      CHECK(b.others.size() == 4);
      all.push_back({{b.images, b.images + 4 * kSample}, {b.other_images, b.other_images + 4 * kSample}});
    }
    return all;
  };
  const std::vector<Step> all = steps(1, 0);
  CHECK(steps(3, 0) == all);
  CHECK(steps(0, 0) == all);
  CHECK(steps(2, 3) == std::vector<Step>(all.begin() + 3, all.end()));
  const std::vector<Copy> alone = run(c, small(5));
  for (size_t t = 0; t < all.size(); t++) CHECK(alone[t].pixels == all[t].first);

  // What the draws say, as draws for a device and as pixels.
  nad::LoaderOptions o = small(5);
  o.others = &pool;
  o.pixels = false;
  nad::BatchLoader draws(c, o);
  nad::Preprocessor preprocessor(16, {});
  std::vector<float> expected(kSample);
  for (const Step& step : all) {
    const nad::Batch& b = draws.next();
    CHECK(b.other_images == nullptr);
    REQUIRE(b.others_augment.size() == 4);
    for (size_t i = 0; i < 4; i++) {
      CHECK(pool.labels()[static_cast<size_t>(b.others[i].image)] != c.index);
      preprocessor.augment(pool.images()[static_cast<size_t>(b.others[i].image)], b.others_augment[i],
                           expected.data());
      CHECK(std::equal(expected.begin(), expected.end(), step.second.begin() + static_cast<int64_t>(i) * kSample));
    }
  }

  const nad::OtherImages own_only = others_of({0, 4});
  o.others = &own_only;
  CHECK(contains(failure([&] { nad::BatchLoader loader(c, o); }), "no image of another class"));
}

TEST_CASE("a class smaller than the batch gives short batches, one an epoch") {
  const std::vector<Copy> all = run(noise_class(1), small(5));
  for (const Copy& b : all) CHECK((b.valid == 1 && b.epoch == b.step));
  CHECK(all[0].pixels != all[1].pixels);
}

TEST_CASE("evaluation batches run in the class's order without chance") {
  const nad::DecodedClass c = noise_class(6);
  nad::LoaderOptions o = small(2);
  o.transform = nad::Transform::evaluate;
  const std::vector<Copy> all = run(c, o);
  CHECK(all[0].indices == std::vector<int>{0, 1, 2, 3});
  CHECK(all[1].indices == std::vector<int>{4, 5});
  std::vector<float> expected(16 * 16 * 3);
  nad::preprocess_eval(c.images[5], 16, {}, expected.data());
  CHECK(std::equal(expected.begin(), expected.end(), all[1].pixels.begin() + 16 * 16 * 3));
}

TEST_CASE("an error of preparing a batch arrives at its step, and again if asked again") {
  nad::DecodedClass c = noise_class(8);
  c.images[6].rgb.resize(5);  // in step 1
  for (int workers : {0, 2}) {
    nad::LoaderOptions o = small(4, workers);
    o.transform = nad::Transform::evaluate;
    nad::BatchLoader loader(c, o);
    CHECK(loader.next().step == 0);
    for (int again = 0; again < 2; again++) CHECK(contains(failure([&] { loader.next(); }), "has 5 bytes"));
  }
}

TEST_CASE("a loader can be dropped at any moment") {
  const nad::DecodedClass c = noise_class(30);
  for (int taken = 0; taken < 6; taken++) {
    nad::BatchLoader loader(c, small(1000, 3));
    for (int i = 0; i < taken; i++) CHECK(loader.next().step == i);
  }
}

TEST_CASE("options out of range are errors") {
  const nad::DecodedClass c = noise_class(3);
  const auto with = [&](auto change) {
    nad::LoaderOptions o = small(3);
    change(o);
    return failure([&] { nad::BatchLoader loader(c, o); }, nad::ErrorKind::usage);
  };
  CHECK(contains(with([](auto& o) { o.batch = 0; }), "batch is 0"));
  CHECK(contains(with([](auto& o) { o.size = -1; }), "size is -1"));
  CHECK(contains(with([](auto& o) { o.workers = -1; }), "workers is -1"));
  CHECK(contains(with([](auto& o) { o.ahead = 0; }), "ahead is 0"));
  CHECK(contains(with([](auto& o) { o.first_step = 4; }), "first_step is 4"));
  CHECK(contains(failure([] { nad::BatchLoader loader(nad::DecodedClass{}, small(1)); }), "no images"));
}

}  // namespace
