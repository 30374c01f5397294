// nad_run's command line, its choice of classes, and its progress lines.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <sstream>

#include "engine/error.h"
#include "nad/run/class_selection.h"
#include "nad/run/output_place.h"
#include "nad/run/program.h"
#include "nad/run/progress.h"
#include "nad/run/run_options.h"
#include "nad/run/run_state.h"

using namespace nad;

namespace {

std::optional<RunOptions> parse(std::vector<const char*> args, std::string* printed = nullptr) {
  args.insert(args.begin(), "nad_run");
  std::ostringstream out;
  auto options = parse_run_options(static_cast<int>(args.size()), args.data(), out);
  if (printed) *printed = out.str();
  return options;
}

std::vector<int64_t> chosen(const std::string& text, const ClassMatch& match, const std::vector<std::string>& ids) {
  std::vector<int64_t> indices;
  for (const ClassTask& task : select_classes(text, match, ids, {})) indices.push_back(task.index);
  return indices;
}

// What a Progress printed on a stream that is no terminal.
template <class Body>
std::string printed(bool terminal, bool quiet, int64_t every, Body&& body) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  {
    Progress progress(file.get(), terminal, quiet, every);
    body(progress);
  }
  std::rewind(file.get());
  std::string text;
  for (int c; (c = std::fgetc(file.get())) != EOF;) text += static_cast<char>(c);
  return text;
}

}  // namespace

TEST_CASE("defaults are those of the method") {
  const RunOptions o = *parse({"--weights", "w.h5"});
  CHECK(o.weights == "w.h5");
  CHECK(o.classes == "all");
  CHECK(o.objective == Objective::released);
  CHECK_FALSE(o.beta.has_value());
  CHECK_FALSE(o.lr.has_value());
  CHECK_FALSE(o.lambda.has_value());
  CHECK_FALSE(o.max_false_alarms.has_value());
  CHECK(o.target == SpecificTarget::named_class);
  CHECK(o.negatives == 0);
  CHECK(o.negative_classes == NegativeClasses::all);
  CHECK(o.auto_length());
  CHECK((kAutoEpochs == 20 && kAutoSteps == 400));
  CHECK(o.batch == 16);
  CHECK(o.seed == 233);
  CHECK(o.order() == 233);
  CHECK(o.half == Half::all);
  CHECK_FALSE(o.shuffle_labels);
  CHECK_FALSE(o.whole_batch);
  CHECK(o.device == "auto");
  CHECK(o.precision == Precision::fp32);
  CHECK(o.eval);
  CHECK(o.checkpoint_every == 60);
}

TEST_CASE("every flag arrives") {
  const RunOptions o = *parse({"--weights",
                               "w.h5",
                               "--arch=darts",
                               "--data",
                               "d",
                               "--classes",
                               "0-3",
                               "--objective",
                               "paper",
                               "--beta",
                               "0",
                               "--lr",
                               "1e-2",
                               "--steps",
                               "7",
                               "--batch",
                               "3",
                               "--seed",
                               "18446744073709551615",
                               "--classes-per-step",
                               "4",
                               "--device",
                               "reference",
                               "--precision",
                               "bf16",
                               "--threads",
                               "2",
                               "--out",
                               "o.h5",
                               "--resume",
                               "--dry-run",
                               "--json",
                               "--log-every",
                               "5",
                               "--no-eval",
                               "--checkpoint-every",
                               "0.5",
                               "--quiet"});
  CHECK(o.arch == "darts");
  CHECK(o.data == "d");
  CHECK(o.classes == "0-3");
  CHECK(o.objective == Objective::paper);
  CHECK(o.beta == 0.0);
  CHECK(o.lr == 0.01);
  CHECK(o.steps == 7);
  CHECK(o.batch == 3);
  CHECK(o.seed == 18446744073709551615ull);
  CHECK(o.classes_per_step == 4);
  CHECK(o.device == "reference");
  CHECK(o.precision == Precision::bf16);
  CHECK(o.threads == 2);
  CHECK(o.out == "o.h5");
  CHECK(o.log_every == 5);
  CHECK(o.checkpoint_every == 0.5);
  CHECK((o.resume && o.dry_run && o.json && o.quiet && !o.eval && !o.profile));
  CHECK(parse({"--weights", "w", "--classes-per-step", "auto"})->classes_per_step == 0);
  CHECK(parse({"--weights", "w", "--profile"})->profile);
  CHECK(parse({"--weights", "w", "--steps", "auto"})->auto_length());
  CHECK(parse({"--weights", "w", "--epochs", "3"})->epochs == 3);
  CHECK(parse({"--weights", "w", "--seed", "4"})->order() == 4);
  CHECK(parse({"--weights", "w", "--seed", "4", "--order-seed", "0"})->order() == 0);
  CHECK(parse({"--weights", "w", "--half", "second"})->half == Half::second);
  CHECK(parse({"--weights", "w", "--shuffle-labels", "18446744073709551615"})->shuffle_labels == UINT64_MAX);
  CHECK(parse({"--weights", "w", "--whole-batch"})->whole_batch);
}

