// What changes while a run goes on: the results with their settings, the device, the learner. The settings have one
// home, Results::settings: there beta arrives when the search has found it, and the classes per step when they fit.
#pragma once

#include <memory>
#include <string>

#include "engine/context.h"
#include "nad/images/loader.h"
#include "nad/learn/learner.h"
#include "nad/run/progress.h"
#include "nad/run/run_setup.h"
#include "nad/store/results.h"

namespace nad {

struct RunState {
  Results results;  // of the run that goes on, or only the settings
  std::unique_ptr<Context> context;
  std::unique_ptr<Learner> learner;  // null until plan_learner()

  std::string other_decoders;  // of the run that goes on, where they are not this one's

  const RunSettings& settings() const { return results.settings; }
};

// Takes the device, resolves the settings and reads the results of the run that goes on. Throws Error(usage) where
// those were made with other settings, Error(data) where they cannot be read, Error(device).
RunState open_run(const RunSetup& setup, const std::string& command_line);

// Reads the parameters and plans; with --classes-per-step auto as many classes per step as fit. Throws Error(data),
// Error(device) and Error(memory) with the largest batch that fits.
void plan_learner(const RunSetup& setup, RunState& state, Progress& progress);

// Steps of a class with so many training images: `steps`, or `epochs` passes over them but at least `least_steps`.
int64_t class_steps(const RunSettings& settings, int64_t images);

// The images of a class; each broken one is a warning. Throws Error(data) where none is left.
DecodedClass decode_images_of(const RunSetup& setup, const ClassTask& task, const std::string& split,
                              Progress& progress);

// How a class's batches are made for learning, from a step on.
LoaderOptions learning_batches(const RunSetup& setup, const RunState& state, int64_t steps, int64_t first_step);

// How many steps of a class of `steps` steps go by before their losses are read. Reading waits for a device that
// works on its own: there it is done for every progress line; elsewhere after every step.
int64_t steps_between_losses(const RunSetup& setup, const RunState& state, int64_t steps);

}  // namespace nad
