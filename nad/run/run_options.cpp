#include "nad/run/run_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>

#include "engine/error.h"
#include "models/models.h"
#include "nad/run/flag_values.h"
#include "nad/run/network.h"
#include "nad/run/program.h"

namespace nad {
namespace {

// Values as typed; CLI11 finds the flags, what they may be is checked here, with one style of message.
struct Texts {
  ImageFlags images;
  std::optional<std::string> out, objective, beta, beta_grid, lr, epochs, steps, batch, seed, classes_per_step,
      order_seed, half, shuffle_labels, target, lambda, max_false_alarms, negatives, negative_classes, log_every,
      checkpoint_every;
  DeviceFlags device;
  bool no_eval = false;
};

void declare_work(CLI::App& app, RunOptions& o, Texts& t) {
  app.add_option("--weights", o.weights, "weights file of the network (weights/convert.py makes one)")
      ->type_name("W.h5");
  app.add_option("--arch", o.arch, "stop if the weights file holds another architecture")->type_name("A");
  t.images.declare(app, "image folder, DIR/{train,val}/<class>/*");
  app.add_option("--classes", o.classes, "classes to learn: 0,217 or n01440764,n02102040 or 0-9 or all (default)")
      ->type_name("LIST");
  app.add_option("--objective", t.objective, "released (default), paper, variational or specific")->type_name("NAME");
  app.add_option("--beta", t.beta,
                 "weight of the regularising term, or auto: search for it; default: the architecture's, specific: 2")
      ->type_name("X");
  app.add_option("--beta-grid", t.beta_grid,
                 "values that --beta auto tries; default: the architecture's times 2^-4 to 2^4")
      ->type_name("LIST");
  app.add_option("--lr", t.lr, "step size; default: 0.1, specific: 0.03")->type_name("X");
  app.add_option("--steps", t.steps,
                 "steps to learn each class; auto (default): " + std::to_string(kAutoEpochs) +
                     " passes over its training images, but at least " + std::to_string(kAutoSteps) + " steps")
      ->type_name("N");
  app.add_option("--epochs", t.epochs, "passes over a class's training images, instead of --steps")->type_name("N");
  app.add_option("--batch", t.batch, "training images of a class in each step; default: 16")->type_name("N");
  app.add_option("--seed", t.seed, "seed of all random numbers; default: 233")->type_name("N");
  app.add_option("--order-seed", t.order_seed, "seed of the order of images and their augmentation; default: --seed")
      ->type_name("N");
  app.add_option("--half", t.half,
                 "learn from one half of every class's training images: first or second; default: all")
      ->type_name("HALF");
  app.add_option("--shuffle-labels", t.shuffle_labels,
                 "control: deal the training images to the classes anew, at random by this seed")
      ->type_name("SEED");
  app.add_flag("--whole-batch", o.whole_batch,
               "reconstruct all images of a batch, not only those that the original network gets right; with random "
               "weights and shuffled labels it is always so");
  app.add_flag("--no-eval", t.no_eval, "leave out the accuracies before and after");
}

void declare_specific(CLI::App& app, Texts& t) {
  app.add_option("--specific-target", t.target,
                 "specific: what other classes' images ask for: class (default), not to be taken for the class; all, "
                 "to be answered as the original network does")
      ->type_name("T");
  app.add_option("--max-false-alarms", t.max_false_alarms,
                 "specific: percent of other classes' training images that may be taken for the class, beyond those "
                 "that the original network takes for it; aimed at, not guaranteed; default: 5")
      ->type_name("P");
  app.add_option("--lambda", t.lambda,
                 "specific: a fixed weight of other classes' images, in place of one that follows --max-false-alarms")
      ->type_name("X");
  app.add_option("--negatives", t.negatives,
                 "specific: other classes' images that are kept; auto (default): " + std::to_string(kAutoNegatives) +
                     ", or as many as fit in " + std::to_string(kAutoNegativeBytes >> 20) + " MiB")
      ->type_name("N");
  app.add_option(
         "--negative-classes", t.negative_classes,
         "specific: classes that may be shown to others: all (default), even or odd, by the rank of their folder")
      ->type_name("WHICH");
}

void declare_device(CLI::App& app, RunOptions& o, Texts& t) {
  app.add_option("--classes-per-step", t.classes_per_step, "classes learnt side by side: auto (default) or a number")
      ->type_name("N");
  t.device.declare(app);
  app.add_flag_callback(
      "--no-graph", [&o] { o.graph = false; },
      "cuda: run the kernels of a step one by one instead of as a captured graph");
}

void declare_output(CLI::App& app, RunOptions& o, Texts& t) {
  app.add_option("--out", t.out, "results file; default: <arch>_results.h5")->type_name("R.h5");
  app.add_flag("--resume", o.resume, "go on with the results file of an earlier run");
  app.add_flag("--dry-run", o.dry_run, "check and plan everything, then stop");
  app.add_flag("--json", o.json, "print the results as JSON instead of a table");
  app.add_flag("--analyse", o.analyse, "then make all analyses (nad_analyse), into <out>_analysis.h5");
  app.add_option("--log-every", t.log_every, "steps between progress lines; default: ten lines for each class")
      ->type_name("N");
  app.add_option("--checkpoint-every", t.checkpoint_every,
                 "seconds between saves of the classes in progress; default: 60")
      ->type_name("SECONDS");
  app.add_flag("--profile", o.profile, "time every kernel of one step, then stop");
  app.add_flag("--quiet", o.quiet, "print warnings only, no banner and no progress");
}

void convert(const Texts& t, RunOptions& o) {
  t.images.convert(&o);
  if (t.out) o.out = given_name("--out", *t.out, "the name of the results file, or no --out for the default");
  if (t.objective) o.objective = parse_objective(*t.objective);
  t.device.convert(&o);
  o.eval = !t.no_eval;
  o.beta_auto = t.beta == "auto";
  if (t.beta && !o.beta_auto) o.beta = real_number("--beta", *t.beta, true, "auto or ");
  if (t.beta_grid) o.beta_grid = growing_numbers("--beta-grid", *t.beta_grid);
  if (t.lr) o.lr = real_number("--lr", *t.lr, false);
  if (t.checkpoint_every) o.checkpoint_every = real_number("--checkpoint-every", *t.checkpoint_every, true);
  if (t.epochs) o.epochs = whole_number<int64_t>("--epochs", *t.epochs, 1, 1'000'000);
  if (t.steps && t.steps != "auto") o.steps = whole_number<int64_t>("--steps", *t.steps, 1, 100'000'000, "auto or ");
  if (t.batch) o.batch = whole_number<int64_t>("--batch", *t.batch, 1, 65'536);
  if (t.log_every) o.log_every = whole_number<int64_t>("--log-every", *t.log_every, 1, 100'000'000);
  constexpr uint64_t kAnySeed = std::numeric_limits<uint64_t>::max();
  if (t.seed) o.seed = whole_number<uint64_t>("--seed", *t.seed, 0, kAnySeed);
  if (t.order_seed) o.order_seed = whole_number<uint64_t>("--order-seed", *t.order_seed, 0, kAnySeed);
  if (t.half) o.half = parse_half(*t.half);
  if (t.shuffle_labels) o.shuffle_labels = whole_number<uint64_t>("--shuffle-labels", *t.shuffle_labels, 0, kAnySeed);
  if (t.target) o.target = parse_target(*t.target);
  if (t.lambda) o.lambda = real_number("--lambda", *t.lambda, true);
  if (t.max_false_alarms) o.max_false_alarms = real_number("--max-false-alarms", *t.max_false_alarms, false) / 100;
  if (t.negatives && t.negatives != "auto")
    o.negatives = whole_number<int64_t>("--negatives", *t.negatives, 1, 1'000'000, "auto or ");
  if (t.negative_classes) o.negative_classes = parse_negative_classes(*t.negative_classes);
  if (t.classes_per_step && t.classes_per_step != "auto") {
    o.classes_per_step = whole_number<int64_t>("--classes-per-step", *t.classes_per_step, 1, 4096, "auto or ");
  }
}

void check_together(const RunOptions& o, const Texts& t) {
  if (o.weights.empty()) throw Error(ErrorKind::usage, "--weights is missing", "give a weights file");
  if (t.epochs && t.steps)
    throw Error(ErrorKind::usage, "--epochs and --steps exclude each other", "give one of them");
  if (t.beta_grid && !o.beta_auto) throw Error(ErrorKind::usage, "--beta-grid needs --beta auto");
  const std::pair<const char*, bool> specific[] = {{"--specific-target", t.target.has_value()},
                                                   {"--lambda", t.lambda.has_value()},
                                                   {"--max-false-alarms", t.max_false_alarms.has_value()},
                                                   {"--negatives", t.negatives.has_value()},
                                                   {"--negative-classes", t.negative_classes.has_value()}};
  for (const auto& [flag, given] : specific) {
    if (given && o.objective != Objective::specific)
      throw Error(ErrorKind::usage, std::string(flag) + " needs --objective specific");
  }
  if (o.whole_batch && o.objective != Objective::released && o.objective != Objective::specific)
    throw Error(ErrorKind::usage, "--whole-batch needs --objective released or specific",
                "leave it out: the others take the whole batch already");
  if (t.lambda && t.max_false_alarms)
    throw Error(ErrorKind::usage, "--lambda and --max-false-alarms exclude each other", "give one of them");
  if (o.max_false_alarms && *o.max_false_alarms >= 1)
    throw wrong_value("--max-false-alarms", *t.max_false_alarms, "percent below 100");
  if (o.beta_auto && o.objective == Objective::specific) {
    throw Error(ErrorKind::usage, "--beta auto does not search for --objective specific",
                "give --beta X or leave it out");
  }
  if (o.analyse && (o.profile || o.dry_run))
    throw Error(ErrorKind::usage, "--analyse excludes --profile and --dry-run");
  if (o.profile && o.json) throw Error(ErrorKind::usage, "--profile and --json exclude each other");
  if (o.profile && o.dry_run) throw Error(ErrorKind::usage, "--profile and --dry-run exclude each other");
  if (o.classes.empty()) throw wrong_value("--classes", "", "indices, ids or ranges such as 0,217 or 0-9, or all");
  if (!o.arch.empty()) {
    std::string names;
    for (const std::string& name : architectures()) names += (names.empty() ? "" : ", ") + name;
    const std::vector<std::string> known = architectures();
    if (std::find(known.begin(), known.end(), o.arch) == known.end())
      throw wrong_value("--arch", o.arch, "one of: " + names);
  }
}

}  // namespace

std::optional<RunOptions> parse_run_options(int argc, const char* const* argv, std::ostream& out) {
  CLI::App app("Learns the sub-architecture of each class of a frozen network (weights/FORMAT.md: the files)",
               "nad_run");
  RunOptions options;
  Texts texts;
  declare_work(app, options, texts);
  declare_specific(app, texts);
  declare_device(app, options, texts);
  declare_output(app, options, texts);
  if (!parse_flags(app, argc, argv, out)) return std::nullopt;
  convert(texts, options);
  check_together(options, texts);
  return options;
}

}  // namespace nad
