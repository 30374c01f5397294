#include "nad/run/profile.h"

#include <algorithm>
#include <map>
#include <ostream>

#include "engine/error.h"
#include "nad/learn/class_batches.h"
#include "nad/report/text.h"
#include "nad/run/others.h"

namespace nad {

std::vector<Learner::Timing> profile(const RunSetup& setup, RunState& state, Progress& progress, int repeats) {
  const auto task =
      std::find_if(setup.classes.begin(), setup.classes.end(), [](const ClassTask& t) { return t.train_images > 0; });
  if (task == setup.classes.end()) throw Error(ErrorKind::data, "none of the classes has training images");
  const DecodedClass images = decode_images_of(setup, *task, "train", progress);
  Learner& learner = *state.learner;
  // Every slot learns the same images: the cost of a step does not depend on what they show.
  const std::shared_ptr<const Others> others = draw_others(setup, state, progress);
  ClassBatches batches(*state.context, learner, images, learning_batches(setup, state, 1, 0), others.get());
  batches.feed(learner, 0);
  const uint64_t key = class_key(setup.options.seed, task->index);
  for (int64_t slot = 0; slot < learner.options().slots; slot++) {
    learner.assign(slot, first_gates(setup.options.objective, setup.defaults, learner.channels(), key), {}, key);
    batches.repeat(learner, slot);
  }
  learner.step();
  std::vector<std::vector<Learner::Timing>> runs;
  for (int i = 0; i < repeats; i++) runs.push_back(learner.timed_step());
  std::vector<Learner::Timing> medians = runs.at(0);
  for (size_t k = 0; k < medians.size(); k++) {
    std::vector<double> seconds;
    for (const auto& run : runs) seconds.push_back(run[k].seconds);
    std::nth_element(seconds.begin(), seconds.begin() + static_cast<int64_t>(seconds.size() / 2), seconds.end());
    medians[k].seconds = seconds[seconds.size() / 2];
  }
  return medians;
}

void write_profile(const std::vector<Learner::Timing>& timings, std::ostream& out) {
  double total = 0;
  std::map<std::string, double> sums;
  for (const Learner::Timing& t : timings) {
    total += t.seconds;
    sums[t.op + (t.backward ? " backward" : "")] += t.seconds;
  }
  const auto share = [&](double seconds) { return 100 * seconds / std::max(total, 1e-12); };
  out << format("%-52s %-20s %10s %7s\n", "kernel", "op", "ms", "%");
  for (const Learner::Timing& t : timings) {
    out << format("%s %-20s %10.3f %7.2f\n", cell(t.name, 52).c_str(),
                  (t.op + (t.backward ? " backward" : "")).c_str(), 1000 * t.seconds, share(t.seconds));
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [op, seconds] : sums) order.emplace_back(seconds, op);
  std::sort(order.rbegin(), order.rend());
  out << "\n" << format("%-30s %10s %7s\n", "per op", "ms", "%");
  for (const auto& [seconds, op] : order) {
    out << format("%-30s %10.3f %7.2f\n", op.c_str(), 1000 * seconds, share(seconds));
  }
  out << format("%-30s %10.3f\n", "step", 1000 * total);
}

}  // namespace nad
