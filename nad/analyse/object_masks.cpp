// Does a sub-architecture look at the object? Own images of a class whose objects are known to the pixel, through its
// sub-architecture, beside the original network and the sub-architecture of another class (docs/METHOD.md, section 5a.7).
#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "engine/error.h"
#include "nad/analyse/activated_maps.h"
#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/mask_trials.h"
#include "nad/gates/batch_rows.h"

namespace nad {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kMostImages = 50;  // of a class, where the settings do not say
constexpr int32_t kOwnRow = 1;       // of the gates; behind it one a swap
// What is looked at: the class's sub-architecture, the original network, another class's sub-architecture (copies of an
// image in a pass), and the first of them once more, scored on the object of the class's next image.
enum Kind : int64_t { kOwn, kOriginal, kSwap, kOtherMask, kKinds };

int64_t images_at_most(const AnalysisSettings& s) {
  return s.images_per_class > 0 ? s.images_per_class : kMostImages;
}

// What was measured, image after image.
struct Shares {
  std::vector<Shape> maps;                       // [gates], of a sample, before the resize
  std::vector<int64_t> class_of, place, swap;    // [images]; place: among its class's val images; swap: a class or -1
  std::vector<double> object;                    // [images], the object's share of the image
  std::vector<double> inside;                    // [images, gates, kKinds], NaN for a map that points nowhere
  int64_t without_mask = 0, without_object = 0;  // images that were left out

