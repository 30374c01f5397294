// Seconds per step of gate learning, on random weights and images, for any of the four networks.
//
//   bench_step --arch resnet50 --batch 16 --precision fp32 --steps 7        median and minimum of timed steps
//   bench_step --arch resnet50 --device cuda --precision fp32,tf32,bf16 --slots 1,16 [--no-graph] [--json]
//   bench_step --arch resnet50 --device cuda --slots 16 --augment          with what a run sends before every step
//   bench_step --arch resnet50 --profile                                   time per kernel, grouped by op
//   bench_step --arch resnet50 --interactive                               one step per line read:
//   bench/compare_peer.py
//
// On a device a time is that between two events around --together steps that nothing on the host waits for.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <span>

#include "bench/device_timer.h"
#include "bench/quantile.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/rng.h"
#include "kernels/backends.h"
#include "nad/images/augment.h"
#include "nad/learn/learner.h"
#include "nad/run/network.h"

namespace {

using namespace nad;

struct Options {
  std::string arch = "resnet50", device = "auto", precision = "fp32", objective = "released", conv = "handwritten";
  int64_t batch = 16, size = 224, classes = 1000, slots = 1;
  int threads = 0, steps = 7, together = 5, warm_ups = -1;
  bool no_graph = false, json = false, profile = false, interactive = false, every = false, augment = false,
       ncu = false;
};

using Weights = std::map<std::string, HostTensor>;

// He-uniform convolutions and linear layers, BatchNorm close to the identity.
Weights random_weights(const NetworkDescription& network) {
  Weights weights;
  for (const TensorSpec& spec : required_tensors(network)) {
    HostTensor tensor{spec.shape, {}};
    tensor.data.resize(tensor.count());
    const bool matrix = spec.shape.size() > 1;
    const bool scale = spec.name.ends_with("running_var") || (!matrix && spec.name.ends_with("weight"));
    const double fan_in = matrix ? static_cast<double>(tensor.count() / spec.shape[0]) : 1;
    const float bound = matrix ? static_cast<float>(std::sqrt(6 / fan_in)) : 0.05f;
    const uint64_t key = hash_name(spec.name);
    parallel_for(tensor.count(), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        tensor.data[i] = (scale ? 0.7f : 0.0f) + bound * (2 * random_uniform(key, static_cast<uint64_t>(i)) - 1);
      }
    });
    weights.emplace(spec.name, std::move(tensor));
  }
  return weights;
}

double peak_gib() {  // VmHWM of this process
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) / (1 << 20);
  }
  return 0;
}

// Images of a step in a slot: of its class and, where the objective shows them, of other classes behind.
int64_t images_a_slot(const Options& o) { return o.objective == "specific" ? 2 * o.batch : o.batch; }

// Images as a run has them, in the backend's memory, each cut out and mirrored in its own way for every slot.
class Draws {
 public:
  Draws(Backend& backend, const Options& o) : memory_(backend.allocate(kWidth * kHeight * 3)) {
    image_ = {kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight * 3)};
    for (size_t i = 0; i < image_.rgb.size(); ++i) image_.rgb[i] = static_cast<uint8_t>(random_bits(2, i));
    backend.upload(memory_.get(), image_.rgb.data(), image_.rgb.size());
    for (int64_t i = 0; i < o.slots * images_a_slot(o); ++i) {
      draws_.push_back(draw_augmentation(random_key(3, static_cast<uint64_t>(i)), kWidth, kHeight));
      const auto& [crop, flip] = draws_.back();
      samples_.push_back({reinterpret_cast<const uint8_t*>(memory_.get()), kWidth, kHeight, crop.left, crop.top,
                          crop.width, crop.height, flip ? 1 : 0});
    }
  }
  // images: [slots * images of a slot, size, size, 3]
  void pixels(float* images, int64_t size) const {
    parallel_for(static_cast<int64_t>(draws_.size()), [&](int64_t begin, int64_t end, int) {
      Preprocessor preprocessor(static_cast<int>(size), {});
      for (int64_t i = begin; i < end; ++i) {
        preprocessor.augment(image_, draws_[static_cast<size_t>(i)], images + i * size * size * 3);
      }
    });
  }
  std::span<const AugmentSample> samples(int64_t first, int64_t count) const {
    return std::span(samples_).subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  }

 private:
  static constexpr int kWidth = 500, kHeight = 375;  // as most of ImageNet
  Buffer memory_;
  Image image_;
  std::vector<Augmentation> draws_;
  std::vector<AugmentSample> samples_;
};

