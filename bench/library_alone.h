// cuDNN's convolutions without the passes that bring their source into its form and finish their sums: what the
// library itself takes, beside what a layer by it takes.
#pragma once

#include "engine/ops.h"

namespace nad::bench {

#ifdef NAD_CUDA
// The table with those convolutions. Results are not those of the op: for times only. PRECOND: a CUDA device's table,
// planned in a context whose scratch memory is filled before the kernel runs (device_inputs.h).
OpTable with_library_alone(OpTable table);
#else
inline OpTable with_library_alone(OpTable table) { return table; }
#endif

}  // namespace nad::bench
