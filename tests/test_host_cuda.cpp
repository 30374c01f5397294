#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <vector>

#include "host_cuda/control.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/fill.h"

TEST_CASE("fill writes every element of any alignment, and nothing else") {
  float* p = nullptr;
  NAD_CUDA_CHECK(cudaMalloc(&p, 4096 * sizeof(float)));
  for (int64_t first = 0; first < 5; ++first) {
    for (const int64_t count : {0, 1, 2, 3, 4, 5, 7, 8, 255, 1023, 1024, 1025}) {
      NAD_CUDA_CHECK(cudaMemset(p, 0, 4096 * sizeof(float)));
      nad::cuda::fill(p + first, count, 2.5f, nullptr);
      std::vector<float> out(4096);
      NAD_CUDA_CHECK(cudaMemcpy(out.data(), p, out.size() * sizeof(float), cudaMemcpyDeviceToHost));
      for (int64_t i = 0; i < 4096; ++i) {
        REQUIRE(out[static_cast<size_t>(i)] == (i >= first && i < first + count ? 2.5f : 0.0f));
      }
    }
  }
  NAD_CUDA_CHECK(cudaFree(p));
}
