// The command line of nad_run: every flag read, checked and given its default. What needs the weights file (beta of
// the architecture, which classes there are) is resolved in nad/run/run_setup.h.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "kernels/learning_ops.h"
#include "nad/images/half_source.h"
#include "nad/run/device_options.h"
#include "nad/run/image_options.h"
#include "nad/run/negative_classes.h"

namespace nad {

// --steps auto, the default: kAutoEpochs passes over a class's images, and at least kAutoSteps steps, because a class
// with few images is far from settled after the passes alone (docs/METHOD.md section 3).
inline constexpr int64_t kAutoEpochs = 20, kAutoSteps = 400;
// --negatives auto, the default: so many images of other classes, or as many as fit.
inline constexpr int64_t kAutoNegatives = 2000, kAutoNegativeBytes = int64_t{512} << 20;

struct RunOptions : DeviceOptions, ImageOptions {
  std::string weights;          // path of the weights file
  std::string arch;             // must agree with the weights file; empty = the file decides
  std::string classes = "all";  // as given: indices, ranges, ids
  Objective objective = Objective::released;
  std::optional<double> beta;     // absent = the architecture's
  bool beta_auto = false;         // find beta before learning (nad/run/beta_search.h)
  std::vector<double> beta_grid;  // growing; empty = default_beta_grid() of the architecture's
  std::optional<double> lr;       // absent = the objective's
  // Objective `specific` alone.
  SpecificTarget target = SpecificTarget::named_class;
  std::optional<double> lambda;            // absent = the objective's, moved by the limit
  std::optional<double> max_false_alarms;  // a share; absent = the objective's
  int64_t negatives = 0;                   // images of other classes that are kept; 0 = auto
  NegativeClasses negative_classes = NegativeClasses::all;
  std::optional<int64_t> epochs, steps;  // at most one; neither: kAutoEpochs, but at least kAutoSteps
  int64_t batch = 16;
  uint64_t seed = 233;
  std::optional<uint64_t> order_seed;      // of the order of batches and their augmentation; absent = seed
  std::optional<uint64_t> shuffle_labels;  // seed of the deal of training images to classes; absent: as they are
  bool whole_batch = false;                // K; random weights and shuffled labels take it so in any case
  Half half = Half::all;                   // of every class's training images
  int64_t classes_per_step = 0;            // 0 = auto
  std::string out;                         // empty = <arch>_results.h5
  bool analyse = false;                    // everything that nad_analyse makes, at the end
  bool resume = false, dry_run = false, json = false, eval = true, profile = false, quiet = false;
  int64_t log_every = 0;         // steps between progress lines; 0 = ten lines per class
  double checkpoint_every = 60;  // seconds; 0 = after every step

  bool auto_length() const { return !epochs && !steps; }
  uint64_t order() const { return order_seed.value_or(seed); }
};

// Empty where the program is done: --help or --version was asked for and written to `out`.
// Throws Error(usage): an unknown flag, a value that is not one of
// the known ones or out of range, flags that exclude each other.
std::optional<RunOptions> parse_run_options(int argc, const char* const* argv, std::ostream& out);

}  // namespace nad
