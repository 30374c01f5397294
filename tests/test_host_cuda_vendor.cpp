// --conv cudnn and auto where cuDNN or cuBLAS is missing, too old or refuses: what only the stand-ins of
// tests/vendor_model can play. What they compute: tests/test_cuda_vendor.cpp.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "kernels/cuda/backend.h"
#include "tests/problems.h"
#include "tests/vendor_model/environment.h"

using namespace nad;
using namespace nad::test;

namespace {

// The stand-ins as they should be before and after a test.
struct Fresh {
  Fresh() { vendor_model::Environment::reset(); }
  ~Fresh() { vendor_model::Environment::reset(); }
};

std::unique_ptr<Backend> device(ConvChoice conv) { return make_backend("cuda", {.graph = false, .conv = conv}); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The message of --conv cudnn, and that --conv auto does without, saying the same.
std::string refusal(const std::string& part) {
  std::string text;
  try {
    device(ConvChoice::cudnn);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::device);
    text = error.what();
  }
  CHECK_MESSAGE(contains(text, part), text);
  CHECK(text.find('\n') == std::string::npos);
  CHECK(contains(device(ConvChoice::automatic)->description(), part));
  return text;
}

const ConvCase kCase = {2, 6, 5, 24, 36, square(3, 1, 1), kScale | kShift | kRelu};
const TensorCase kLinear = {{3, 1, 1, 129}, 10, kShift};

// The bytes of both layers on a device.
std::vector<Array> results(Backend* backend, std::string* choices = nullptr) {
  Context context((std::unique_ptr<Backend>(backend)));
  std::vector<Array> all = run(conv_problem(kCase, Data::random), context, context.ops());
  for (Array& a : run(linear_problem(kLinear, Data::random), context, context.ops())) all.push_back(std::move(a));
  if (choices) *choices = context.backend().measured_choices();
  return all;
}

}  // namespace

TEST_CASE("a library that is missing is named, with what to do") {
  const Fresh fresh;
  SUBCASE("cuDNN") {
    setenv("NAD_CUDNN", "/nowhere/libcudnn.so.9", 1);
    const std::string text = refusal("/nowhere/libcudnn.so.9");
    CHECK(contains(text, "conv cudnn: "));
    CHECK(contains(text, "; install it, or use conv handwritten"));
  }
  SUBCASE("cuBLAS") {
    setenv("NAD_CUBLAS", "/nowhere/libcublas.so.13", 1);
    refusal("/nowhere/libcublas.so.13");
  }
  SUBCASE("a library without the functions") {
    setenv("NAD_CUDNN", NAD_CUBLAS_MODEL, 1);
    refusal("has no cudnnGetVersion");
  }
}

TEST_CASE("a library that cannot be used says why") {
  const Fresh fresh;
  SUBCASE("another major version") {
    setenv("NAD_VENDOR_MODEL", "old", 1);
    refusal("cuDNN 8.9.7 was found, version 9 is needed");
  }
  SUBCASE("no handle") {
    setenv("NAD_VENDOR_MODEL", "no handle", 1);
    refusal("cuDNN 9.19.0 cannot use the device: CUDNN_STATUS_OF_THE_MODEL");
  }
}

TEST_CASE("the description names the versions") {
  const Fresh fresh;
  CHECK(contains(device(ConvChoice::cudnn)->description(), ", conv cudnn: cuDNN 9.19.0, cuBLAS 13.2.0)"));
  CHECK(contains(device(ConvChoice::automatic)->description(), ", conv auto: cuDNN 9.19.0, cuBLAS 13.2.0)"));
  CHECK_FALSE(contains(device(ConvChoice::handwritten)->description(), "conv"));
}

TEST_CASE("a layer that the libraries refuse gets the hand-written kernel") {
  const Fresh fresh;
  const auto expected = results(device(ConvChoice::handwritten).release());
  for (const char* how : {"no algorithm", "no run"}) {
    setenv("NAD_VENDOR_MODEL", how, 1);
    for (ConvChoice conv : {ConvChoice::cudnn, ConvChoice::automatic}) {
      CAPTURE(how);
      CAPTURE(to_string(conv));
      std::string choices;
      const auto actual = results(device(conv).release(), &choices);
      // cuBLAS has no choice of algorithms to refuse with.
      if (std::string(how) == "no run") CHECK(check_same_bytes(expected, actual) == "");
      if (conv == ConvChoice::automatic) CHECK(contains(choices, "kernel 3x3 stride 1x1 pad 1x1"));
      if (conv == ConvChoice::automatic && std::string(how) == "no run") CHECK_FALSE(contains(choices, ": library"));
    }
  }
}

TEST_CASE("without libraries auto is the hand-written kernels") {
  const Fresh fresh;
  const auto expected = results(device(ConvChoice::handwritten).release());
  setenv("NAD_CUDNN", "/nowhere", 1);
  setenv("NAD_CUBLAS", "/nowhere", 1);
  CHECK(check_same_bytes(expected, results(device(ConvChoice::automatic).release())) == "");
}

TEST_CASE("a library that fails in the middle of a run is an error with its own words") {
  const Fresh fresh;
  Context context(device(ConvChoice::cudnn));
  const Problem p = conv_problem(kCase, Data::random);
  Placed placed(context, p.arrays, p.params, false);
  Planner planner(context);
  const Kernel kernel = p.plan(planner, context.ops(), placed);
  setenv("NAD_VENDOR_MODEL", "no run", 1);
  CHECK_THROWS_WITH_AS(kernel(context),
                       "cuDNN: cudnnConvolutionForward failed: CUDNN_STATUS_NOT_SUPPORTED (the model refuses); use "
                       "conv handwritten",
                       Error);
}

TEST_CASE("a choice that cannot be followed is an error") {
  const Fresh fresh;
  const Problem p = linear_problem(kLinear, Data::random);
  setenv("NAD_CUBLAS", "/nowhere", 1);
  Context context(device(ConvChoice::automatic));
  context.backend().adopt_choices("linear fp32 3x129 to 10: library\n");
  CHECK_THROWS_WITH_AS(run(p, context, context.ops()),
                       "conv auto: a library was chosen for linear fp32 3x129 to 10 before, and is not there now; "
                       "install it again, or start anew",
                       Error);
}

TEST_CASE("cuDNN is for CUDA devices") {
  CHECK_THROWS_WITH_AS(make_backend("cpu", {.conv = ConvChoice::cudnn}),
                       "conv cudnn: the device is cpu, cuDNN needs a CUDA device; use conv handwritten or auto",
                       Error);
  CHECK(make_backend("cpu", {.conv = ConvChoice::automatic})->name() == "cpu");
}