TEST_CASE("beta auto and its grid") {
  RunOptions o = *parse({"--weights", "w", "--beta", "auto"});
  CHECK(o.beta_auto);
  CHECK_FALSE(o.beta.has_value());
  CHECK(o.beta_grid.empty());
  o = *parse({"--weights", "w", "--beta", "auto", "--beta-grid", "1,0.5,2e-1,0"});
  CHECK(o.beta_grid == std::vector<double>{0, 0.2, 0.5, 1});
  CHECK_FALSE(parse({"--weights", "w", "--beta", "0.5"})->beta_auto);
  for (const char* bad : {"", "1,2", "1,2,2", "1,2,x", "1,2,,3", "1,2,3,", "-1,1,2", "1,2,inf", "1,2,nan"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse({"--weights", "w", "--beta", "auto", "--beta-grid", bad}), Error);
  }
  CHECK_THROWS_AS(parse({"--weights", "w", "--beta-grid", "1,2,3"}), Error);
  CHECK_THROWS_AS(parse({"--weights", "w", "--beta", "Auto"}), Error);
}

TEST_CASE("a class is learnt for so many steps, or passes over its images, or by default both count") {
  RunSettings s;
  s.batch = 16;
  s.steps = 7;
  CHECK(class_steps(s, 1300) == 7);
  s.steps = 0;
  s.epochs = 20;
  CHECK(class_steps(s, 1300) == 20 * 82);  // the last batch of a pass may be short
  CHECK(class_steps(s, 60) == 80);
  s.least_steps = 400;
  CHECK(class_steps(s, 60) == 400);
  CHECK(class_steps(s, 1300) == 20 * 82);
}

TEST_CASE("beta's default says where it comes from; 365 classes are taken for Places365") {
  BetaDefault beta = defaults_of(Objective::released, {"vgg16", 1000, 224, {}}).beta;
  CHECK(beta.value == 4.5);
  CHECK(beta.why == "default");
  beta = defaults_of(Objective::variational, {"vgg16", 365, 224, {}}).beta;
  CHECK(beta.value == 5);
  CHECK(beta.why == "Places365's default: 365 classes");
}

TEST_CASE("defaults go by the objective") {
  const NetworkDescription network{"resnet50", 1000, 224, {}};
  CHECK(defaults_of(Objective::released, network).lr == 0.1);
  CHECK(defaults_of(Objective::released, network).beta.value == 0.02);
  const ObjectiveDefaults specific = defaults_of(Objective::specific, network);
  CHECK((specific.lr == 0.01 && specific.beta.value == 8));
  CHECK((specific.lambda == 1 && specific.max_false_alarms == 0.05));
  CHECK(specific.start == 0.5f);
  const auto all_open = [](const GateVectors& gates) {
    return std::all_of(gates[0].begin(), gates[0].end(), in_mask);
  };
  CHECK(all_open(first_gates(Objective::specific, specific, {64}, 1)));
  CHECK_FALSE(all_open(first_gates(Objective::released, specific, {64}, 1)));
  const ObjectiveDefaults fixed = defaults_of(Objective::specific, network, true);
  CHECK((fixed.lr == 0.03 && fixed.beta.value == 2 && fixed.max_false_alarms == 0 && fixed.start == 1));
}

TEST_CASE("a list of val images goes with a folder") {
  CHECK(parse({"--weights", "w", "--data", "d", "--val-list", "l"})->val_list == "l");
  CHECK_THROWS_WITH_AS(parse({"--weights", "w", "--val-list", "l"}), doctest::Contains("--val-list needs --data"),
                       Error);
}

