// nad_run: learns the sub-architecture of every class of a frozen
// network and keeps them in a results file. Exit codes: engine/error.h.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "engine/error.h"
#include "nad/report/analysis_text.h"
#include "nad/report/results_table.h"
#include "nad/run/analyse.h"
#include "nad/run/banner.h"
#include "nad/run/beta_search.h"
#include "nad/run/outcome.h"
#include "nad/run/output_place.h"
#include "nad/run/profile.h"
#include "nad/run/program.h"
#include "nad/run/progress.h"
#include "nad/run/run.h"
#include "nad/run/run_options.h"
#include "nad/run/run_state.h"
#include "nad/run/signals.h"
#include "weights/durable_file.h"

namespace {

using namespace nad;

constexpr int kProfiledSteps = 5;

void flush_results() {
  std::cout.flush();
  if (!std::cout)
    throw Error(ErrorKind::data, "the results cannot be written to standard output", "they are in --out");
}

void say_results(const RunSetup& setup, const Results& results) {
  std::vector<int64_t> classes;
  for (const ClassTask& task : setup.classes) classes.push_back(task.index);
  setup.options.json ? write_json(results, classes, setup.out, std::cout) : write_table(results, classes, std::cout);
  flush_results();
}

// The analyses of a run, beside its results.
std::string analysis_path(const RunSetup& setup) {
  const std::filesystem::path out(setup.out);
  return (out.parent_path() / (out.stem().string() + "_analysis.h5")).string();
}

// As nad_analyse would make them, after the learner has left the device. Returns the exit code.
int analyse_run(const RunSetup& setup, RunState& state, const std::string& command, Progress& progress) {
  state.learner.reset();
  state.context.reset();
  AnalyseOptions options;
  static_cast<DeviceOptions&>(options) = setup.options;
  options.results = {setup.out};
  options.weights = {setup.options.weights};
  static_cast<ImageOptions&>(options) = setup.options;
  options.out = follow_links(analysis_path(setup));
  options.settings.seed = setup.options.seed;
  const Analysed analysed = [&] {
    try {
      return analyse(options, command, progress);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::interrupted) throw;
      throw Error(ErrorKind::interrupted, "interrupted while analysing: what was made is saved in " + options.out,
                  "go on with --resume");
    }
  }();
  if (!setup.options.json) write_analysis_text(analysed.file, std::cout);
  flush_results();
  return analysed.exit_code;
}

int run(const RunOptions& options, const std::string& command, Progress& progress) {
  const bool learning = !options.dry_run && !options.profile;
  if (learning) catch_signals();
  const RunSetup setup = prepare_run(options);
  if (options.analyse) {
    const std::string path = follow_links(analysis_path(setup));
    check_output(path, {.may_exist = true, .inputs = {options.weights}});
    if (std::filesystem::exists(path)) read_analysis(path);  // one that cannot be read is told before all the work
  }
  RunState state = open_run(setup, command);
  say_banner(setup, state, progress);

  if (!learning || !all_finished(setup, state.results)) {
    plan_learner(setup, state, progress);
    say_memory(state, progress);
    if (options.dry_run) return 0;
    if (options.profile) {
      write_profile(profile(setup, state, progress, kProfiledSteps), std::cout);
      flush_results();
      return 0;
    }
    if (beta_search_due(setup, state)) search_beta(setup, state, progress);
    Run(setup, state, progress).learn();
  }
  say_results(setup, state.results);
  const Failures failed = failures(setup, state.results);
  if (failed.count > 0)
    progress.warn(std::to_string(failed.count) + (failed.count == 1 ? " class" : " classes") +
                  " failed, the others are in " + setup.out);
  const auto finished = [](const auto& entry) { return entry.second.finished; };
  const bool any = std::any_of(state.results.classes.begin(), state.results.classes.end(), finished);
  if (!options.analyse || !any) return failed.exit_code;
  return std::max(failed.exit_code, analyse_run(setup, state, command, progress));
}

const FlagNames kFlags = {
    {Setting::device, "--device"},     {Setting::precision, "--precision"},
    {Setting::convolutions, "--conv"}, {Setting::step_size, "--batch, --classes-per-step"},
    {Setting::images, "--data"},       {Setting::output, "--out"},
};

}  // namespace

int main(int argc, char** argv) {
  return run_program("nad_run", kFlags, [&] {
    const std::optional<RunOptions> options = parse_run_options(argc, argv, std::cout);
    if (!options) return 0;
    Progress progress(stderr, isatty(STDERR_FILENO) == 1, options->quiet, options->log_every);
    return run(*options, command_line(argc, argv), progress);
  });
}
