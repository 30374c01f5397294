// Any convolution on any processor: one sample after the other in three steps, each sample on one thread.
//   load      prologue, crop, slab to dense, rounding to bf16 (left out where x can be read as it is)
//   convolve  by_sample.h: oneDNN with packed weights, bias and ReLU (or plain loops in a build without it)
//   finish    residual, gate, slab; backward: the prologue's derivative (left out where the result is final)
#include "kernels/cpu/convolution/by_sample.h"

#include <algorithm>

#include "engine/parallel.h"
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/pointwise.h"

namespace nad::cpu {

struct SampleLoad {
  const float* from = nullptr;  // [N, H, W, C]
  int64_t stride = 0;
  Shape shape;
  int64_t crop_h = 0, crop_w = 0;  // rows and columns left out at the top and the left
  const float* scale = nullptr;    // the prologue's, or null
  const float* shift = nullptr;
  bool relu = false;
};

struct GradientStore {
  float* dx = nullptr;  // [N, H, W, C]
  int64_t dx_stride = 0;
  Shape shape;
  int64_t crop_h = 0, crop_w = 0;
  const float* x = nullptr;  // the forward pass's, null without a prologue
  int64_t x_stride = 0;
  const float* scale = nullptr;
  const float* shift = nullptr;
  bool relu = false;
  bool add = false;
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/convolution/by_sample_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {
namespace {

size_t round_up(size_t bytes) { return (bytes + 255) / 256 * 256; }

// A thread's part of the scratch: the loaded sample, the result before `finish`, the library's own.
struct SampleScratch {
  size_t in = 0, out = 0, library = 0;
  size_t per_thread() const { return in + out + library; }
};

// Everything a kernel keeps.
struct SamplePlan {
  std::vector<float> scale, shift;  // the prologue's
  std::shared_ptr<SampleConvolution> convolution;
  SampleScratch scratch;
  Shape in, out;  // of one sample: what the convolution reads and writes
  bool bf16 = false, load = false, finish = false;
};

// An input offset is a smaller padding; below zero it crops the input.
void crop(SampleProblem& problem, int64_t& crop_h, int64_t& crop_w) {
  Conv2dParams& p = problem.params;
  const int64_t pad_h = p.pad_h - p.offset_h, pad_w = p.pad_w - p.offset_w;
  crop_h = std::max<int64_t>(0, -pad_h), crop_w = std::max<int64_t>(0, -pad_w);
  p.pad_h = std::max<int64_t>(0, pad_h), p.pad_w = std::max<int64_t>(0, pad_w);
  p.offset_h = p.offset_w = 0;
  problem.x.h -= crop_h, problem.x.w -= crop_w;
}

void plan_prologue(const Prologue& prologue, int64_t channels, SamplePlan& plan) {
  if (!prologue.scale && !prologue.shift) return;
  plan.scale = values_or(prologue.scale, channels, 1);
  plan.shift = values_or(prologue.shift, channels, 0);
}

void plan_convolution(Planner& planner, const SampleProblem& problem, SamplePlan& plan) {
  plan.convolution = make_sample_convolution(planner, problem);
  plan.in = problem.backward ? problem.y : problem.x;
  plan.out = problem.backward ? problem.x : problem.y;
  plan.bf16 = problem.bf16;
  if (plan.load) plan.scratch.in = round_up(static_cast<size_t>(plan.in.count()) * (plan.bf16 ? 2 : 4));
  if (plan.finish) plan.scratch.out = round_up(static_cast<size_t>(plan.out.count()) * sizeof(float));
  plan.scratch.library = round_up(plan.convolution->scratch_bytes());
  planner.reserve_scratch(plan.scratch.per_thread() * static_cast<size_t>(max_threads()));
}

// Runs the three steps for every sample. in, out: the tensors where a step is left out; finish(sample, result).
template <class Load, class Finish>
void run_samples(Context& context, const SamplePlan& plan, int64_t samples, const float* in, float* out, Load&& load,
                 Finish&& finish) {
  parallel_for(samples, [&](int64_t begin, int64_t end, int thread) {
    std::byte* scratch = context.scratch() + static_cast<size_t>(thread) * plan.scratch.per_thread();
    float* result_scratch = reinterpret_cast<float*>(scratch + plan.scratch.in);
    std::byte* library = scratch + plan.scratch.in + plan.scratch.out;
    for (int64_t n = begin; n < end; ++n) {
      const void* source = in + n * plan.in.count();
      if (plan.load) {
        load(n, scratch);
        source = scratch;
      }
      float* result = plan.finish ? result_scratch : out + n * plan.out.count();
      plan.convolution->run(thread, source, result, library);
      if (plan.finish) finish(n, result);
    }
  });
}

}  // namespace

Kernel conv2d_by_sample(Planner& planner, const Conv2dArgs& args) {
  auto plan = std::make_shared<SamplePlan>();
  plan_prologue(args.prologue, args.x.shape.c, *plan);
  const bool later = args.epilogue.residual || args.epilogue.gate;  // what the convolution cannot do itself
  SampleProblem problem{args.params,
                        args.x.shape,
                        args.y.shape,
                        args.weight,
                        args.epilogue.scale,
                        args.epilogue.shift,
                        args.epilogue.relu && !later};
  problem.x.n = problem.y.n = 1;
  problem.bf16 = planner.precision() == Precision::bf16 && sample_convolution_has_bf16();
  SampleLoad load{args.x.data, args.x.stride, args.x.shape};
  crop(problem, load.crop_h, load.crop_w);
  if (!plan->scale.empty()) load.scale = plan->scale.data(), load.shift = plan->shift.data();
  load.relu = args.prologue.relu;
  plan->load = args.prologue || problem.bf16 || !args.x.dense() || load.crop_h > 0 || load.crop_w > 0;
  plan->finish = later || !args.y.dense();
  plan_convolution(planner, problem, *plan);

  const auto epilogue = plan_epilogue(args.epilogue, args.y.shape, true);
  const int64_t plane = args.y.shape.h * args.y.shape.w;
  PointwiseLoop finish{nullptr, args.y.shape.c, args.y.data, args.y.stride, args.y.shape.c, plane, epilogue->loop};
  if (!later) finish.epilogue.relu = false;  // done
  const auto load_one = NAD_BEST(load_sample);
  const auto pixels = best_pointwise();
  return [args, plan, epilogue, load, finish, load_one, pixels, plane](Context& context) {
    run_samples(
        context, *plan, args.y.shape.n, args.x.data, args.y.data,
        [&](int64_t n, std::byte* to) {
          load_one(load, n, reinterpret_cast<float*>(to), plan->bf16 ? reinterpret_cast<uint16_t*>(to) : nullptr);
        },
        [&](int64_t n, const float* result) {
          PointwiseLoop one = finish;
          one.x = result;
          one.y += n * plane * finish.y_stride;
          one.epilogue = finish.epilogue.from_sample(n, plane);
          pixels(one, 0, plane);
        });
  };
}

Kernel conv2d_by_sample_backward(Planner& planner, const Conv2dBackwardArgs& args) {
  auto plan = std::make_shared<SamplePlan>();
  plan_prologue(args.prologue, args.dx.shape.c, *plan);
  SampleProblem problem{args.params, args.dx.shape, args.dz.shape, args.weight, args.scale, nullptr};
  problem.x.n = problem.y.n = 1;
  problem.backward = true;
  problem.bf16 = planner.precision() == Precision::bf16 && sample_convolution_has_bf16();
  const SampleLoad load{args.dz.data, args.dz.stride, args.dz.shape};
  GradientStore store{args.dx.data, args.dx.stride, args.dx.shape};
  crop(problem, store.crop_h, store.crop_w);
  if (args.prologue) store.x = args.x.data, store.x_stride = args.x.stride;
  if (!plan->scale.empty()) store.scale = plan->scale.data(), store.shift = plan->shift.data();
  store.relu = args.prologue.relu;
  store.add = args.mode == Accumulate::add;
  plan->load = problem.bf16 || !args.dz.dense();
  plan->finish = args.prologue || store.add || !args.dx.dense() || store.crop_h > 0 || store.crop_w > 0;
  plan_convolution(planner, problem, *plan);

  const auto load_one = NAD_BEST(load_sample);
  const auto store_one = NAD_BEST(store_gradient);
  return [args, plan, load, store, load_one, store_one](Context& context) {
    run_samples(
        context, *plan, args.dx.shape.n, args.dz.data, args.dx.data,
        [&](int64_t n, std::byte* to) {
          load_one(load, n, reinterpret_cast<float*>(to), plan->bf16 ? reinterpret_cast<uint16_t*>(to) : nullptr);
        },
        [&](int64_t n, const float* result) { store_one(store, n, result); });
  };
}

std::unique_ptr<SampleConvolution> make_sample_convolution(Planner& planner, const SampleProblem& problem) {
#ifdef NAD_ONEDNN
  return make_onednn_convolution(planner, problem);
#else
  return make_plain_convolution(planner, problem);
#endif
}

bool sample_convolution_has_bf16() {
#ifdef NAD_ONEDNN
  return best_isa() >= Isa::avx512;
#else
  return false;
#endif
}

}  // namespace nad::cpu
