// Every op on every distinct layer of the four networks, on every backend, in every precision and with every
// convolution algorithm: forward on both halves of the batch (original and gated samples), backward on one.
//
//   bench_kernels --benchmark_filter='resnet50/conv2d/.*cpu fp32'
//   bench_kernels --device cuda --batch 16,256 --benchmark_filter='^(roof|vgg16)/' --benchmark_out=vgg16.json
//   bench_kernels --device cuda --batch 256 --most 12 --benchmark_filter='bf16'     of each network the 12 largest
//
// Flops and bytes are those of the case (each tensor and parameter read or written once). On a device: the median of
// --runs launches with a cold L2 cache, by device events; `roof%` is the share of the ceiling that these flops and
// bytes leave, as measured in this process (the rows roof/...). Where cuDNN and cuBLAS are found, convolutions and
// linear layers have two more rows: cuda/cudnn, and cuda/auto, the faster of both; cuda/cudnn-alone is cuDNN's
// convolution without the passes that pack its source and finish its sums. A device makes its inputs itself. The
// reference backend is not measured. `plan_ms`: planning, with weights packed and sent.
#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>

#include "bench/device_inputs.h"
#include "bench/device_timer.h"
#include "bench/kernel_cases.h"
#include "bench/library_alone.h"
#include "bench/quantile.h"
#include "tests/variants.h"

using namespace nad;
using namespace nad::bench;

namespace {

constexpr int kWarmUps = 3;

// A backend at a precision, and its clock where it is a device.
struct Machine {
  explicit Machine(const Variant& v) : context(make_backend(v.backend, {.conv = v.conv}), v.precision) {
    timer = make_device_timer(context.backend());
  }
  Context context;
  std::unique_ptr<DeviceTimer> timer;
};

bool is_alone(const Variant& v) { return v.name.starts_with("cuda/cudnn-alone"); }

// The case measured last stays in memory: drawing its tensors takes
// longer than most layers, and its variants follow each other.
class Bench {
 public:
  explicit Bench(int runs) : runs_(runs) {}

  bool on_device(const Variant& v) { return machine(v).timer != nullptr; }

  void run(::benchmark::State& state, const KernelCase& c, const Variant& v) {
    try {
      prepare(c, v);
      if (!kernel_) return state.SkipWithError("this algorithm does not cover the layer");
      Machine& m = machine(v);
      m.timer ? run_on_device(state, v, m) : run_on_host(state, m.context);
    } catch (const Error& error) {
      state.SkipWithError(error.what());
    }
  }

  const Roofs& roofs(Machine& m) {
    if (roofs_.copy == 0) roofs_ = measure_roofs(m.context.backend(), *m.timer);
    return roofs_;
  }
  Machine& machine(const Variant& v) {
    auto& slot = machines_[v.backend + to_string(v.precision) + to_string(v.conv)];
    if (!slot) slot = std::make_unique<Machine>(v);
    return *slot;
  }

 private:
  void prepare(const KernelCase& c, const Variant& v) {
    if (variant_ == v.name && case_ == c.name) return;
    kernel_ = nullptr;
    variant_.clear();
    if (case_ != c.name || backend_ != v.backend) {
      placed_.reset();
      const Data data = on_device(v) ? Data::device : Data::random;
      if (case_ != c.name || data != data_) problem_ = c.make(data);
      case_ = c.name, backend_ = v.backend, data_ = data;
      Context& owner = machine(v).context;  // memory of one context serves all of the backend
      placed_ = std::make_unique<Placed>(owner, problem_.arrays, problem_.params, false, fill_on_device);
      owner.backend().synchronize();
    }
    Context& context = machine(v).context;
    Planner planner(context);
    const auto start = std::chrono::steady_clock::now();
    kernel_ = problem_.plan(planner, v.table, *placed_);
    plan_ms_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (is_alone(v)) fill_with_bf16(context.backend(), context.scratch(), context.scratch_bytes());
    variant_ = v.name;
  }

  void run_on_host(::benchmark::State& state, Context& context) {
    kernel_(context);
    for (auto _ : state) kernel_(context);
    using ::benchmark::Counter;
    if (problem_.flops > 0) {
      state.counters["GFLOP/s"] = Counter(problem_.flops * 1e-9, Counter::kIsIterationInvariantRate);
    }
    state.counters["GB/s"] = Counter(problem_.traffic * 1e-9, Counter::kIsIterationInvariantRate);
    state.counters["plan_ms"] = plan_ms_;
  }

