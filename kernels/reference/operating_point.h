// The weights of `specific` follow what the class has come to; the formulas are those of OperatingPointArgs
// (kernels/learning_ops.h).
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/learning_ops.h"

namespace nad::reference {

inline void operating_point(const OperatingPointArgs& a) {
  for (int64_t g = 0; g < a.groups.count; ++g) {
    float &beta = a.hyper[3 * g + 1], &lambda = a.hyper[3 * g + 2];
    a.weights[2 * g] = static_cast<double>(beta);
    a.weights[2 * g + 1] = static_cast<double>(lambda);
    if (!a.apply[g] || !(a.max_false_alarms > 0)) continue;
    const int32_t others = a.groups.others[g], before = others - a.apart_count[g];
    const double alarms = others > 0 ? static_cast<double>(a.others_answered[g] - before) / others : 0;
    const double gain = static_cast<double>(a.own_answered[g] - a.correct_count[g]) / a.groups.valid[g];
    const double wrong = static_cast<double>(a.groups.valid[g] - a.correct_count[g]) / a.groups.valid[g];
    const double surplus = gain - std::min(kDemand * wrong, kMostDemand);
    double *mean_alarms = a.means + 2 * g, *mean_surplus = mean_alarms + 1;
    *mean_alarms = kMeanDecay * *mean_alarms + (1 - kMeanDecay) * alarms;
    *mean_surplus = kMeanDecay * *mean_surplus + (1 - kMeanDecay) * surplus;
    const double ascent = std::exp(kLambdaRate * (*mean_alarms - a.max_false_alarms));
    lambda = static_cast<float>(std::clamp(static_cast<double>(lambda) * ascent, 1.0, kMaxLambda));
    beta = static_cast<float>(static_cast<double>(a.full_beta[g]) * std::clamp(1 + *mean_surplus / kSlack, 0.0, 1.0));
  }
}

}  // namespace nad::reference
