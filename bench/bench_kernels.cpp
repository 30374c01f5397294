// Every distinct layer of the four networks on every backend and with every convolution algorithm: forward on 32
// samples (16 original and 16 gated), backward on 16. Flops and bytes are those of the case (each tensor and
// parameter read or written once).
//   bench_kernels --benchmark_filter='resnet50.*conv2d/.*cpu fp32'
// The reference backend is not measured: it is there to be right.
#include <benchmark/benchmark.h>

#include <map>

#include "bench/layer_shapes.h"
#include "tests/variants.h"

using namespace nad;
using namespace nad::bench;

namespace {

constexpr int64_t kForward = 32, kBackward = 16;

// One context per backend and precision, and the problem measured last: Google Benchmark calls a function several
// times, and drawing the tensors takes longer than most layers.
class Bench {
 public:
  Context& context(const Variant& v) {
    auto& slot = contexts_[v.backend + to_string(v.precision)];
    if (!slot) slot = std::make_unique<Context>(make_backend(v.backend), v.precision);
    return *slot;
  }

  template <class Make>
  void run(::benchmark::State& state, const std::string& name, const Variant& v, const Make& make) {
    if (name != name_) {
      kernel_ = nullptr;
      placed_.reset();
      problem_ = make();
      Planner planner(context(v));
      placed_ = std::make_unique<Placed>(context(v), problem_.arrays, problem_.params, false);
      kernel_ = problem_.plan(planner, v.table, *placed_);
      name_ = name;
    }
    if (!kernel_) {
      state.SkipWithError("this algorithm does not cover the layer");
      return;
    }
    kernel_(context(v));
    for (auto _ : state) {
      kernel_(context(v));
      context(v).backend().synchronize();
    }
    using ::benchmark::Counter;
    if (problem_.flops > 0) {
      state.counters["GFLOP/s"] = Counter(problem_.flops * 1e-9, Counter::kIsIterationInvariantRate);
    }
    state.counters["GB/s"] = Counter(problem_.traffic * 1e-9, Counter::kIsIterationInvariantRate);
  }

  // Registers the case at a batch size on a variant.
  template <class Case>
  void add(const std::string& network, const Variant& v, Problem (*make)(const Case&, Data), Case c) {
    const std::string name = network + "/" + name_of(make, c) + "/" + v.name;
    ::benchmark::RegisterBenchmark(name.c_str(),
                                   [this, name, &v, make, c](::benchmark::State& state) {
                                     run(state, name, v, [&] { return make(c, Data::random); });
                                   })
        ->UseRealTime()
        ->Unit(::benchmark::kMillisecond)
        ->MinTime(0.1);
  }

 private:
  template <class Case>
  static std::string name_of(Problem (*make)(const Case&, Data), const Case& c) {
    return op_name(make) + "/" + text(c);
  }
  static std::string op_name(Problem (*make)(const ConvCase&, Data)) {
    return make == conv_problem ? "conv2d" : "conv2d_backward";
  }
  static std::string op_name(Problem (*make)(const TensorCase&, Data)) {
    if (make == linear_problem) return "linear";
    if (make == linear_backward_problem) return "linear_backward";
    return make == pointwise_problem ? "pointwise" : "epilogue_backward";
  }
  static std::string op_name(Problem (*make)(const PoolCase&, Data)) {
    if (make == max_pool_problem) return "max_pool";
    if (make == max_pool_backward_problem) return "max_pool_backward";
    return make == avg_pool_problem ? "avg_pool" : "avg_pool_backward";
  }
  static std::string text(const ConvCase& c) { return conv_text(c); }
  static std::string text(const TensorCase& c) { return tensor_text(c); }
  static std::string text(const PoolCase& c) { return pool_text(c); }

  std::map<std::string, std::unique_ptr<Context>> contexts_;
  std::string name_;
  Problem problem_;
  std::unique_ptr<Placed> placed_;
  Kernel kernel_;
};

ConvCase with_batch(ConvCase c, int64_t n) {
  c.n = n;
  return c;
}
template <class Case>
Case with_batch(Case c, int64_t n) {
  c.shape.n = n;
  return c;
}

template <class Case>
void add_pair(Bench& bench, const std::string& network, const Variant& v, const Case& c,
              Problem (*forward)(const Case&, Data), Problem (*backward)(const Case&, Data)) {
  bench.add(network, v, forward, with_batch(c, kForward));
  bench.add(network, v, backward, with_batch(c, kBackward));
}

void add_network(Bench& bench, const Network& n, const Variant& v) {
  for (const ConvCase& c : n.convs) add_pair(bench, n.name, v, c, conv_problem, conv_backward_problem);
  if (v.one_algorithm) return;
  for (const TensorCase& c : n.linears) add_pair(bench, n.name, v, c, linear_problem, linear_backward_problem);
  for (const TensorCase& c : n.epilogues) add_pair(bench, n.name, v, c, pointwise_problem, epilogue_backward_problem);
  for (const PoolCase& c : n.max_pools) add_pair(bench, n.name, v, c, max_pool_problem, max_pool_backward_problem);
  for (const PoolCase& c : n.avg_pools) add_pair(bench, n.name, v, c, avg_pool_problem, avg_pool_backward_problem);
}

}  // namespace

int main(int argc, char** argv) {
  ::benchmark::Initialize(&argc, argv);
  if (::benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const std::vector<Variant> list = variants();
  Bench bench;
  for (const Network& network : {vgg16(), resnet50(), densenet121(), darts()}) {
    for (const Variant& v : list) add_network(bench, network, v);
  }
  ::benchmark::RunSpecifiedBenchmarks();
  return 0;
}