  void run_on_device(::benchmark::State& state, const Variant& v, Machine& m) {
    for (int i = 0; i < kWarmUps; ++i) kernel_(m.context);
    std::vector<double> times;
    for (int i = 0; i < runs_; ++i) times.push_back(m.timer->cold_seconds([&] { kernel_(m.context); }));
    const double seconds = median(times);
    for (auto _ : state) state.SetIterationTime(seconds);
    const Roofs& roof = roofs(m);
    const double multiply = problem_.flops / roof.flops(problem_.products ? v.precision : Precision::fp32);
    state.counters["GB/s"] = problem_.traffic / seconds * 1e-9;
    if (problem_.flops > 0) state.counters["TFLOP/s"] = problem_.flops / seconds * 1e-12;
    state.counters["roof%"] = 100 * std::max(multiply, problem_.traffic / roof.copy) / seconds;
    state.counters["spread%"] = 100 * (quantile(times, 0.75) - quantile(times, 0.25)) / seconds;
    state.counters["plan_ms"] = plan_ms_;
  }

  int runs_;
  Roofs roofs_;
  Data data_ = Data::random;
  std::map<std::string, std::unique_ptr<Machine>> machines_;
  std::string case_, backend_, variant_;
  Problem problem_;
  std::unique_ptr<Placed> placed_;
  Kernel kernel_;
  double plan_ms_ = 0;
};

void add_case(Bench& bench, const KernelCase& c, const Variant& v) {
  const std::string name = c.name + "/" + v.name;
  auto* registered = ::benchmark::RegisterBenchmark(
      name.c_str(), [&bench, c, &v](::benchmark::State& state) { bench.run(state, c, v); });
  registered->Unit(::benchmark::kMillisecond);
  if (bench.on_device(v)) {
    registered->UseManualTime()->Iterations(1);  // one iteration: the median of the runs
  } else {
    registered->UseRealTime()->MinTime(0.1);
  }
}

// The rows roof/...: what the device reaches at best.
void add_roofs(Bench& bench, const Variant& v) {
  const auto add = [&](const std::string& name, const char* unit, double scale, const auto& rate) {
    auto* row = ::benchmark::RegisterBenchmark(("roof/" + name).c_str(), [=, &bench, &v](::benchmark::State& state) {
      const double value = rate(bench.roofs(bench.machine(v)));
      for (auto _ : state) state.SetIterationTime(1 / value);
      state.counters[unit] = value * scale;
    });
    row->UseManualTime()->Iterations(1);
  };
  add("copy", "GB/s", 1e-9, [](const Roofs& r) { return r.copy; });
  add("fma fp32", "TFLOP/s", 1e-12, [](const Roofs& r) { return r.fp32; });
  add("mma tf32", "TFLOP/s", 1e-12, [](const Roofs& r) { return r.tf32; });
  add("mma bf16", "TFLOP/s", 1e-12, [](const Roofs& r) { return r.bf16; });
}

bool covers(const Variant& v, const KernelCase& c) {
  if (v.one_algorithm && !c.convolution) return false;
  if (c.max_pool && v.table.fuses_max_pool == nullptr) return false;
  if (v.conv != ConvChoice::handwritten && !c.products) return false;
  return c.products || v.precision == Precision::fp32;
}

// cuDNN once more, alone.
void add_alone(std::vector<Variant>& list) {
  std::vector<Variant> alone;
  for (Variant v : list) {
    if (v.conv != ConvChoice::cudnn) continue;
    v.name = "cuda/cudnn-alone " + to_string(v.precision);
    v.table = with_library_alone(v.table);
    v.one_algorithm = true;
    alone.push_back(v);
  }
  list.insert(list.end(), alone.begin(), alone.end());
}

void add_network(Bench& bench, const std::vector<KernelCase>& cases, const std::vector<Variant>& variants) {
  for (const KernelCase& c : cases) {
    for (const Variant& v : variants) {
      if (covers(v, c)) add_case(bench, c, v);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::benchmark::Initialize(&argc, argv);
  std::vector<int64_t> batches = {16};
  std::string device = "all";
  int runs = 25, most = 0;
  CLI::App app("Times kernels; for --benchmark_... see Google Benchmark's user guide.");
  app.add_option("--batch", batches, "images of a step")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--device", device, "all, cpu or cuda");
  app.add_option("--runs", runs, "timed launches of a kernel on a device")->check(CLI::PositiveNumber);
  app.add_option("--most", most, "only this many cases of each network and batch, those with the largest floors");
  CLI11_PARSE(app, argc, argv);
  try {
    if (device != "all") make_backend(device);  // its message, where it is not there
    std::vector<Variant> list = variants();
    for (const Variant& v : library_variants()) list.push_back(v);
    add_alone(list);
    std::erase_if(list, [&](const Variant& v) { return device != "all" && device != v.backend; });
    Bench bench(runs);
    for (const Variant& v : list) {
      if (bench.on_device(v)) {
        add_roofs(bench, v);
        break;
      }
    }
    for (const Network& network : {vgg16(), resnet50(), densenet121(), darts()}) {
      for (int64_t batch : batches) {
        const KernelCases cases(network, batch);
        add_network(bench, most > 0 ? cases.largest(static_cast<size_t>(most)) : cases.list(), list);
      }
    }
    ::benchmark::RunSpecifiedBenchmarks();
  } catch (const Error& error) {
    std::fprintf(stderr, "bench_kernels: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}