// Images, and as labels what the network says of them, so that every sample counts as correct. Returns the labels.
std::vector<int32_t> fill(Learner& learner, const Options& o, const Draws* draws) {
  const int64_t pixels = o.size * o.size * 3, count = learner.capacity();
  std::vector<float> images(count * pixels), logits(count * learner.num_classes());
  if (draws) {
    draws->pixels(images.data(), o.size);
  } else {
    parallel_for(pixels * count, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) images[i] = random_normal(1, static_cast<uint64_t>(i));
    });
  }
  std::vector<int32_t> labels;
  const GateVectors gates = initial_gates(learner.channels(), 1);
  run_beside_original(learner.forward(), binary_mask(gates), images.data(), count, logits.data(), nullptr);
  for (int64_t n = 0; n < count; ++n) {
    const auto row = logits.begin() + n * learner.num_classes();
    labels.push_back(static_cast<int32_t>(std::max_element(row, row + learner.num_classes()) - row));
  }
  const int64_t each = images_a_slot(o);
  for (int64_t g = 0; g < o.slots; ++g) {
    learner.assign(g, gates, {}, 1);
    learner.set_batch(g, images.data() + g * each * pixels, labels.data() + g * each, o.batch, 0);
    if (each > o.batch) learner.set_others(g, images.data() + (g * each + o.batch) * pixels, o.batch);
  }
  return labels;
}

// A learner on its backend, and what a step of it takes.
class Steps {
 public:
  Steps(const Options& o, const NetworkDescription& network, const Weights& weights)
      : options_(o),
        context_(make_backend(o.device, {o.threads, !o.no_graph, parse_conv_choice(o.conv)}),
                 parse_precision(o.precision)),
        timer_(bench::make_device_timer(context_.backend())),
        together_(timer_ ? o.together : 1),
        since_(std::chrono::steady_clock::now()),
        learner_(context_, network, weights, options(o)),
        planning_(std::chrono::duration<double>(std::chrono::steady_clock::now() - since_).count()) {
    if (o.augment) {
      if (!learning_backend(context_.backend()).augments())
        throw Error(ErrorKind::usage, "--augment", "needs --device cuda");
      draws_ = std::make_unique<Draws>(context_.backend(), o);
    }
    labels_ = fill(learner_, o, draws_.get());
    const int warm_ups = o.warm_ups >= 0 ? o.warm_ups : timer_ ? 3 : 1;  // on a device: eager, captured, replayed
    for (int t = 0; t < warm_ups; ++t) step();
  }

  double seconds() {
    if (options_.ncu && timer_) timer_->profile(true);
    const double elapsed = timer_ ? timer_->seconds([this] { run(); }) : host_seconds();
    if (options_.ncu && timer_) timer_->profile(false);
    if (learner_.loss(0).skipped) throw Error(ErrorKind::not_finite, "bench_step: the step was skipped");
    return elapsed / together_;
  }
  // Of the process, or what is allocated on the device.
  double gib() const { return timer_ ? static_cast<double>(learner_.account().total()) / (1 << 30) : peak_gib(); }
  std::string device() { return context_.backend().description(); }
  Learner& learner() { return learner_; }
  double planning() const { return planning_; }  // seconds: the plan, with all weights packed and uploaded

