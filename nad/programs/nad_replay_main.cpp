// nad_replay: runs prepared batches through the learner, so that any
// other implementation can be compared. Exit codes: engine/error.h.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>

#include "nad/learn/raw_logits.h"
#include "nad/learn/replay.h"
#include "nad/run/device_options.h"
#include "nad/run/flag_values.h"
#include "nad/run/network.h"
#include "nad/run/output_place.h"
#include "nad/run/program.h"
#include "weights/durable_file.h"

namespace {

using namespace nad;

struct Options : DeviceOptions {
  std::string case_path, weights, out, objective;
  std::optional<double> beta, lr;
  bool whole_batch = false;
};

// Empty where the program is done: --help or --version.
std::optional<Options> parse(int argc, const char* const* argv) {
  CLI::App app("Runs the prepared batches of CASE and writes losses, gradients, gates and logits (weights/FORMAT.md)",
               "nad_replay");
  Options o;
  DeviceFlags device;
  std::optional<std::string> beta, lr;  // as typed
  app.add_option("CASE", o.case_path, "HDF5 file: images, labels, batches, gates_init; or raw_images alone")
      ->required();
  app.add_option("--weights", o.weights, "weights file; default: CASE itself, where it holds weights");
  app.add_option("--out", o.out, "file for what is found out, HDF5; an earlier one is replaced")->required();
  app.add_option("--objective", o.objective, "released, paper or variational; default: the case's, else released");
  app.add_option("--beta", beta, "weight of the regularising term; default: the case's, else the network's");
  app.add_option("--lr", lr, "step size; default: the case's, else 0.1");
  app.add_flag("--whole-batch", o.whole_batch,
               "the reconstruction goes over all images, not only over those that the original network gets right");
  device.declare(app);
  if (!parse_flags(app, argc, argv, std::cout)) return std::nullopt;
  device.convert(&o);
  if (beta) o.beta = real_number("--beta", *beta, true);
  if (lr) o.lr = real_number("--lr", *lr, true);
  o.out = follow_links(o.out);
  return o;
}

// A case has no images of other classes.
Objective replayed(const std::string& name) {
  const Objective objective = parse_objective(name);
  if (objective == Objective::specific) {
    throw Error(ErrorKind::usage, "nad_replay does not run the objective specific",
                "use released, paper or variational");
  }
  return objective;
}

Objective choose_objective(const Options& o, const ReplayCase& replay_case) {
  if (!o.objective.empty()) return replayed(o.objective);
  try {
    return replayed(replay_case.objective.value_or("released"));
  } catch (const Error& e) {
    throw Error(ErrorKind::data, "replay case '" + o.case_path + "': " + e.what());
  }
}

int raw_images(const Options& o, const WeightsFile& file, const RawImages& images) {
  const NetworkDescription network = describe(file);
  const std::unique_ptr<Context> context = take_device(o);
  const Tape tape = build_network(network, load_tensors(file, network), {1, 1, true});
  write_raw_logits(o.out, raw_logits(*context, tape, images, preprocessing_of(file)), images.count);
  std::fprintf(stderr, "%s, %s: logits of %lld raw images in %s\n", network.arch.c_str(),
               to_string(context->precision()).c_str(), static_cast<long long>(images.count), o.out.c_str());
  return 0;
}

int replay(const Options& o) {
  check_output(o.out, {.may_exist = true, .inputs = {o.case_path, o.weights}, .try_writing = true});
  const WeightsFile file = o.weights.empty() ? WeightsFile(o.case_path, "replay case") : WeightsFile(o.weights);
  if (const std::optional<RawImages> raw = read_raw_images(o.case_path)) return raw_images(o, file, *raw);
  const ReplayCase replay_case = read_replay_case(o.case_path, file.mean(), file.stddev());
  const NetworkDescription network = describe(file, replay_case.size);
  const Objective objective = choose_objective(o, replay_case);
  const ObjectiveDefaults defaults = defaults_of(objective, network);
  const std::optional<double> beta = o.beta ? o.beta : replay_case.beta;

  LearnOptions options;
  options.objective = objective;
  options.beta = beta.value_or(defaults.beta.value);
  options.lr = o.lr ? *o.lr : replay_case.lr.value_or(defaults.lr);
  options.batch = replay_case.batch;
  options.given_noise = true;
  options.whole_batch = o.whole_batch || file.random_seed();

  const std::unique_ptr<Context> context = take_device(o);
  std::fprintf(stderr, "%s, %s, %s, beta %g%s, lr %g, %lld steps of %lld images, %s\n", network.arch.c_str(),
               to_string(options.objective).c_str(), to_string(context->precision()).c_str(), options.beta,
               beta ? "" : (" (" + defaults.beta.why + ")").c_str(), options.lr,
               static_cast<long long>(replay_case.steps), static_cast<long long>(replay_case.batch),
               context->backend().description().c_str());
  Learner learner(*context, network, load_tensors(file, network), options);
  const auto start = std::chrono::steady_clock::now();
  const ReplayResult result = run_replay(learner, replay_case);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_replay_result(o.out, result);
  std::fprintf(stderr, "%lld steps and the evaluation of %lld images in %.2f s, results in %s\n",
               static_cast<long long>(replay_case.steps), static_cast<long long>(replay_case.count), seconds,
               o.out.c_str());
  return 0;
}

// How large a step is, the case says.
const FlagNames kFlags = {
    {Setting::device, "--device"},     {Setting::precision, "--precision"},
    {Setting::convolutions, "--conv"}, {Setting::step_size, "make a case with smaller batches"},
    {Setting::output, "--out"},
};

}  // namespace

int main(int argc, char** argv) {
  return run_program("nad_replay", kFlags, [&] {
    const std::optional<Options> options = parse(argc, argv);
    return options ? replay(*options) : 0;
  });
}
