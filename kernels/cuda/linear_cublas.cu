// A linear layer's product by cuBLAS: x is rounded to bf16 first where the products are of bf16, sums are fp32, the
// epilogue is a pass of its own.
#include "kernels/cuda/linear.h"
#include "kernels/cuda/pack_source.h"

namespace nad::cuda {

Kernel linear_cublas(Planner& planner, const LinearProblem& p) {
  const Cublas* cublas = backend_of(planner.context()).cublas();
  if (!cublas) return {};
  const bool is_bf16 = planner.precision() == Precision::bf16;
  const int compute = planner.precision() == Precision::tf32 ? kCublasComputeTf32 : kCublasComputeFloat;
  const int type = is_bf16 ? kCublasBfloat16 : kCublasFloat;
  const Buffer weight = is_bf16 ? upload_linear_weight<bf16>(planner, p) : upload_linear_weight<float>(planner, p);
  const auto m = static_cast<int>(p.m), n = static_cast<int>(p.n), k = static_cast<int>(p.k);
  Source source;
  source.data = global(p.a, p.m * p.k);
  source.stride = p.k;
  source.channels = k;
  source.vectors = aligned16(p.a) && k % 4 == 0;
  const size_t packed = is_bf16 ? (static_cast<size_t>(p.m * p.k) * sizeof(bf16) + 255) / 256 * 256 : 0;
  planner.reserve_scratch(packed + static_cast<size_t>(p.m * p.n) * sizeof(float));
  return [=, finish = p.finish](Context& context) {
    const cudaStream_t stream = stream_of(context);
    std::byte* scratch = context.scratch();
    auto* sums = reinterpret_cast<float*>(scratch + packed);
    const void* a = is_bf16 ? static_cast<const void*>(scratch) : source.data.data();
    if (is_bf16) launch_pack(source, {m, 1, 1, k}, true, scratch, stream);
    const float one = 1, zero = 0;
    // Row-major C[m, n] = A B^T is column-major C^T = B A^T.
    cublas->check(
        cublas->functions().gemm(cublas->handle(), kCublasTranspose, kCublasNoTranspose, n, m, k, &one, weight.get(),
                                 type, k, a, type, k, &zero, sums, kCublasFloat, n, compute, kCublasDefaultAlgorithm),
        "cublasGemmEx");
    launch_linear_finish(finish, global(sums, int64_t{m} * n), 1, m, n, stream);
  };
}

}  // namespace nad::cuda
