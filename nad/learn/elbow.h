// The elbow of a trade-off curve: where a little less of one loss begins to cost much of the other.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace nad {

struct Elbow {
  std::optional<size_t> point;  // empty where the curve has none, then `why` says so in a few words
  // [points] from the chord, in units of the normalised curve;
  // above 0 towards smaller losses. Empty where there is no chord.
  std::vector<double> distance;
  std::string why;
};

// reconstruction, regularisation: [points], the two losses in the order of a growing beta.
// Both are normalised to [0, 1]; the elbow is the point farthest from the chord between the
// curve's ends. Only points on the side of smaller losses count: exact minimisers of
// reconstruction + beta * regularisation all lie there, on the other side there is only noise.
Elbow find_elbow(const std::vector<double>& reconstruction, const std::vector<double>& regularisation);

// The mean over the last tenth of the values (at least one), those that are NaN left out. NaN where none is left.
double mean_of_last_tenth(const std::vector<double>& values);

// beta * 2^-4, 2^-3, ..., 2^4.
std::vector<double> default_beta_grid(double beta);

}  // namespace nad
