#include "nad/store/results.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <type_traits>

namespace nad {

std::string RunSettings::control() const {
  std::string text = random_weights ? "random weights" : "";
  if (shuffled_labels) text += (text.empty() ? "" : ", ") + std::string("shuffled labels");
  return text;
}

std::string first_difference(const RunSettings& there, const RunSettings& here) {
  std::string found;
  const auto compare = [&](const char* name, const auto& a, const auto& b) {
    if (a == b || !found.empty()) return;
    const auto text = [](const auto& value) {
      if constexpr (std::is_convertible_v<decltype(value), std::string>) {
        return std::string(value);
      } else {
        char number[32];
        std::snprintf(number, sizeof number, "%.10g", static_cast<double>(value));
        if (std::isnan(static_cast<double>(value))) return std::string("still searched for");
        return std::string(number);
      }
    };
    found = std::string(name) + " is " + text(a) + " there and " + text(b) + " here";
  };
  compare("arch", there.arch, here.arch);
  compare("the hash of the weights file", there.weights_hash, here.weights_hash);
  compare("objective", there.objective, here.objective);
  if (!std::isnan(there.beta) || !std::isnan(here.beta)) compare("beta", there.beta, here.beta);
  compare("lr", there.lr, here.lr);
  compare("steps", there.steps, here.steps);
  if (here.steps == 0) {
    compare("epochs", there.epochs, here.epochs);
    compare("the least number of steps", there.least_steps, here.least_steps);
  }
  compare("batch", there.batch, here.batch);
  compare("seed", std::to_string(there.seed), std::to_string(here.seed));
  compare("the seed of the order", std::to_string(there.order_seed), std::to_string(here.order_seed));
  compare("half", there.half, here.half);
  const auto seed = [](const std::optional<uint64_t>& s) { return s ? std::to_string(*s) : "none"; };
  compare("the seed of shuffled labels", seed(there.shuffled_labels), seed(here.shuffled_labels));
  compare("whole batch", there.whole_batch, here.whole_batch);
  if (here.shows_others()) {
    compare("the specific target", there.specific_target, here.specific_target);
    compare("lambda", there.lambda, here.lambda);
    compare("the limit of false alarms", there.max_false_alarms, here.max_false_alarms);
    compare("negatives", there.negatives, here.negatives);
    compare("the classes of negatives", there.negative_classes, here.negative_classes);
  }
  compare("precision", there.precision, here.precision);
  compare("device", there.device, here.device);
  compare("conv", there.conv, here.conv);
  return found;
}

double ClassResult::last_loss() const {
  const auto last = std::find_if(history.rbegin(), history.rend(), [](const StepRecord& s) { return !s.skipped; });
  return last == history.rend() ? kNone : last->total;
}

double ClassResult::kept_percent() const {
  int64_t kept = 0, all = 0;
  for (const std::vector<float>& gate : logits) {
    kept += std::count_if(gate.begin(), gate.end(), in_mask);
    all += static_cast<int64_t>(gate.size());
  }
  return all ? 100.0 * static_cast<double>(kept) / static_cast<double>(all) : kNone;
}

}  // namespace nad