 private:
  static LearnOptions options(const Options& o) {
    LearnOptions options;
    options.objective = parse_objective(o.objective);
    options.beta = default_beta(o.arch, false);
    options.batch = o.batch;
    options.slots = o.slots;
    if (o.augment) options.byte_values = byte_values({});
    return options;
  }
  void run() {
    for (int t = 0; t < together_; ++t) step();
  }
  // With --augment, as a run does it: every slot's draws, labels, number of images and of the step in front.
  void step() {
    for (int64_t g = 0; draws_ && g < options_.slots; ++g) {
      const int64_t each = images_a_slot(options_), first = g * each, batch = options_.batch;
      learner_.set_batch(g, draws_->samples(first, batch), labels_.data() + first, steps_);
      if (each > batch) learner_.set_others(g, draws_->samples(first + batch, batch));
    }
    learner_.step();
    ++steps_;
  }
  double host_seconds() {
    const auto start = std::chrono::steady_clock::now();
    run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  const Options options_;
  Context context_;
  std::unique_ptr<Draws> draws_;
  std::vector<int32_t> labels_;
  uint64_t steps_ = 0;
  std::unique_ptr<bench::DeviceTimer> timer_;
  int together_;
  std::chrono::steady_clock::time_point since_;  // when planning began
  Learner learner_;
  double planning_;
};

// Medians over `steps` timed steps, per kernel or grouped by op and direction.
void profile(Learner& learner, const Options& o) {
  std::map<std::string, std::vector<double>> groups;
  std::map<std::string, int> calls;
  double total = 0;
  learner.step();
  for (int t = 0; t < o.steps; ++t) {
    std::map<std::string, double> sums;
    for (const Learner::Timing& timing : learner.timed_step()) {
      std::string key = timing.op + (timing.backward ? " backward" : "");
      if (o.every) key += " " + timing.name;
      sums[key] += timing.seconds;
      if (t == 0) ++calls[key];
    }
    for (const auto& [key, sum] : sums) groups[key].push_back(sum);
  }
  std::vector<std::pair<double, std::string>> rows;
  for (auto& [key, values] : groups) {
    rows.emplace_back(bench::median(values), key);
    total += rows.back().first;
  }
  std::sort(rows.rbegin(), rows.rend());
  std::printf("%-44s %6s %10s %7s\n", "op", "calls", "ms", "share");
  for (const auto& [time, key] : rows) {
    std::printf("%-44s %6d %10.2f %6.1f%%\n", key.c_str(), calls[key], time * 1e3, 100 * time / total);
  }
  std::printf("%-44s %6s %10.2f\n", "sum", "", total * 1e3);
}

// One step for every line read.
void serve(Steps& steps) {
  std::printf("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("%.6f %.3f\n", steps.seconds(), steps.gib());
    std::fflush(stdout);
  }
}

void report(Steps& steps, const Options& o) {
  std::vector<double> times;
  for (int t = 0; t < o.steps; ++t) times.push_back(steps.seconds());
  const double median = bench::median(times), minimum = bench::quantile(times, 0);
  const double rate = static_cast<double>(o.slots * images_a_slot(o)) / median;
  const auto slots = static_cast<long long>(o.slots), batch = static_cast<long long>(o.batch);
  const char *arch = o.arch.c_str(), *precision = o.precision.c_str();
  if (o.json) {
    std::printf(
        R"({"arch": "%s", "precision": "%s", "slots": %lld, "batch": %lld, "graph": %s, "conv": "%s", "augment": %s, "seconds": %.6f, )"
        R"("minimum": %.6f, "planning": %.3f, "samples_per_second": %.1f, "gib": %.2f, "device": "%s"})"
        "\n",
        arch, precision, slots, batch, o.no_graph ? "false" : "true", o.conv.c_str(), o.augment ? "true" : "false",
        median, minimum, steps.planning(), rate, steps.gib(), steps.device().c_str());
  } else {
    std::printf(
        "%s %s batch %lld x %lld: median %.4f s, minimum %.4f s a step, %.1f images/s, peak memory %.2f GiB, planned "
        "in %.2f s\n",
        arch, precision, slots, batch, median, minimum, rate, steps.gib(), steps.planning());
  }
  std::fflush(stdout);
}

void run(const Options& o, const NetworkDescription& network, const Weights& weights) {
  Steps steps(o, network, weights);
  if (o.profile) return profile(steps.learner(), o);
  if (o.interactive) return serve(steps);
  report(steps, o);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  std::vector<std::string> precisions = {o.precision};
  std::vector<int64_t> slots = {o.slots};
  CLI::App app("Times one step of gate learning on random weights and images.");
  app.add_option("--arch", o.arch, "vgg16, resnet50, densenet121 or darts")->check(CLI::IsMember(architectures()));
  app.add_option("--device", o.device, "auto, cpu, cuda, cuda:I or reference");
  app.add_option("--precision", precisions, "fp32, tf32, bf16; several: one after the other")->delimiter(',');
  app.add_option("--conv", o.conv, "on a device: handwritten, cudnn or auto");
  app.add_option("--objective", o.objective, "released, paper, variational or specific");
  app.add_option("--batch", o.batch, "images per class");
  app.add_option("--slots", slots, "classes per step; several: one after the other")->delimiter(',');
  app.add_option("--size", o.size, "pixels of a side");
  app.add_option("--classes", o.classes, "classes of the network");
  app.add_option("--threads", o.threads, "threads (default: all cores)");
  app.add_option("--steps", o.steps, "timed steps");
  app.add_option("--together", o.together, "on a device: steps between two events")->check(CLI::PositiveNumber);
  app.add_option("--warm-ups", o.warm_ups, "steps before the first timed one (default: 1, on a device 3)");
  app.add_flag("--augment", o.augment, "on a device: before every step send what a run sends, and augment");
  app.add_flag("--no-graph", o.no_graph, "on a device: kernels one by one instead of the captured step");
  app.add_flag("--json", o.json, "one object per line");
  app.add_flag("--profile", o.profile, "time per op instead");
  app.add_flag("--every", o.every, "with --profile: every layer on its own");
  app.add_flag("--ncu", o.ncu, "on a device: ncu --profile-from-start off sees the timed steps alone");
  app.add_flag("--interactive", o.interactive, "one step for every line read");
  CLI11_PARSE(app, argc, argv);
  try {
    const NetworkDescription network{o.arch, o.classes, o.size, {}};
    const Weights weights = random_weights(network);
    for (const std::string& precision : precisions) {
      for (int64_t g : slots) {
        o.precision = precision, o.slots = g;
        run(o, network, weights);
      }
    }
  } catch (const Error& e) {
    std::fprintf(stderr, "bench_step: %s\n", e.what());
    return e.exit_code();
  }
  return 0;
}
