// Checks at planning: what an op cannot take is named here, never found out in a replay.
#pragma once

#include <string>

#include "engine/error.h"
#include "engine/ops.h"

namespace nad::cpu {

inline void require(bool condition, const char* op, const std::string& expected) {
  if (condition) return;
  throw Error(ErrorKind::device, std::string("cpu ") + op + ": expected " + expected,
              "this is a mistake in the network's description; the reference backend has the same limits");
}

inline void require_shape(const char* op, const char* name, const Shape& got, const Shape& want) {
  require(got == want, op, std::string(name) + " of shape " + to_string(want) + ", got " + to_string(got));
}

inline void require_channels(const char* op, const char* name, const Param& param, int64_t channels) {
  if (!param) return;
  require(param->count() == channels, op,
          std::string(name) + " of " + std::to_string(channels) + " channels, got " + std::to_string(param->count()));
}

}  // namespace nad::cpu
