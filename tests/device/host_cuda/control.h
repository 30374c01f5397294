// Stands for tests/host_cuda/include/host_cuda/control.h where a test runs on a GPU: the order of lanes and blocks is
// the device's own, as is that of streams, so "in another order" is "in another run" here.
#pragma once

namespace host_cuda {

enum class Order { ascending, descending, shuffled };

struct Settings {
  Order lanes = Order::ascending, blocks = Order::ascending;
  bool late_first = false;
};
inline Settings& settings() {
  static Settings unused;
  return unused;
}
inline void reset() { settings() = {}; }

}  // namespace host_cuda
