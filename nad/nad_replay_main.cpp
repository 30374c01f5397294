// nad_replay: runs prepared batches through the learner, so that any other implementation can be compared.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <new>

#include "kernels/backends.h"
#include "nad/network.h"
#include "nad/replay.h"

namespace {

struct Options {
  std::string case_path, weights, out, objective, device = "auto", precision = "fp32", conv = "handwritten";
  double beta = -1, lr = -1;
  int threads = 0;
};

void replay(const Options& o) {
  using namespace nad;
  const WeightsFile file(o.weights.empty() ? o.case_path : o.weights);
  const ReplayCase replay_case = read_replay_case(o.case_path, file.mean(), file.stddev());
  const NetworkDescription network = describe(file, replay_case.size);

  LearnOptions options;
  options.objective =
      parse_objective(!o.objective.empty() ? o.objective : replay_case.objective.value_or("released"));
  options.beta =
      o.beta >= 0 ? o.beta : replay_case.beta.value_or(default_beta(network.arch, network.num_classes == 365));
  options.lr = o.lr >= 0 ? o.lr : replay_case.lr.value_or(0.1);
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

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app(
      "Runs the prepared batches of CASE and writes losses, gradients, gates and logits (weights/FORMAT.md).");
  app.add_option("CASE", o.case_path, "HDF5 file: images, labels, batches, gates_init")->required();
  app.add_option("--weights", o.weights, "weights file (default: CASE itself, where it holds weights)");
  app.add_option("--out", o.out, "results, HDF5")->required();
  app.add_option("--objective", o.objective, "released, paper or variational (default: the case's, else released)");
  app.add_option("--beta", o.beta, "weight of the regularising term (default: the case's, else the network's)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--lr", o.lr, "step size (default: the case's, else 0.1)")->check(CLI::NonNegativeNumber);
  app.add_option("--device", o.device, "auto (default), cpu, cuda, cuda:I or reference");
  app.add_option("--precision", o.precision, "fp32 (default), bf16 or, on cuda, tf32");
  app.add_option("--conv", o.conv, "cuda: handwritten (default), cudnn or auto");
  app.add_option("--threads", o.threads, "threads (default: all cores)")->check(CLI::Range(0, 4096));
  try {
    app.parse(argc, argv);
    replay(o);
    return 0;
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "nad_replay: %s; nad_replay --help lists the flags\n", e.what());
    return static_cast<int>(nad::ErrorKind::usage);
  } catch (const nad::Error& e) {
    std::fprintf(stderr, "nad_replay: %s\n", e.what());
    return e.exit_code();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "nad_replay: out of memory; use a smaller batch\n");
    return static_cast<int>(nad::ErrorKind::memory);
  }
}
