#include "nad/analyse/findings_text.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace nad {

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  int64_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> present(const std::vector<double>& values) {
  std::vector<double> found;
  std::copy_if(values.begin(), values.end(), std::back_inserter(found), [](double v) { return !std::isnan(v); });
  return found;
}

}  // namespace nad
