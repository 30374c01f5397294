// How fast a class is learnt where its weights follow a limit of false alarms (docs/METHOD.md section 2a): at full pace at
// first; over the last kSettling of its steps gates are closed no more and the step size falls, so that what was closed
// last is put right and the mask that is kept is no passing one.
#pragma once

#include <algorithm>

#include "nad/learn/learn_options.h"

namespace nad {

struct Pace {
  double lr = 0, beta = 0;  // beta: at most (OperatingPointArgs::full_beta)

  bool operator==(const Pace&) const = default;
};

inline constexpr double kSettling = 0.3, kLeastPace = 0.1;

// step: from 0.
inline Pace pace_at(const LearnOptions& options, int64_t step, int64_t steps) {
  const double left = static_cast<double>(steps - step) / static_cast<double>(steps);
  if (left > kSettling) return {options.lr, options.beta};
  return {options.lr * std::max(kLeastPace, left / kSettling), 0};
}

}  // namespace nad
