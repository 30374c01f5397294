// Weights as a tile reads them: [panel of 16 output channels][kh][kw][i][16]. Channels that do not exist are 0, so that
// a tile need not ask.
#pragma once

#include <vector>

#include "engine/ops.h"

namespace nad::ladder {

inline constexpr int64_t kPanel = 16;

inline int64_t panel_floats(int64_t channels) { return 9 * channels * kPanel; }

inline std::vector<float> pack_panels(const HostTensor& weight) {
  const int64_t outputs = weight.shape[0], channels = weight.shape[1], panels = (outputs + kPanel - 1) / kPanel;
  std::vector<float> packed(static_cast<size_t>(panels * panel_floats(channels)));
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t i = 0; i < channels; ++i) {
      for (int64_t tap = 0; tap < 9; ++tap) {
        const int64_t to = ((o / kPanel * 9 + tap) * channels + i) * kPanel + o % kPanel;
        packed[static_cast<size_t>(to)] = weight.data[static_cast<size_t>((o * channels + i) * 9 + tap)];
      }
    }
  }
  return packed;
}

}  // namespace nad::ladder
