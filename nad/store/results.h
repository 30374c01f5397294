// What a run found out, and the HDF5 file that keeps it (weights/FORMAT.md, "Results"). The file always holds the
// finished classes and the classes in progress as of the last save, so that a run can go on with it.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nad/gates/adam.h"
#include "nad/gates/gate_vectors.h"

namespace nad {

// Resolved values. A class's bytes depend on those above the line, which a resumed run must share.
struct RunSettings {
  std::string arch, weights_hash, objective, precision, device;
  std::string conv = "handwritten";  // whose kernels a CUDA device used (kernels/backends.h)
  double beta = 0, lr = 0;           // beta is NaN while --beta auto searches for it
  int64_t epochs = 0, steps = 0;     // passes over a class's images; steps is 0 where epochs count
  int64_t least_steps = 0;           // of a class, where its epochs are fewer
  int64_t batch = 0;
  uint64_t seed = 0;
  uint64_t order_seed = 0;   // of the order of images and their augmentation
  std::string half = "all";  // of every class's training images: first, second or all
  // Objective `specific` only.
  std::string specific_target = "class";  // class or all
  double lambda = 1;                      // weight of the term of other classes' images; where it moves, the first
  double max_false_alarms = 0;            // share of them that moves lambda and beta; 0: they stay
  int64_t negatives = 0;                  // other classes' images that are kept for a run, at most
  std::string negative_classes = "all";   // that they are of: all, even or odd, by their rank among the folders
  // Of a control (docs/METHOD.md, 5a.6); with neither seed and K as the objective has it, no file speaks of them.
  std::optional<uint64_t> random_weights, shuffled_labels;  // their seeds
  bool whole_batch = false;                                 // K is the whole batch
  // ---- for the record ----
  std::string weights_file, data, program, command_line, device_description;
  int64_t threads = 0, classes_per_step = 0, input_size = 0, num_classes = 0;
  std::string image_decoders;  // libraries and their versions (nad/images/images.h)
  std::string conv_choices;    // what --conv auto measured; a resumed run goes by it
  std::string negatives_hash;  // `specific`: of the images that were drawn; a resumed run draws the same

  std::string control() const;  // "random weights", "shuffled labels", both with a comma, or empty
  bool shows_others() const { return objective == "specific"; }
  bool follows_limit() const { return shows_others() && max_false_alarms > 0; }
  bool splits_others() const { return shows_others() && negative_classes != "all"; }
};

// "beta is 0.5 there and 0.02 here" for the first value above the line that differs; empty where none does.
std::string first_difference(const RunSettings& there, const RunSettings& here);

// What a step found out about its class. The losses are NaN where it was skipped.
struct StepRecord {
  double total = 0, reconstruction = 0, regularisation = 0, cross_entropy = 0;
  int32_t correct = 0;   // samples of the batch that the original network classifies correctly
  bool skipped = false;  // no update
  // Objective `specific`: the term of other classes' images, and how many of those the gated network takes for its own.
  double specificity = std::numeric_limits<double>::quiet_NaN();
  int32_t own_answered = 0, others_answered = 0;
  double beta = 0, lambda = 0;  // what it weighed its terms by
};

struct ClassResult {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  int64_t index = 0;
  std::string id, name;
  int64_t steps = 0;                               // to take
  std::vector<StepRecord> history;                 // of the steps taken
  bool finished = false;                           // learnt and evaluated
  std::string error;                               // why the class failed; it then has neither gates nor history
  int64_t error_code = 0;                          // the exit code of that error
  GateVectors logits, sigma;                       // sigma: objective `variational` only
  Moments moments;                                 // while in progress; objective `specific` only
  double top1_before = kNone, top1_after = kNone;  // percent of the val images
  double false_alarms = kNone;                     // percent of other classes' val images answered as this class
  // The same over the classes that may have been shown while learning and over those that were not; NaN but for
  // RunSettings::splits_others().
  double false_alarms_shown = kNone, false_alarms_unshown = kNone;
  int64_t train_images = 0, val_images = 0, broken_images = 0;
  int64_t other_images = 0;  // those that false_alarms was measured on
  std::string images_hash;   // of the decoded training images
  double seconds = 0;        // spent on the class, wall clock

  int64_t taken() const { return static_cast<int64_t>(history.size()); }
  bool in_progress() const { return !finished && !logits.empty(); }
  double last_loss() const;     // total of the last step that was not skipped, NaN where there is none
  double kept_percent() const;  // channels with logit > 0, of all gates together
  // More than half of what it is shown of other classes it calls its own: its accuracy says nothing.
  bool constant_answer() const { return false_alarms > 50; }
};

// What --beta auto learnt to find beta (nad/run/beta_search.h). Empty where beta was given.
struct BetaSearch {
  std::vector<double> beta;      // the grid, growing
  std::vector<int64_t> classes;  // that it is tried on
  // [beta, classes], means over the last tenth of the steps; NaN: not learnt
  std::vector<double> reconstruction, regularisation;
  std::vector<double> mean_reconstruction, mean_regularisation;  // [beta], the curve; NaN: not known
  std::vector<double> distance;                                  // [beta], from its chord; NaN: not known
};

struct Results {
  RunSettings settings;
  BetaSearch beta_search;
  std::vector<std::string> gate_names;
  std::vector<int64_t> channels;
  std::map<int64_t, ClassResult> classes;  // by index
};

// Whole or not at all (weights/durable_file.h). Throws Error(data).
void write_results(const std::string& path, const Results& results);

// Throws Error(data) where the file is missing, not HDF5, damaged, or its parts contradict each other.
Results read_results(const std::string& path);

}  // namespace nad
