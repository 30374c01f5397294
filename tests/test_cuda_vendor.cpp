// cuDNN's convolutions and cuBLAS's products (--conv cudnn, auto) against the reference, on the model of the GPU with
// stand-ins for the libraries (tests/vendor_model), and on a GPU with the libraries themselves. What happens where
// they are missing or refuse: tests/test_host_cuda_vendor.cpp.
#include "kernels/cuda/backend.h"
#include "tests/cuda_main.h"
#include "tests/problems.h"
#include "tests/vendor_model/environment.h"

using namespace nad;
using namespace nad::test;

namespace {

const vendor_model::Environment environment;

// Factors of products as in test_cuda_ops; cuDNN's sums of bf16 products are rounded to bf16 as well.
Tolerance tolerance_of(const Problem& p, Precision precision, Data data) {
  Tolerance t;
  t.bound = (4 + std::sqrt(static_cast<double>(p.terms))) * 0x1p-23;
  if (precision == Precision::bf16) t.bound += 0x1.02p-7 + 0x1.01p-9;
  if (precision == Precision::tf32) t.bound += 0x1.02p-10;
  t.exact = data == Data::exact && precision != Precision::bf16;
  return t;
}

std::string missing_library() {
  try {
    make_backend("cuda", {.conv = ConvChoice::cudnn});
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

// On a GPU without the libraries there is nothing to compare; the model always has its own.
bool skipped() {
  const std::string why = missing_library();
#ifdef NAD_HOST_CUDA
  REQUIRE(why == "");
#else
  if (!why.empty()) MESSAGE("skipped: ", why);
#endif
  return !why.empty();
}

struct Machine {
  Context reference{make_backend("reference")};
  std::vector<std::unique_ptr<Context>> devices;

  explicit Machine(ConvChoice conv) {
    for (Precision p : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      devices.push_back(std::make_unique<Context>(make_backend("cuda", {.graph = false, .conv = conv}), p));
    }
  }
  void compare(const Problem& p, Data data) {
    const auto expected = run(p, reference, reference_ops());
    const auto bounds = run(absolute(p), reference, reference_ops(), true);
    for (const auto& device : devices) {
      const auto actual = run(p, *device, device->ops());
      double worst = 0;
      const Precision precision = device->precision();
      const std::string close = check_close(p, expected, bounds, actual, tolerance_of(p, precision, data), worst);
      const std::string outside = check_untouched(p, actual);
      CHECK_MESSAGE(close.empty(), to_string(precision), ": ", p.text(), ": ", close);
      CHECK_MESSAGE(outside.empty(), to_string(precision), ": ", p.text(), ": ", outside);
    }
  }
};

std::vector<ConvCase> small_convolutions() {
  std::vector<ConvCase> list;
  for (const ConvCase& c : conv_shapes()) {
    if (conv_problem(c, Data::random).flops <= 5e5) list.push_back(c);
  }
  const std::vector<ConvCase> combinations = conv_combinations();
  for (size_t i = 0; i < combinations.size(); i += 17) list.push_back(combinations[i]);
  return list;
}

void compare_all(ConvChoice conv) {
  Machine machine(conv);
  for (const ConvCase& c : small_convolutions()) {
    for (Data data : {Data::random, Data::exact}) {
      machine.compare(conv_problem(c, data), data);
      machine.compare(conv_backward_problem(c, data), data);
    }
  }
  for (const TensorCase& c : linear_cases()) {
    for (Data data : {Data::random, Data::exact}) {
      machine.compare(linear_problem(c, data), data);
      machine.compare(linear_backward_problem(c, data), data);
    }
  }
}

cuda::CudaBackend& backend_of(Context& context) { return static_cast<cuda::CudaBackend&>(context.backend()); }

// A layer's kernel, planned again on other memory of the same shape.
void plan_again(Context& context, const Problem& p) { run(p, context, context.ops()); }

const ConvCase kCase = {2, 6, 5, 24, 36, square(3, 1, 1), kScale | kShift | kResidual | kRelu | kGate | kMultiple};

}  // namespace

TEST_CASE("cuDNN and cuBLAS equal the reference") {
  if (skipped()) return;
  compare_all(ConvChoice::cudnn);
}

TEST_CASE("the faster of both equals the reference") { compare_all(ConvChoice::automatic); }

TEST_CASE("auto measures a layer once") {
  Context context(make_backend("cuda", {.conv = ConvChoice::automatic}));
  cuda::KernelChoices& choices = backend_of(context).choices();
  const Problem p = conv_problem(kCase, Data::random), backward = conv_backward_problem(kCase, Data::random);
  plan_again(context, p);
  CHECK(choices.measured() == 1);
  plan_again(context, p);
  CHECK(choices.measured() == 1);
  plan_again(context, backward);
  CHECK(choices.measured() == 2);
  const std::string text = context.backend().measured_choices();
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
}

TEST_CASE("auto goes by the choices that it is given") {
  if (skipped()) return;
  const Problem p = conv_problem(kCase, Data::random);
  Context measured(make_backend("cuda", {.conv = ConvChoice::automatic}), Precision::bf16);
  plan_again(measured, p);
  std::string text = measured.backend().measured_choices();
  const std::string layer = text.substr(0, text.find(": "));
  Context handwritten(make_backend("cuda"), Precision::bf16);
  Context library(make_backend("cuda", {.conv = ConvChoice::cudnn}), Precision::bf16);
  for (const auto& [choice, expected] : {std::pair{"library", &library}, std::pair{"handwritten", &handwritten}}) {
    CAPTURE(choice);
    Context context(make_backend("cuda", {.conv = ConvChoice::automatic}), Precision::bf16);
    context.backend().adopt_choices(layer + ": " + choice + "\n");
    const auto actual = run(p, context, context.ops());
    CHECK(check_same_bytes(actual, run(p, *expected, expected->ops())).empty());
    CHECK(backend_of(context).choices().measured() == 0);
    CHECK(context.backend().measured_choices() == layer + ": " + choice + "\n");
  }
}
