// One sample's convolution by plain loops, vectorised over the output channels. For builds without oneDNN.
// Backward, the outputs are dx's pixels and each gathers from the dz it contributed to.
#include <algorithm>

#include "kernels/cpu/convolution/by_sample.h"

namespace nad::cpu {

constexpr int kPlainPixels = 6;

struct PlainLoop {
  Shape in, out;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1, pad_h = 0,
          pad_w = 0;
  int64_t groups = 1;
  bool gather = false;            // backward
  const float* weight = nullptr;  // [groups, KH, KW, in.c / groups, out.c / groups]
  const float* shift = nullptr;   // [out.c] or null
  bool relu = false;
  const float* zeros = nullptr;  // [in.c]
};

// Where tap k brings output position o its input from; outside the plane (or -1) where there is none.
static inline int64_t tap_position(int64_t o, int64_t k, int64_t stride, int64_t pad, int64_t dilation, bool gather) {
  if (!gather) return o * stride - pad + k * dilation;
  const int64_t scaled = o + pad - k * dilation;
  return scaled < 0 || scaled % stride != 0 ? -1 : scaled / stride;
}

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/convolution/by_sample_plain_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {
namespace {

// [O, I/groups, KH, KW] to [groups, KH, KW, in, out]: in and out are I and O forward, O and I backward.
void pack(const SampleProblem& p, float* to) {
  const int64_t groups = p.params.groups, outputs = p.y.c / groups, inputs = p.x.c / groups;
  const int64_t taps = p.params.kernel_h * p.params.kernel_w;
  for (int64_t o = 0; o < p.y.c; ++o) {
    const int64_t g = o / outputs, local = o % outputs;
    const float scale = p.scale ? p.scale->data[static_cast<size_t>(o)] : 1.f;
    for (int64_t i = 0; i < inputs; ++i) {
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t place = p.backward ? local * inputs + i : i * outputs + local;
        to[(g * taps + t) * inputs * outputs + place] =
            scale * p.weight->data[static_cast<size_t>((o * inputs + i) * taps + t)];
      }
    }
  }
}

class PlainConvolution : public SampleConvolution {
 public:
  PlainConvolution(Planner& planner, const SampleProblem& p) {
    const size_t bytes = p.weight->data.size() * sizeof(float);
    weight_ = planner.weights(bytes);
    pack(p, reinterpret_cast<float*>(weight_.get()));
    weight_ = planner.share(std::move(weight_), bytes);
    if (p.shift) shift_ = p.shift->data;
    zeros_.resize(static_cast<size_t>(std::max(p.x.c, p.y.c)));
    loop_.in = p.backward ? p.y : p.x;
    loop_.out = p.backward ? p.x : p.y;
    loop_.kernel_h = p.params.kernel_h, loop_.kernel_w = p.params.kernel_w;
    loop_.stride_h = p.params.stride_h, loop_.stride_w = p.params.stride_w;
    loop_.dilation_h = p.params.dilation_h, loop_.dilation_w = p.params.dilation_w;
    loop_.pad_h = p.params.pad_h, loop_.pad_w = p.params.pad_w;
    loop_.groups = p.params.groups;
    loop_.gather = p.backward;
    loop_.weight = reinterpret_cast<const float*>(weight_.get());
    loop_.shift = shift_.empty() ? nullptr : shift_.data();
    loop_.relu = p.relu;
    loop_.zeros = zeros_.data();
    sample_ = NAD_BEST(plain_sample);
  }

  size_t scratch_bytes() const override { return 0; }
  void run(int, const void* in, float* out, std::byte*) override {
    sample_(loop_, static_cast<const float*>(in), out);
  }

 private:
  PlainLoop loop_;
  Buffer weight_;
  std::vector<float> shift_, zeros_;
  void (*sample_)(const PlainLoop&, const float*, float*) = nullptr;
};

}  // namespace

std::unique_ptr<SampleConvolution> make_plain_convolution(Planner& planner, const SampleProblem& problem) {
  return std::make_unique<PlainConvolution>(planner, problem);
}

}  // namespace nad::cpu