TEST_CASE("flags of objective specific") {
  const RunOptions o =
      *parse({"--weights", "w", "--objective", "specific", "--specific-target", "all", "--lambda", "2.5",
              "--negatives", "70", "--negative-classes", "odd", "--beta", "0.5", "--lr", "0.01"});
  CHECK(o.objective == Objective::specific);
  CHECK(o.target == SpecificTarget::all);
  CHECK(o.lambda == 2.5);
  CHECK(o.negatives == 70);
  CHECK(o.negative_classes == NegativeClasses::odd);
  CHECK((o.beta == 0.5 && o.lr == 0.01));
  CHECK(parse({"--weights", "w", "--objective", "specific", "--negatives", "auto"})->negatives == 0);
  const auto refused = [](std::vector<const char*> args) {
    args.insert(args.begin(), {"--weights", "w"});
    try {
      parse(args);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::usage);
      return std::string(e.what());
    }
    return std::string("no error");
  };
  CHECK(parse({"--weights", "w", "--objective", "specific", "--max-false-alarms", "2.5"})->max_false_alarms == 0.025);
  CHECK(refused({"--lambda", "2"}) == "--lambda needs --objective specific");
  CHECK(refused({"--max-false-alarms", "2"}) == "--max-false-alarms needs --objective specific");
  CHECK(refused({"--objective", "specific", "--max-false-alarms", "2", "--lambda", "1"}) ==
        "--lambda and --max-false-alarms exclude each other; give one of them");
  for (const char* limit : {"0", "-1", "100", "many"}) {
    CHECK(refused({"--objective", "specific", "--max-false-alarms", limit}).find("--max-false-alarms '") == 0);
  }
  CHECK(refused({"--specific-target", "all"}) == "--specific-target needs --objective specific");
  CHECK(refused({"--negatives", "5"}) == "--negatives needs --objective specific");
  CHECK(refused({"--negative-classes", "odd"}) == "--negative-classes needs --objective specific");
  CHECK(refused({"--objective", "specific", "--beta", "auto"}).find("--beta auto does not search") == 0);
  CHECK(refused({"--objective", "specific", "--specific-target", "x"}).find("use class or all") != std::string::npos);
  CHECK(refused({"--objective", "specific", "--negatives", "0"}).find("auto or a whole number from 1") !=
        std::string::npos);
  CHECK(refused({"--objective", "specific", "--negative-classes", "some"}).find("use all, even or odd") !=
        std::string::npos);
}

TEST_CASE("classes that are shown to others go by the rank of their names") {
  const std::vector<std::string> classes = {"d", "", "a", "c", "b"};
  using Names = std::vector<std::string>;
  CHECK(shown_classes(classes, NegativeClasses::all) == classes);
  CHECK(shown_classes(classes, NegativeClasses::even) == Names{"", "", "a", "c", ""});
  CHECK(shown_classes(classes, NegativeClasses::odd) == Names{"d", "", "", "", "b"});
}

TEST_CASE("help and version print and end") {
  std::string text;
  CHECK_FALSE(parse({"--help"}, &text).has_value());
  CHECK(text.find("--checkpoint-every") != std::string::npos);
  CHECK_FALSE(parse({"--version"}, &text).has_value());
  CHECK(text == program_version("nad_run") + "\n");
}

