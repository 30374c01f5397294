// The versions of a convolution from simple to fast (bench/ladder/ladder.h): GFLOP/s of each, on one thread of the CPU or
// on a GPU.
//
//   bench_ladder                                  a layer of 56x56, 64 to 64 channels
//   bench_ladder --size 14 --in 256 --out 256 --batch 4 --seconds 1
//   bench_ladder --device cuda --batch 64         enough tiles for all multiprocessors
//
// The last lines are the engine's own convolution of the same case on the same device.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "bench/device_timer.h"
#include "bench/ladder/cuda_rungs.h"
#include "bench/ladder/ladder.h"
#include "engine/error.h"
#include "engine/rng.h"
#include "kernels/backends.h"

namespace {

using namespace nad;

struct Options {
  std::string device = "cpu";
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

Buffer to_backend(Backend& backend, const std::vector<float>& values) {
  Buffer buffer = backend.allocate(values.size() * sizeof(float));
  backend.upload(buffer.get(), values.data(), values.size() * sizeof(float));
  return buffer;
}

// The case in a device's memory.
class Bench {
 public:
  Bench(const Options& o, Precision precision)
      : least_(o.seconds),
        context_(make_backend(o.device, {.threads = 1}), precision),
        timer_(bench::make_device_timer(context_.backend())) {
    const Shape xs = {o.batch, o.size, o.size, o.in}, ys = {o.batch, o.size, o.size, o.out};
    x_ = to_backend(context_.backend(), random_values(xs.count(), 1));
    y_ = context_.backend().allocate(static_cast<size_t>(ys.count()) * sizeof(float));
    args_.params.kernel_h = args_.params.kernel_w = 3;
    args_.params.pad_h = args_.params.pad_w = 1;
    args_.x = {reinterpret_cast<const float*>(x_.get()), xs, xs.c};
    args_.y = {reinterpret_cast<float*>(y_.get()), ys, ys.c};
    args_.weight = std::make_shared<HostTensor>(HostTensor{{o.out, o.in, 3, 3}, random_values(o.out * o.in * 9, 2)});
    flops_ = 2.0 * 9 * static_cast<double>(ys.count()) * static_cast<double>(o.in);
  }
  Backend& backend() { return context_.backend(); }
  void measure(const char* name, const std::string& gain, Entry<Conv2dArgs> plan) {
    Planner planner(context_);
    const Kernel kernel = plan(planner, args_);
    std::printf("%-8s %8.2f GFLOP/s   %s\n", name, flops_ / fastest(kernel) / 1e9, gain.c_str());
    std::fflush(stdout);
  }
  void measure_engine() {
    measure("engine",
            std::string("kernels/") + (timer_ ? "cuda/conv2d.h, " : "cpu/convolution, ") +
                to_string(context_.precision()),
            context_.ops().conv2d);
  }

 private:
  double seconds(const Kernel& kernel) {
    if (timer_) return timer_->seconds([&] { kernel(context_); });
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    kernel(context_);
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
  // Seconds of the fastest of several calls.
  double fastest(const Kernel& kernel) {
    double best = 1e30, total = 0;
    for (int i = 0; i < 3 || total < least_; ++i) {
      const double now = seconds(kernel);
      best = std::min(best, now);
      total += now;
    }
    return best;
  }

  double least_, flops_ = 0;
  Context context_;
  std::unique_ptr<bench::DeviceTimer> timer_;  // null: the CPU
  Buffer x_, y_;
  Conv2dArgs args_;
};

int run(const Options& o) {
  Bench bench(o, Precision::fp32);
  const bool gpu = bench.backend().name() == "cuda";
  std::printf("3x3, %lld x %lld x %lld, %lld to %lld channels, %s\n", static_cast<long long>(o.batch),
              static_cast<long long>(o.size), static_cast<long long>(o.size), static_cast<long long>(o.in),
              static_cast<long long>(o.out), gpu ? bench.backend().description().c_str() : "one thread");
  for (const ladder::Rung& rung : gpu ? ladder::cuda_rungs() : ladder::rungs()) {
    if (rung.runs) {
      bench.measure(rung.name, rung.gain, rung.plan);
    } else {
      std::printf("%-8s not on this processor\n", rung.name);
    }
  }
  bench.measure_engine();
  if (gpu) Bench(o, Precision::bf16).measure_engine();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  const auto device = [](const std::string& name) {
    const bool known = name == "cpu" || name == "cuda" || name.starts_with("cuda:");
    return known ? std::string() : "device " + name + " has no ladder: expected cpu, cuda or cuda:I";
  };
  CLI::App app{"GFLOP/s of a 3x3 convolution, version by version, on one thread of the CPU or on a GPU"};
  app.add_option("--device", o.device, "cpu, cuda or cuda:I")->check(device);
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
