// What every backend checks of an op's arguments while planning: shapes that belong together, the sizes of the
// parameters, and that nothing needed is missing. Each throws Error(device) that names the op and the shapes.
// What only one backend cannot do is for that backend to say.
#pragma once

#include <string>

#include "engine/ops.h"

namespace nad {

void check_args(const Conv2dArgs& args);
void check_args(const Conv2dBackwardArgs& args);
void check_args(const Conv2dMaxPoolArgs& args);
void check_args(const Conv2dMaxPoolBackwardArgs& args);
void check_args(const LinearArgs& args);
void check_args(const LinearBackwardArgs& args);
void check_args(const PointwiseArgs& args);
void check_args(const PointwiseBackwardArgs& args);
void check_args(const GateArgs& args);
void check_args(const EpilogueBackwardArgs& args);
void check_args(const MaxPoolArgs& args);
void check_args(const MaxPoolBackwardArgs& args);
void check_args(const AvgPoolArgs& args);
void check_args(const AvgPoolBackwardArgs& args);
void check_args(const AdaptivePoolArgs& args);
void check_args(const AdaptivePoolBackwardArgs& args);
void check_args(const BatchNormArgs& args);

// What those checks are made of, for ops beside the table.
namespace checks {

[[noreturn]] void fail(const std::string& op, const std::string& text);
void require(bool ok, const char* op, const char* text);
// A view with memory, positive extents and a pixel stride that holds its channels.
void check_view(const char* op, const char* name, const CTensor& t);
void check_shape(const char* op, const char* name, const CTensor& t, const Shape& expected);

}  // namespace checks

}  // namespace nad