TEST_CASE("wrong flags are usage errors of one line") {
  const std::vector<std::vector<const char*>> cases = {{},
                                                       {"--weights", "w", "--lr", "x"},
                                                       {"--weights", "w", "--nonsense"},
                                                       {"--weights", "w", "--half", "third"},
                                                       {"--weights", "w", "--shuffle-labels", "yes"},
                                                       {"--weights", "w", "--order-seed", "-1"},
                                                       {"--weights", "w", "--whole-batch", "--objective", "paper"},
                                                       {"--weights", "w", "--steps", "1", "--epochs", "1"}};
  for (const auto& args : cases) {
    try {
      parse(args);
      FAIL("no error");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::usage);
      CHECK(std::string(e.what()).find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a program adds its flag to an error whose hint is about a setting that it has") {
  const FlagNames flags = {{Setting::step_size, "--batch"}};
  const Error memory(ErrorKind::memory, "out of memory", "use a smaller batch", Setting::step_size);
  CHECK(error_line(memory, flags) == "out of memory; use a smaller batch (--batch)");
  CHECK(error_line(memory, {}) == "out of memory; use a smaller batch");
  CHECK(error_line(Error(ErrorKind::data, "a\nb"), flags) == "a?b");
}

TEST_CASE("what stands against an output is found before the work") {
  const std::string folder = "/tmp/nad_output_" + std::to_string(getpid()), file = folder + "/r.h5";
  std::filesystem::create_directories(folder);
  const auto what = [&](const std::string& path, const OutputRules& rules) {
    const auto problem = output_problem(path, rules);
    return problem ? problem->what : "";
  };
  CHECK(what(file, {}) == "");
  CHECK(what(file, {.may_exist = false, .inputs = {}, .try_writing = true}) == "");
  CHECK(what("", {}) == "is empty");
  CHECK(what(folder, {}) == "is a folder");
  CHECK(what(folder + "/no/r.h5", {}) == "lies in a folder that does not exist");
  CHECK(what(folder + "/" + std::string(254, 'x'), {.may_exist = false, .inputs = {}, .try_writing = true}) ==
        "cannot be written: File name too long");
  std::ofstream(file) << "mine";
  CHECK(what(file, {}) == "exists already");
  CHECK(what(file, {.may_exist = true, .inputs = {}, .try_writing = true}) == "");
  CHECK(what(file, {.may_exist = true, .inputs = {file}, .try_writing = false}) ==
        "would replace " + file + ", which is read");
  // What a killed program began stays: it may be another's.
  std::ofstream(file + ".part") << "begun";
  CHECK(what(file, {.may_exist = true, .inputs = {}, .try_writing = true}) == "");
  CHECK(std::filesystem::exists(file + ".part"));
  CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 2);
  std::filesystem::remove_all(folder);
}

TEST_CASE("classes by index, range and id") {
  const ClassMatch match{{"a", "", "c", "d-1"}, {}};
  const std::vector<std::string> ids = {"a", "b", "c", "d-1"};
  CHECK(chosen("all", match, ids) == std::vector<int64_t>{0, 2, 3});
  CHECK(chosen("0-3", match, ids) == std::vector<int64_t>{0, 1, 2, 3});
  CHECK(chosen("3,c,2,0-0", match, ids) == std::vector<int64_t>{3, 2, 0});  // each once, in the order given
  CHECK(chosen("d-1", match, ids) == std::vector<int64_t>{3});              // an id may hold a dash
  const std::vector<ClassTask> tasks = select_classes("b", match, ids, {"A", "B", "C", "D"});
  CHECK(tasks.at(0).name == "B");
  CHECK(tasks.at(0).source_class == "");
  for (const char* bad : {"4", "0-4", "2-1", "e", "", "0,", ",0", "-1", "1-", "0x1", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(chosen(bad, match, ids), Error);
  }
  // Without ids in the weights file the source's names serve.
  CHECK(chosen("c", match, {}) == std::vector<int64_t>{2});
  CHECK_THROWS_AS(chosen("b", match, {}), Error);
}

TEST_CASE("ids that are numbers win over indices") {
  const ClassMatch match{{"2", "1", "0"}, {}};
  CHECK(chosen("0", match, {"2", "1", "0"}) == std::vector<int64_t>{2});
}

TEST_CASE("plain progress: the asked-for steps and the last, no control characters") {
  const std::string text = printed(false, false, 4, [](Progress& p) {
    for (int i = 1; i <= 10; i++) p.step({{"5 n05", i, 10, 0.25, i == 8, 3, 16}}, 0.5, 10 - i);
    p.warn("a\x1b[2Jb\nc");
  });
  CHECK(text ==
        "class 5 n05: step 4/10, loss 0.250000, correct 3/16, 500 ms/step, 32.0 images/s, left 0:03\n"
        "class 5 n05: step 8/10, loss skipped, correct 3/16, 500 ms/step, 32.0 images/s, left 0:01\n"
        "class 5 n05: step 10/10, loss 0.250000, correct 3/16, 500 ms/step, 32.0 images/s, left 0:00\n"
        "a?[2Jb?c\n");
}

TEST_CASE("progress tells how many of other classes' images are taken for the class") {
  const std::string text = printed(false, false, 1, [](Progress& p) {
    p.step({{"5", 1, 2, 0.25, false, 3, 16, 4, 15}}, 0.5, 0);
  });
  CHECK(text ==
        "class 5: step 1/2, loss 0.250000, correct 3/16, false alarms 4/15, 500 ms/step, 62.0 images/s, left 0:00\n");
}

TEST_CASE("quiet leaves warnings; a terminal has one line that is wiped before others") {
  CHECK(printed(false, true, 1, [](Progress& p) {
          p.say("said");
          p.step({{"0", 1, 2, 1, false, 1, 1}}, 1, 1);
          p.warn("warned");
        }) == "warned\n");
  const std::string text = printed(true, false, 1, [](Progress& p) {
    p.step({{"0", 1, 2, 1, false, 1, 1}}, 1, 1);
    p.say("said");
  });
  CHECK(text.find("\r\x1b[Kclass 0 [========        ] 1/2") == 0);
  CHECK(text.ends_with("\r\x1b[Ksaid\n"));
}

TEST_CASE("durations") {
  CHECK(clock_text(0) == "0:00");
  CHECK(clock_text(61.4) == "1:01");
  CHECK(clock_text(3723) == "1:02:03");
  CHECK(clock_text(-1) == "?");
  CHECK(clock_text(std::numeric_limits<double>::quiet_NaN()) == "?");
}
