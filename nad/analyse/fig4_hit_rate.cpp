// Fig. 4, row 2: does a sub-architecture look where its class is? Composites of four classes, beside sub-architectures
// of classes that are not in them (swap) and beside random masks (docs/METHOD.md, sections 5.3 and 5a.7).
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "nad/analyse/activated_maps.h"
#include "nad/analyse/analysis.h"
#include "nad/analyse/composites.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/hit_rate.h"
#include "nad/analyse/mask_trials.h"

namespace nad {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kRandomDraws = 4;  // a class's composites take them in turn
constexpr int64_t kBootstrapDraws = 2000;
enum Kind : int64_t { kOwn, kRandom, kSwap };  // copy 4 * kind + quadrant of a composite

// rates(t, g, copy): of composite t at gate g; NaN for a map that points nowhere.
struct Rates {
  int64_t composites = 0, gates = 0, copies = 0;
  std::vector<double> values;

  double& at(int64_t t, int64_t g, int64_t copy) { return values[(t * gates + g) * copies + copy]; }
  // Of one kind in one composite: the mean over quadrants, NaN where all are NaN.
  double mean(int64_t t, int64_t g, Kind kind) {
    std::vector<double> found;
    for (int64_t q = 0; q < 4; ++q) found.push_back(at(t, g, 4 * kind + q));
    return mean_of(found);
  }
};

GateVectors mask_of(const Study& study, const Composite& c, int64_t number, int64_t copy) {
  const int64_t q = copy % 4, kind = copy / 4, index = kind == kSwap ? c.swaps[q] : c.classes[q];
  const GateVectors mask = binary_mask(study.subject.of(index).logits);
  if (kind != kRandom) return mask;
  return random_mask(mask, random_mask_key(study.settings.seed + 2, index, number % kRandomDraws));
}

// Hit rates of the composites of one pass, the first of which is number `first`.
void score(GatedForward& forward, int64_t first, int64_t count, Rates& rates) {
  const int64_t size = forward.input_size();
  for (int64_t g = 0; g < rates.gates; ++g) {
    for (int64_t copy = 0; copy < rates.copies; ++copy) {
      visit_activated(forward, g, copy, count, [&](int64_t n, const std::vector<uint8_t>& mask) {
        rates.at(first + n, g, copy) = hit_rate(mask, size, size, static_cast<int>(copy % 4));
      });
    }
  }
}

Rates run_composites(const Study& study, std::vector<Composite>& composites, int64_t copies) {
  const Laboratory& lab = *study.laboratory;
  const int64_t total = static_cast<int64_t>(composites.size()), size = lab.parts().input_size;
  const int64_t in_pass = std::max<int64_t>(1, lab.parts().samples / copies), pixels = 3 * size * size;
  const auto forward = lab.forward(in_pass, copies, 1 + in_pass * copies);
  std::vector<int32_t> rows(static_cast<size_t>(in_pass * copies));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(1 + i);
  forward->use_rows(rows);
  Rates rates{total, static_cast<int64_t>(forward->channels().size()), copies, {}};
  rates.values.assign(static_cast<size_t>(total * rates.gates * copies), kNone);
  std::vector<float> images(static_cast<size_t>(in_pass * pixels));
  for (int64_t first = 0; first < total; first += in_pass) {
    study.progress(static_cast<double>(first) / static_cast<double>(total));
    const int64_t count = std::min(in_pass, total - first);
    for (int64_t n = 0; n < count; ++n) {
      composite_pixels(lab, composites[first + n], images.data() + n * pixels);
      for (int64_t copy = 0; copy < copies; ++copy) {
        forward->set_row(1 + copy * in_pass + n, mask_of(study, composites[first + n], first + n, copy));
      }
    }
    forward->run(images.data(), count);
    score(*forward, first, count, rates);
  }
  return rates;
}

struct Layer {
  double own = 0, deviation = 0, random = 0, swap = 0, difference = 0;
  Interval own_interval, difference_interval;
  int64_t maps = 0, without = 0;    // own maps that point somewhere, that do not
  std::vector<double> differences;  // [composites], own - swap
};

Layer summarise(Rates& rates, int64_t g, uint64_t key) {
  Layer layer;
  std::vector<double> all, of_composite, random, swap;
  for (int64_t t = 0; t < rates.composites; ++t) {
    for (int64_t q = 0; q < 4; ++q) all.push_back(rates.at(t, g, q));
    of_composite.push_back(rates.mean(t, g, kOwn));
    random.push_back(rates.mean(t, g, kRandom));
    swap.push_back(rates.copies > 4 * kSwap ? rates.mean(t, g, kSwap) : kNone);
    layer.differences.push_back(of_composite.back() - swap.back());
  }
  const std::vector<double> found = present(all);
  layer.maps = static_cast<int64_t>(found.size());
  layer.without = static_cast<int64_t>(all.size()) - layer.maps;
  layer.own = mean_of(found);
  double squares = 0;
  for (const double rate : found) squares += (rate - layer.own) * (rate - layer.own);
  layer.deviation = layer.maps > 0 ? std::sqrt(squares / static_cast<double>(layer.maps)) : kNone;
  layer.random = mean_of(random);
  layer.swap = mean_of(swap);
  layer.difference = mean_of(layer.differences);
  layer.own_interval = bootstrap_mean(present(of_composite), random_key(key, 0), kBootstrapDraws);
  layer.difference_interval = bootstrap_mean(present(layer.differences), random_key(key, 1), kBootstrapDraws);
  return layer;
}

// Of each class the mean over its quadrants and gates of own - swap; NaN where there is none. A sub-architecture meets its
// class in many composites: they are no independent witnesses, the classes are.
std::vector<double> class_differences(const std::vector<int64_t>& classes, const std::vector<Composite>& composites,
                                      Rates& rates) {
  std::map<int64_t, std::vector<double>> found;
  for (int64_t t = 0; t < rates.composites && rates.copies > 4 * kSwap; ++t) {
    for (int64_t q = 0; q < 4; ++q) {
      for (int64_t g = 0; g < rates.gates; ++g) {
        found[composites[t].classes[q]].push_back(rates.at(t, g, q) - rates.at(t, g, 4 * kSwap + q));
      }
    }
  }
  std::vector<double> differences;
  for (const int64_t c : classes) differences.push_back(mean_of(found[c]));
  return differences;
}

// What another implementation needs to look at the same composites.
void add_composites(Findings& f, const std::vector<Composite>& composites, Rates& rates) {
  const auto total = static_cast<int64_t>(composites.size());
  Array classes{{total, 4}, {}}, images{{total, 4}, {}}, swaps{{total, 4}, {}};
  for (const Composite& c : composites) {
    classes.values.insert(classes.values.end(), c.classes.begin(), c.classes.end());
    images.values.insert(images.values.end(), c.images.begin(), c.images.end());
    swaps.values.insert(swaps.values.end(), c.swaps.begin(), c.swaps.end());
  }
  f.arrays["composite_classes"] = classes;
  f.arrays["composite_images"] = images;
  f.arrays["composite_swaps"] = swaps;
  f.arrays["rates"] = {{total, rates.gates, rates.copies}, rates.values};
}

std::string summary(const Findings& f, const std::vector<double>& own, int64_t composites) {
  const auto best =
      std::max_element(own.begin(), own.end(), [](double a, double b) { return a < b || std::isnan(a); });
  const bool swaps = !std::isnan(f.number("mean_swap"));
  std::string text = text_of("hit rate %.4f, ", f.number("mean_hit_rate"));
  if (swaps) text += text_of("swap %.4f, ", f.number("mean_swap"));
  text += text_of("random masks %.4f, original 0.25 (means of %zu layers); ", f.number("mean_random"), own.size());
  if (swaps) {
    text += text_of("own - swap %.4f [%.4f, %.4f], p %.4f; ", f.number("mean_difference"),
                    f.number("mean_difference_low"), f.number("mean_difference_high"), f.number("p"));
  }
  return text + text_of("highest %.4f at gate %lld (%lld composites)", *best,
                        static_cast<long long>(best - own.begin()), static_cast<long long>(composites));
}

void add_layers(Findings& f, const Study& study, Rates& rates, const std::vector<double>& of_classes) {
  const uint64_t key = analysis_key(study.settings.seed, "fig4_hit_rate");
  std::vector<int64_t> gate, maps, without;
  std::vector<double> own, low, high, deviation, random, swap, difference, difference_low, difference_high;
  std::vector<std::vector<double>> by_composite(static_cast<size_t>(rates.composites));
  for (int64_t g = 0; g < rates.gates; ++g) {
    const Layer layer = summarise(rates, g, random_key(key, static_cast<uint64_t>(g)));
    gate.push_back(g);
    own.push_back(layer.own);
    low.push_back(layer.own_interval.low);
    high.push_back(layer.own_interval.high);
    deviation.push_back(layer.deviation);
    maps.push_back(layer.maps);
    without.push_back(layer.without);
    random.push_back(layer.random);
    swap.push_back(layer.swap);
    difference.push_back(layer.difference);
    difference_low.push_back(layer.difference_interval.low);
    difference_high.push_back(layer.difference_interval.high);
    for (int64_t t = 0; t < rates.composites; ++t) by_composite[t].push_back(layer.differences[t]);
  }
  f.table = {{"gate", gate},
             {"layer", study.subject.results().gate_names},
             {"hit_rate", own},
             {"hit_rate_low", low},
             {"hit_rate_high", high},
             {"standard_deviation", deviation},
             {"maps", maps},
             {"maps_of_one_value", without},
             {"original", std::vector<double>(own.size(), 0.25)},
             {"random", random},
             {"swap", swap},
             {"difference", difference},
             {"difference_low", difference_low},
             {"difference_high", difference_high}};
  std::vector<double> differences;
  for (const std::vector<double>& of : by_composite) differences.push_back(mean_of(of));
  const uint64_t all = random_key(key, hash_name("all"));
  f.facts["mean_hit_rate"] = mean_of(own);
  f.facts["mean_swap"] = mean_of(swap);
  f.facts["mean_random"] = mean_of(random);
  put(f, "mean_difference", mean_of(differences), bootstrap_mean(present(differences), all, kBootstrapDraws));
  f.facts["p"] = sign_flip_p_value(present(of_classes), random_key(all, 1));
  f.arrays["class_differences"] = {{static_cast<int64_t>(of_classes.size())}, of_classes};
  f.summary = summary(f, own, rates.composites);
}

Findings make(const Study& study) {
  const std::vector<int64_t> tested = classes_with_images(study);
  Findings f;
  f.facts["classes"] = static_cast<int64_t>(tested.size());
  if (tested.size() < 4) {
    f.missing = "four classes with val images";
    return f;
  }
  std::vector<int64_t> counts;
  for (const int64_t c : tested) counts.push_back(study.laboratory->image_count(c));
  const uint64_t key = analysis_key(study.settings.seed, "composites");
  std::vector<Composite> composites;
  for (int64_t t = 0; t < study.settings.composites; ++t) {
    composites.push_back(draw_composite(tested, counts, key, t));
  }
  const bool swaps = tested.size() > 4;
  Rates rates = run_composites(study, composites, swaps ? 12 : 8);
  add_layers(f, study, rates, class_differences(tested, composites, rates));
  f.arrays["classes"] = {{static_cast<int64_t>(tested.size())}, {tested.begin(), tested.end()}};
  add_composites(f, composites, rates);
  f.facts["composites"] = study.settings.composites;
  f.facts["random_draws"] = kRandomDraws;
  f.facts["bootstrap_draws"] = kBootstrapDraws;
  if (!swaps) f.missing = "the swap and its test: a fifth class, one that is not in the picture of the four";
  return f;
}

}  // namespace

const Analysis kFig4HitRate = {.name = "fig4_hit_rate",
                               .about = "where sub-architectures look in composites of four classes (Fig. 4, row 2)",
                               .network = true,
                               .classes = 4,
                               .settings = [](const AnalysisSettings& s) { return std::to_string(s.composites); },
                               .make = make};

}  // namespace nad