  int64_t images() const { return static_cast<int64_t>(place.size()); }
  int64_t gates() const { return static_cast<int64_t>(maps.size()); }
  double& at(int64_t image, int64_t gate, int64_t kind) { return inside[(image * gates() + gate) * kKinds + kind]; }
  std::vector<double> of(int64_t gate, int64_t kind) const {  // [images]
    std::vector<double> values;
    for (int64_t i = 0; i < images(); ++i) values.push_back(inside[(i * gates() + gate) * kKinds + kind]);
    return values;
  }
};

// Of one class the images that have a mask with something in it, as the network sees both.
struct Objects {
  std::vector<float> pixels;                  // [n, S, S, 3], normalised
  std::vector<std::vector<uint8_t>> regions;  // [n][S, S]
};

Image read_mask(const std::string& path, const Image& image) {
  Image mask = decode_image(read_image_file(path));
  if (mask.width == image.width && mask.height == image.height) return mask;
  throw Error(ErrorKind::data, text_of("%s has %d x %d pixels, its image %d x %d", path.c_str(), mask.width,
                                       mask.height, image.width, image.height));
}

// Adds them to `shares` too, what was measured being NaN.
Objects take_images(const Study& study, int64_t class_index, Shares& shares) {
  const LaboratoryParts& parts = study.laboratory->parts();
  const auto size = static_cast<int>(parts.input_size);
  const auto masks = parts.masks->of_class(parts.val_class[class_index]);
  const ImagePool pool = study.laboratory->decoded_images_of(class_index, images_at_most(study.settings));
  Preprocessor preprocessor(size, parts.preprocessing);
  Objects objects;
  for (size_t i = 0; i < pool.images.size(); ++i) {
    const auto path = masks.find(image_stem(pool.names[i]));
    std::vector<uint8_t> region;
    try {
      if (path != masks.end())
        region = evaluated_mask(read_mask(path->second, pool.images[i]), size, parts.preprocessing);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      if (parts.report) parts.report(e.what());
    }
    const auto pixels = std::count(region.begin(), region.end(), 1);
    shares.without_mask += region.empty();
    shares.without_object += !region.empty() && pixels == 0;
    if (pixels == 0) continue;
    shares.class_of.push_back(class_index);
    shares.place.push_back(pool.places[i]);
    shares.swap.push_back(-1);
    shares.object.push_back(static_cast<double>(pixels) / static_cast<double>(region.size()));
    const size_t at = objects.pixels.size();
    objects.pixels.resize(at + 3 * region.size());
    preprocessor.evaluate(pool.images[i], objects.pixels.data() + at);
    objects.regions.push_back(std::move(region));
  }
  shares.inside.resize(static_cast<size_t>(shares.images() * shares.gates() * kKinds), kNone);
  return objects;
}

// For each image from `first` on a class with a sub-architecture that is not its own.
void draw_swaps(const Study& study, int64_t first, Shares& shares) {
  const std::vector<int64_t>& classes = study.subject.classes;
  const uint64_t key = analysis_key(study.settings.seed, "object_masks swaps");
  for (int64_t i = first; i < shares.images(); ++i) {
    const int64_t own = shares.class_of[i];
    const auto at = std::lower_bound(classes.begin(), classes.end(), own) - classes.begin();
    const int64_t drawn = index_below(random_key(key, static_cast<uint64_t>(own)),
                                      static_cast<uint64_t>(shares.place[i]), study.subject.count() - 1);
    shares.swap[i] = classes[drawn + (drawn >= at)];
  }
}

// The images of one class, the first of which is number `first` of all.
void measure(const Study& study, GatedForward& forward, const Objects& objects, int64_t first, Shares& shares,
             const std::function<void(double)>& progress) {
  const int64_t in_pass = forward.options().images, total = shares.images() - first;
  const int64_t pixels = 3 * forward.input_size() * forward.input_size();
  const auto mask_of = [&](int64_t index) { return binary_mask(study.subject.of(index).logits); };
  if (total > 0) forward.set_row(kOwnRow, mask_of(shares.class_of[first]));
  for (int64_t begin = 0; begin < total; begin += in_pass) {
    progress(static_cast<double>(begin) / static_cast<double>(total));
    const int64_t count = std::min(in_pass, total - begin);
    for (int64_t n = 0; n < count && kSwap < forward.options().copies; ++n) {
      forward.set_row(kOwnRow + 1 + n, mask_of(shares.swap[first + begin + n]));
    }
    forward.run(objects.pixels.data() + begin * pixels, count);
    for (int64_t gate = 0; gate < shares.gates(); ++gate) {
      for (int64_t copy = 0; copy < forward.options().copies; ++copy) {
        visit_activated(forward, gate, copy, count, [&](int64_t n, const std::vector<uint8_t>& mask) {
          const int64_t image = first + begin + n;
          shares.at(image, gate, copy) = share_inside(mask, objects.regions[begin + n]);
          if (copy != kOwn || total < 2) return;
          shares.at(image, gate, kOtherMask) = share_inside(mask, objects.regions[(begin + n + 1) % total]);
        });
      }
    }
  }
}

// The row of each sample: the own mask, the original network, a row for each image's swap.
std::vector<int32_t> rows_of_pass(int64_t images, int64_t copies) {
  std::vector<int32_t> rows(static_cast<size_t>(images * copies), kOwnRow);
  for (int64_t n = 0; n < images; ++n) {
    rows[kOriginal * images + n] = kOriginalRow;
    if (kSwap < copies) rows[kSwap * images + n] = static_cast<int32_t>(kOwnRow + 1 + n);
  }
  return rows;
}

Shares measure_all(const Study& study) {
  const Subject& s = study.subject;
  const int64_t copies = s.count() > 1 ? 3 : 2;
  const int64_t in_pass = std::max<int64_t>(1, study.laboratory->parts().samples / copies);
  const auto forward = study.laboratory->forward(in_pass, copies, 2 + in_pass);
  forward->use_rows(rows_of_pass(in_pass, copies));
  Shares shares;
  for (const Plan::GateMemory& gate : forward->plan().gates()) shares.maps.push_back(gate.value.shape);
  for (int64_t c = 0; c < s.count(); ++c) {
    if (!study.laboratory->has_images(s.classes[c])) continue;
    const int64_t first = shares.images();
    const Objects objects = take_images(study, s.classes[c], shares);
    if (copies > kSwap) draw_swaps(study, first, shares);
    measure(study, *forward, objects, first, shares, part_progress(study, c, s.count()));
  }
  return shares;
}

// A mean over images with its interval over classes.
struct Estimate {
  double mean = 0;
  Interval interval;
};

struct Layer {
  Estimate own, difference;  // difference: own - swap
  double original = 0, swap = 0, other_mask = 0;
  int64_t maps = 0;                 // own maps that point somewhere
  std::vector<double> differences;  // [images]
};

Estimate estimate(const Shares& shares, const std::vector<double>& values, uint64_t key) {
  return {mean_of(values), bootstrap_mean_of_groups(values, shares.class_of, key)};
}

Layer summarise(const Shares& shares, int64_t gate, uint64_t key) {
  Layer layer;
  const std::vector<double> own = shares.of(gate, kOwn), swap = shares.of(gate, kSwap);
  std::transform(own.begin(), own.end(), swap.begin(), std::back_inserter(layer.differences), std::minus<>());
  layer.own = estimate(shares, own, random_key(key, 0));
  layer.original = mean_of(shares.of(gate, kOriginal));
  layer.swap = mean_of(swap);
  layer.other_mask = mean_of(shares.of(gate, kOtherMask));
  layer.difference = estimate(shares, layer.differences, random_key(key, 1));
  layer.maps = static_cast<int64_t>(present(own).size());
  return layer;
}

std::string map_text(const Shape& map) { return std::to_string(map.h) + " x " + std::to_string(map.w); }

void add_table(Findings& f, const Study& study, const Shares& shares, const std::vector<Layer>& layers) {
  std::vector<int64_t> gate, maps, without;
  std::vector<std::string> map;
  std::vector<double> own, low, high, original, swap, other_mask, difference, difference_low, difference_high;
  for (const Layer& layer : layers) {
    map.push_back(map_text(shares.maps[gate.size()]));
    gate.push_back(static_cast<int64_t>(gate.size()));
    own.push_back(layer.own.mean);
    low.push_back(layer.own.interval.low);
    high.push_back(layer.own.interval.high);
    maps.push_back(layer.maps);
    without.push_back(shares.images() - layer.maps);
    original.push_back(layer.original);
    swap.push_back(layer.swap);
    other_mask.push_back(layer.other_mask);
    difference.push_back(layer.difference.mean);
    difference_low.push_back(layer.difference.interval.low);
    difference_high.push_back(layer.difference.interval.high);
  }
  f.table = {{"gate", gate},
             {"layer", study.subject.results().gate_names},
             {"map", map},
             {"inside", own},
             {"inside_low", low},
             {"inside_high", high},
             {"maps", maps},
             {"maps_of_one_value", without},
             {"mask_share", std::vector<double>(gate.size(), mean_of(shares.object))},
             {"original", original},
             {"swap", swap},
             {"other_mask", other_mask},
             {"difference", difference},
             {"difference_low", difference_low},
             {"difference_high", difference_high}};
}

// What another implementation needs to look at the same images.
void add_arrays(Findings& f, const Shares& shares) {
  const int64_t images = shares.images();
  const auto whole = [&](const std::vector<int64_t>& of) { return Array{{images}, {of.begin(), of.end()}}; };
  f.arrays["image_class"] = whole(shares.class_of);
  f.arrays["image_place"] = whole(shares.place);
  f.arrays["image_swap"] = whole(shares.swap);
  f.arrays["image_mask_share"] = {{images}, shares.object};
  f.arrays["shares"] = {{images, shares.gates(), kKinds}, shares.inside};
}

// The layer under a name: last_inside, last_original, ...
void put_layer(Findings& f, const Shares& shares, const std::string& layer_name, const std::string& name, int64_t at,
               const Layer& layer) {
  f.facts[name + "_gate"] = at;
  f.facts[name + "_layer"] = layer_name;
  f.facts[name + "_map"] = map_text(shares.maps[at]);
  put(f, name + "_inside", layer.own.mean, layer.own.interval);
  f.facts[name + "_original"] = layer.original;
  f.facts[name + "_swap"] = layer.swap;
  f.facts[name + "_other_mask"] = layer.other_mask;
}

// Own - swap of all gates together, and whether it might as well be the other way round: an image counts with the mean of
// its gates, a class, whose images share two masks, with the mean of its images.
void put_difference(Findings& f, const Shares& shares, const std::vector<Layer>& layers, uint64_t key) {
  std::vector<double> of_image, of_class, group;
  for (int64_t i = 0; i < shares.images(); ++i) {
    std::vector<double> gates;
    for (const Layer& layer : layers) gates.push_back(layer.differences[i]);
    of_image.push_back(mean_of(gates));
    group.push_back(of_image.back());
    if (i + 1 < shares.images() && shares.class_of[i + 1] == shares.class_of[i]) continue;
    of_class.push_back(mean_of(group));
    group.clear();
  }
  const Estimate all = estimate(shares, of_image, key);
  put(f, "mean_difference", all.mean, all.interval);
  f.facts["p"] = sign_flip_p_value(present(of_class), random_key(key, 1));
}

// The last gate whose maps can tell places apart, and the one with the largest share; gate 0 where no map points
// anywhere. A map of 2 x 2 cells has its top 5 % in a corner, whatever it shows: resized, the cell of the largest value has
// 1/16 of all pixels at the corner at that value.
std::pair<int64_t, int64_t> last_and_best(const Shares& shares, const std::vector<Layer>& layers) {
  int64_t last = 0, best = 0;
  for (int64_t g = 0; g < shares.gates(); ++g) {
    if (layers[g].maps == 0) continue;
    if (layers[best].maps == 0 || layers[g].own.mean > layers[best].own.mean) best = g;
    if (layers[last].maps == 0 || shares.maps[g].h > 2 || shares.maps[g].w > 2) last = g;
  }
  return {last, best};
}

std::string layer_text(const Findings& f, const std::string& name) {
  const auto word = [&](const char* what) { return std::get<std::string>(f.facts.at(name + what)); };
  const auto fact = [&](const char* what) { return f.number(name + what); };
  const std::string swap = std::isnan(fact("_swap")) ? "" : text_of(", another class's %.4f", fact("_swap"));
  const std::string other =
      std::isnan(fact("_other_mask")) ? "" : text_of(", on another image's object %.4f", fact("_other_mask"));
  return text_of("%s (%s) %.4f (original %.4f", word("_layer").c_str(), word("_map").c_str(), fact("_inside"),
                 fact("_original")) +
         swap + other + ")";
}

std::string summary(const Findings& f, const Shares& shares) {
  std::string text = "on the object: late, at " + layer_text(f, "last") + "; most at " + layer_text(f, "best") +
                     text_of("; the object's share of the image is %.4f", f.number("mask_share"));
  if (!std::isnan(f.number("mean_difference"))) text += text_of("; own - swap %.4f", f.number("mean_difference"));
  if (!std::isnan(f.number("mean_difference_low"))) {  // of several classes
    text += text_of(" [%.4f, %.4f], p %.4f", f.number("mean_difference_low"), f.number("mean_difference_high"),
                    f.number("p"));
  }
  text += text_of(" (%lld images", static_cast<long long>(shares.images()));
  if (shares.without_mask > 0) text += text_of("; %lld without a mask", static_cast<long long>(shares.without_mask));
  if (shares.without_object > 0) {
    text += text_of("; %lld whose object the network does not see", static_cast<long long>(shares.without_object));
  }
  return text + ")";
}

Findings make(const Study& study) {
  const Shares shares = measure_all(study);
  const auto classes = std::set<int64_t>(shares.class_of.begin(), shares.class_of.end()).size();
  if (classes == 0) {
    const std::string name = study.laboratory->parts().val_class[study.laboratory->image_classes().front()];
    throw Error(ErrorKind::data, "no val image has a mask of an object, as in " +
                                     study.laboratory->parts().masks->where(name) + "/<image>.png");
  }
  const uint64_t key = analysis_key(study.settings.seed, "object_masks");
  std::vector<Layer> layers;
  for (int64_t g = 0; g < shares.gates(); ++g) {
    layers.push_back(summarise(shares, g, random_key(key, static_cast<uint64_t>(g))));
  }
  const auto [last, best] = last_and_best(shares, layers);
  Findings f;
  add_table(f, study, shares, layers);
  add_arrays(f, shares);
  const uint64_t all = random_key(key, hash_name("all"));
  f.facts["classes"] = static_cast<int64_t>(classes);
  f.facts["images"] = shares.images();
  f.facts["images_per_class_at_most"] = images_at_most(study.settings);
  f.facts["images_without_mask"] = shares.without_mask;
  f.facts["images_without_object"] = shares.without_object;
  const Estimate object = estimate(shares, shares.object, random_key(all, 2));
  put(f, "mask_share", object.mean, object.interval);
  const std::vector<std::string>& names = study.subject.results().gate_names;
  put_layer(f, shares, names[last], "last", last, layers[last]);
  put_layer(f, shares, names[best], "best", best, layers[best]);
  put_difference(f, shares, layers, all);
  f.summary = summary(f, shares);
  if (study.subject.count() < 2) f.missing = "the swap: a second class with a sub-architecture";
  return f;
}

}  // namespace

const Analysis kObjectMasks = {
    .name = "object_masks",
    .about = "do sub-architectures look at the object? masks of the objects in the val images tell (5a.7)",
    .network = true,
    .masks = true,
    .settings = [](const AnalysisSettings& s) { return std::to_string(images_at_most(s)); },
    .make = make};

}  // namespace nad
