// One sample's convolution by oneDNN, on the calling thread: it is told to use no other, so that it starts no team of
// threads inside our loop over samples and splits no summation by their number.
#ifdef NAD_ONEDNN

#include <unordered_map>

#include "engine/parallel.h"
#include "kernels/cpu/convolution/by_sample.h"
#include "kernels/cpu/convolution/onednn.h"

namespace nad::cpu {
namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

// The weights times the scale, as the file has them.
std::vector<float> scaled_weights(const SampleProblem& p) {
  std::vector<float> values = p.weight->data;
  if (!p.scale) return values;
  const size_t per_output = values.size() / p.scale->data.size();
  for (size_t i = 0; i < values.size(); ++i) values[i] *= p.scale->data[i / per_output];
  return values;
}

class OnednnConvolution : public SampleConvolution {
 public:
  OnednnConvolution(Planner& planner, const SampleProblem& problem) : engine_(dnnl::engine::kind::cpu, 0) {
    limit_onednn();
    keep_onednn_on_this_thread();
    describe(problem);
    if (problem.backward) {
      plan_backward(planner, problem);
    } else {
      plan_forward(planner, problem);
    }
  }

  size_t scratch_bytes() const override { return scratchpad_.get_size(); }

  void run(int thread, const void* in, float* out, std::byte* scratch) override {
    keep_onednn_on_this_thread();
    PerThread& t = threads_[static_cast<size_t>(thread)];
    t.in.set_data_handle(const_cast<void*>(in));
    t.out.set_data_handle(out);
    t.scratchpad.set_data_handle(scratch);
    primitive_.execute(t.stream, t.arguments);
  }

 private:
  struct PerThread {
    dnnl::stream stream;
    memory in, out, scratchpad;
    Arguments arguments;
  };

  void describe(const SampleProblem& p) {
    const auto type = p.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
    const auto x_type = p.backward ? memory::data_type::f32 : type;
    const auto y_type = p.backward ? type : memory::data_type::f32;
    const auto nhwc = memory::format_tag::nhwc;
    x_ = memory::desc({1, p.x.c, p.x.h, p.x.w}, x_type, nhwc);
    y_ = memory::desc({1, p.y.c, p.y.h, p.y.w}, y_type, nhwc);
    const int64_t groups = p.params.groups;
    weight_dims_ = {p.y.c / groups, p.x.c / groups, p.params.kernel_h, p.params.kernel_w};
    if (groups > 1) weight_dims_.insert(weight_dims_.begin(), groups);
    weight_ = memory::desc(weight_dims_, type, memory::format_tag::any);
    geometry_.strides = {p.params.stride_h, p.params.stride_w};
    geometry_.dilations = {p.params.dilation_h - 1, p.params.dilation_w - 1};
    geometry_.pad_before = {p.params.pad_h, p.params.pad_w};
    const int64_t reach_h = (p.y.h - 1) * p.params.stride_h + p.params.dilation_h * (p.params.kernel_h - 1) + 1;
    const int64_t reach_w = (p.y.w - 1) * p.params.stride_w + p.params.dilation_w * (p.params.kernel_w - 1) + 1;
    geometry_.pad_after = {reach_h - p.x.h - p.params.pad_h, reach_w - p.x.w - p.params.pad_w};
    attributes_.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  }

  dnnl::convolution_forward::primitive_desc forward_desc(const SampleProblem& p, const memory::desc& x,
                                                         const memory::desc& y, const dnnl::primitive_attr& attr) {
    const memory::desc bias =
        p.shift ? memory::desc({p.y.c}, memory::data_type::f32, memory::format_tag::a) : memory::desc();
    return onednn_forward(engine_, x, weight_, bias, y, geometry_, attr);
  }

  void plan_forward(Planner& planner, const SampleProblem& p) {
    if (p.relu) {
      dnnl::post_ops post_ops;
      append_relu(post_ops);
      attributes_.set_post_ops(post_ops);
    }
    const auto desc = forward_desc(p, x_, y_, attributes_);
    primitive_ = dnnl::convolution_forward(desc);
    finish_plan(planner, p, desc.weights_desc(), desc.scratchpad_desc(), DNNL_ARG_SRC, x_, DNNL_ARG_DST, y_);
    if (p.shift) {
      const size_t bytes = p.shift->data.size() * sizeof(float);
      bias_ = planner.weights(bytes);
      std::copy(p.shift->data.begin(), p.shift->data.end(), reinterpret_cast<float*>(bias_.get()));
      bias_ = planner.share(std::move(bias_), bytes);
      for (PerThread& t : threads_) t.arguments[DNNL_ARG_BIAS] = memory(desc.bias_desc(), engine_, bias_.get());
    }
  }

  void plan_backward(Planner& planner, const SampleProblem& p) {
    // The library wants a forward primitive as a hint; its types must be those of training.
    const auto type = p.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
    const memory::desc x({1, p.x.c, p.x.h, p.x.w}, type, memory::format_tag::nhwc);
    const auto hint = forward_desc(p, x, y_, dnnl::primitive_attr());
    const auto backward = onednn_backward_data(engine_, x_, weight_, y_, geometry_, attributes_, hint);
    primitive_ = dnnl::convolution_backward_data(backward);
    finish_plan(planner, p, backward.weights_desc(), backward.scratchpad_desc(), DNNL_ARG_DIFF_DST, y_,
                DNNL_ARG_DIFF_SRC, x_);
  }

  // Packs the weights and prepares the arguments of every thread.
  void finish_plan(Planner& planner, const SampleProblem& p, const memory::desc& packed,
                   const memory::desc& scratchpad, int in_argument, const memory::desc& in, int out_argument,
                   const memory::desc& out) {
    std::vector<float> values = scaled_weights(p);
    const auto plain = p.params.groups > 1 ? memory::format_tag::goihw : memory::format_tag::oihw;
    memory from({weight_dims_, memory::data_type::f32, plain}, engine_, values.data());
    packed_ = planner.weights(packed.get_size());
    memory to(packed, engine_, packed_.get());
    dnnl::stream stream(engine_);
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
    packed_ = planner.share(std::move(packed_), packed.get_size());
    to.set_data_handle(packed_.get());
    scratchpad_ = scratchpad;
    for (int i = 0; i < max_threads(); ++i) {
      PerThread t{dnnl::stream(engine_),
                  memory(in, engine_, nullptr),
                  memory(out, engine_, nullptr),
                  memory(scratchpad, engine_, nullptr),
                  {}};
      t.arguments = {
          {in_argument, t.in}, {out_argument, t.out}, {DNNL_ARG_WEIGHTS, to}, {DNNL_ARG_SCRATCHPAD, t.scratchpad}};
      threads_.push_back(std::move(t));
    }
  }

  dnnl::engine engine_;
  memory::desc x_, y_, weight_, scratchpad_;
  memory::dims weight_dims_;
  OnednnGeometry geometry_;
  dnnl::primitive_attr attributes_;
  dnnl::primitive primitive_;
  Buffer packed_, bias_;
  std::vector<PerThread> threads_;
};

}  // namespace

std::unique_ptr<SampleConvolution> make_onednn_convolution(Planner& planner, const SampleProblem& problem) {
  try {
    return std::make_unique<OnednnConvolution>(planner, problem);
  } catch (const dnnl::error& error) {
    throw Error(ErrorKind::device,
                "cpu conv2d: oneDNN refused the convolution of " + to_string(problem.x) + " to " +
                    to_string(problem.y) + " (" + error.what() + ")",
                "try device reference, and report the shapes", Setting::device);
  }
}

}  // namespace nad::cpu

#endif  // NAD_ONEDNN
