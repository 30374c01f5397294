// nad_replay: runs prepared batches through the learner, so that any other implementation can be compared.
// Exit codes: engine/error.h.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <optional>

#include "kernels/backends.h"
#include "nad/learn/replay.h"
#include "nad/report/text.h"
#include "nad/run/network.h"
#include "nad/run/run_options.h"
#include "weights/durable_file.h"

namespace {

using namespace nad;
namespace fs = std::filesystem;

struct Options {
  std::string case_path, weights, out, objective, device = "auto", precision = "fp32", conv = "handwritten";
  std::optional<std::string> beta, lr;  // as typed
  int threads = 0;
};

std::optional<double> number(const std::string& flag, const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  double value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error == std::errc() && stop == end && std::isfinite(value) && value >= 0) return value;
  throw Error(ErrorKind::usage, flag + " '" + *text + "'", "expected a number that is not negative");
}

// Says before the computation what would go wrong when the results are written, or what they would destroy.
void check_out(const Options& o) {
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    return Error(ErrorKind::usage, "--out '" + o.out + "' " + what, hint);
  };
  std::error_code ignored;
  if (o.out.empty()) throw refuse("is empty", "give the name of a file");
  if (fs::is_directory(o.out, ignored)) throw refuse("is a folder", "give the name of a file");
  if (fs::exists(o.out, ignored) && !fs::is_regular_file(o.out, ignored)) {
    throw refuse("is not a regular file", "give the name of a file, new or to be replaced");
  }
  const fs::path folder = fs::path(o.out).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, ignored)) {
    throw refuse("lies in a folder that does not exist", "make the folder first");
  }
  const std::string unfinished = o.out + kUnfinished;
  for (const std::string& input : {o.case_path, o.weights}) {
    if (fs::equivalent(o.out, input, ignored) || fs::equivalent(unfinished, input, ignored)) {
      throw refuse("would replace " + input + ", which is read", "choose another name");
    }
  }
  const int file = open(unfinished.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) throw refuse(std::string("cannot be written: ") + std::strerror(errno), "choose another place");
  close(file);
  unlink(unfinished.c_str());
}

Objective choose_objective(const Options& o, const ReplayCase& replay_case) {
  if (!o.objective.empty()) return parse_objective(o.objective);
  try {
    return parse_objective(replay_case.objective.value_or("released"));
  } catch (const Error& e) {
    throw Error(ErrorKind::data, "replay case '" + o.case_path + "': " + e.what());
  }
}

void replay(const Options& o) {
  const std::optional<double> beta = number("--beta", o.beta), lr = number("--lr", o.lr);
  check_out(o);
  const WeightsFile file(o.weights.empty() ? o.case_path : o.weights);
  const ReplayCase replay_case = read_replay_case(o.case_path, file.mean(), file.stddev());
  const NetworkDescription network = describe(file, replay_case.size);

  LearnOptions options;
  options.objective = choose_objective(o, replay_case);
  options.beta = beta ? *beta : replay_case.beta.value_or(default_beta(network).value);
  options.lr = lr ? *lr : replay_case.lr.value_or(0.1);
  options.batch = replay_case.batch;
  options.given_noise = true;

  Context context(make_backend(o.device, {.threads = o.threads, .conv = parse_conv_choice(o.conv)}),
                  parse_precision(o.precision));
  std::fprintf(stderr, "%s, %s, %s, beta %g, lr %g, %lld steps of %lld images, %s\n", network.arch.c_str(),
               to_string(options.objective).c_str(), to_string(context.precision()).c_str(), options.beta, options.lr,
               static_cast<long long>(replay_case.steps), static_cast<long long>(replay_case.batch),
               context.backend().description().c_str());
  Learner learner(context, network, load_tensors(file, network), options);
  const auto start = std::chrono::steady_clock::now();
  const ReplayResult result = run_replay(learner, replay_case);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_replay_result(o.out, result);
  std::fprintf(stderr, "%lld steps and the evaluation of %lld images in %.2f s, results in %s\n",
               static_cast<long long>(replay_case.steps), static_cast<long long>(replay_case.count), seconds,
               o.out.c_str());
}

void declare(CLI::App& app, Options& o) {
  app.add_option("CASE", o.case_path, "HDF5 file: images, labels, batches, gates_init")->required();
  app.add_option("--weights", o.weights, "weights file (default: CASE itself, where it holds weights)");
  app.add_option("--out", o.out, "results, HDF5")->required();
  app.add_option("--objective", o.objective, "released, paper or variational (default: the case's, else released)");
  app.add_option("--beta", o.beta, "weight of the regularising term (default: the case's, else the network's)");
  app.add_option("--lr", o.lr, "step size (default: the case's, else 0.1)");
  app.add_option("--device", o.device, "auto (default), cpu, cuda, cuda:I or reference");
  app.add_option("--precision", o.precision, "fp32 (default), bf16 or, on cuda, tf32");
  app.add_option("--conv", o.conv, "cuda: handwritten (default), cudnn or auto");
  app.add_option("--threads", o.threads, "threads (default: all cores)")->check(CLI::Range(0, 4096));
  // program_version() begins with nad_run's name.
  const std::string version = program_version();
  app.set_version_flag("--version", "nad_replay" + version.substr(version.find(' ')), "print the version");
}

int fail(const std::string& text, ErrorKind kind) {
  std::fprintf(stderr, "nad_replay: %s\n", one_line(text).c_str());
  return static_cast<int>(kind);
}

// The engine's own advice names flags of nad_run; here the case says how large a step is.
int fail_for_memory(const std::string& text) {
  return fail(text.substr(0, text.rfind("; ")) + "; make a case with smaller batches", ErrorKind::memory);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app(
      "Runs the prepared batches of CASE and writes losses, gradients, gates and logits (weights/FORMAT.md).");
  declare(app, o);
  try {
    app.parse(argc, argv);
    o.out = follow_links(o.out);
    replay(o);
    return 0;
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return fail(std::string(e.what()) + "; nad_replay --help lists the flags", ErrorKind::usage);
  } catch (const Error& e) {
    return e.kind() == ErrorKind::memory ? fail_for_memory(e.what()) : fail(e.what(), e.kind());
  } catch (const std::bad_alloc&) {
    return fail_for_memory("out of memory");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "nad_replay: internal error: %s\n", one_line(e.what()).c_str());
    return 1;
  }
}
