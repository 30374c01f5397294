// The versions of a convolution from simple to fast (bench/ladder/ladder.h), one thread: GFLOP/s of each.
//
//   bench_ladder                                  a layer of 56x56, 64 to 64 channels
//   bench_ladder --size 14 --in 256 --out 256 --batch 4 --seconds 1
//
// The last line is the engine's own convolution of the same case on the same thread.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <exception>

#include "bench/ladder/ladder.h"
#include "engine/error.h"
#include "engine/rng.h"
#include "kernels/backends.h"

namespace {

using namespace nad;

struct Options {
  int64_t size = 56, in = 64, out = 64, batch = 1;
  double seconds = 0.5;  // per version, at least
};

std::vector<float> random_values(int64_t count, uint64_t key) {
  std::vector<float> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    values[static_cast<size_t>(i)] = 2 * random_uniform(key, static_cast<uint64_t>(i)) - 1;
  }
  return values;
}

// Seconds of the fastest of several calls.
double fastest(const Kernel& kernel, Context& context, double at_least) {
  using Clock = std::chrono::steady_clock;
  double best = 1e30, total = 0;
  for (int i = 0; i < 3 || total < at_least; ++i) {
    const auto begin = Clock::now();
    kernel(context);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

int run(const Options& o) {
  Context context(make_backend("cpu", {.threads = 1}), Precision::fp32);
  const Shape xs = {o.batch, o.size, o.size, o.in}, ys = {o.batch, o.size, o.size, o.out};
  const std::vector<float> x = random_values(xs.count(), 1);
  std::vector<float> y(static_cast<size_t>(ys.count()));
  Conv2dArgs args;
  args.params.kernel_h = args.params.kernel_w = 3;
  args.params.pad_h = args.params.pad_w = 1;
  args.x = {x.data(), xs, xs.c};
  args.y = {y.data(), ys, ys.c};
  args.weight = std::make_shared<HostTensor>(HostTensor{{o.out, o.in, 3, 3}, random_values(o.out * o.in * 9, 2)});
  const double flops = 2.0 * 9 * static_cast<double>(ys.count()) * static_cast<double>(o.in);
  std::printf("3x3, %lld x %lld x %lld, %lld to %lld channels, one thread\n", static_cast<long long>(o.batch),
              static_cast<long long>(o.size), static_cast<long long>(o.size), static_cast<long long>(o.in),
              static_cast<long long>(o.out));
  const auto measure = [&](const char* name, const char* gain, Entry<Conv2dArgs> plan) {
    Planner planner(context);
    const Kernel kernel = plan(planner, args);
    std::printf("%-8s %8.2f GFLOP/s   %s\n", name, flops / fastest(kernel, context, o.seconds) / 1e9, gain);
    std::fflush(stdout);
  };
  for (const ladder::Rung& rung : ladder::rungs()) {
    if (rung.runs) {
      measure(rung.name, rung.gain, rung.plan);
    } else {
      std::printf("%-8s not on this processor\n", rung.name);
    }
  }
  measure("engine", "kernels/cpu/convolution", cpu_ops().conv2d);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app{"GFLOP/s of a 3x3 convolution, version by version, on one thread"};
  app.add_option("--size", o.size, "rows and columns")->check(CLI::Range(1, 4096));
  app.add_option("--in", o.in, "input channels")->check(CLI::Range(1, 65536));
  app.add_option("--out", o.out, "output channels")->check(CLI::Range(1, 65536));
  app.add_option("--batch", o.batch, "samples")->check(CLI::Range(1, 65536));
  app.add_option("--seconds", o.seconds, "least time per version")->check(CLI::Range(0.0, 3600.0));
  try {
    app.parse(argc, argv);
    return run(o);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    std::fprintf(stderr, "bench_ladder: %s\n", e.what());
    return static_cast<int>(ErrorKind::usage);
  } catch (const Error& e) {
    std::fprintf(stderr, "bench_ladder: %s\n", e.what());
    return e.exit_code();
  }
}
