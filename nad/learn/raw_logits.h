// The logits of raw images after the weights file's own preparation: how a converted network is compared with the
// framework that it comes from (weights/convert.py --verify).
#pragma once

#include <vector>

#include "engine/context.h"
#include "engine/tape.h"
#include "nad/images/augment.h"
#include "weights/replay_case.h"

namespace nad {

// images: [count, height, width, 3], evaluated as nad_run evaluates (Preprocessor::evaluate) and run through the network
// as it stands. Returns [count, K]. Throws what Preprocessor, Plan and GatedForward throw.
std::vector<float> raw_logits(Context& context, const Tape& network, const RawImages& images,
                              const Preprocessing& preprocessing);

}  // namespace nad
