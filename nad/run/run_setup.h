// Everything that nad_run knows before the first step: files opened, names matched, defaults resolved, device taken,
// the network planned.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"
#include "models/models.h"
#include "nad/images/loader.h"
#include "nad/learn/learner.h"
#include "nad/run/class_selection.h"
#include "nad/run/progress.h"
#include "nad/run/run_options.h"
#include "nad/store/file_lock.h"
#include "nad/store/results.h"
#include "weights/weights.h"

namespace nad {

struct RunSetup {
  RunOptions options;
  std::unique_ptr<WeightsFile> weights;
  NetworkDescription network;
  std::vector<GateInfo> gates;
  std::unique_ptr<ImageSource> source;
  std::string source_name;                    // for the banner
  size_t train_classes = 0, val_classes = 0;  // classes of the source in each split
  std::vector<std::string> notes;             // worth a line: folders that are no class, no val split, ...
  std::vector<ClassTask> classes;             // to learn
  std::string device_choice;                  // how the device was chosen
  std::unique_ptr<Context> context;
  std::string out;                // the results file, links followed
  FileLock lock;                  // on it
  int64_t slots = 1;              // classes per step
  std::vector<double> beta_grid;  // what --beta auto tries; empty without it
  LearnOptions learn;
  RunSettings settings;
  Normalization normalization;
  Results results;  // of the run that goes on, or only the settings
};

// Cheap checks first. Throws Error(usage): arch or classes that do not fit, an existing --out without --resume, a
// resumed file made with other settings, an --out that
// another run writes to; Error(data): weights, images or results file; Error(device).
RunSetup prepare_run(const RunOptions& options, const std::string& command_line);

// How many steps of a class of `steps` steps go by before their losses are read. Reading waits for a device that
// works on its own: there it is done for every progress line; elsewhere after every step.
int64_t steps_between_losses(const RunSetup& setup, int64_t steps);

// Steps of a class with so many training images: --steps, or --epochs passes over them.
int64_t class_steps(const RunOptions& options, int64_t images);
// How a class's batches are made for learning, from a step on.
LoaderOptions learning_batches(const RunSetup& setup, int64_t steps, int64_t first_step);

// Reads the parameters and plans; with --classes-per-step auto as many classes per step as fit. Throws Error(data),
// Error(device) and Error(memory) with the largest batch that fits.
std::unique_ptr<Learner> plan_learner(RunSetup& setup, Progress& progress);

}  // namespace nad
