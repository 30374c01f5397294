// Where and how exactly a program computes: flags that every program has.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/context.h"
#include "kernels/backends.h"

namespace CLI {
class App;
}

namespace nad {

struct DeviceOptions {
  std::string device = "auto";
  Precision precision = Precision::fp32;
  int threads = 0;    // 0 = all cores
  bool graph = true;  // a CUDA step runs as one captured graph
  ConvChoice conv = ConvChoice::handwritten;
};

// The flags --device, --precision, --threads and --conv.
class DeviceFlags {
 public:
  void declare(CLI::App& app);  // the object must outlive the app's parsing
  // Throws Error(usage) for values that are not one of the known ones or out of range.
  void convert(DeviceOptions* options) const;

 private:
  std::optional<std::string> device_, precision_, threads_, conv_;  // as typed
};

// Throws Error(device) where the device, the precision or a
// library is not available, Error(usage) for an unknown name.
std::unique_ptr<Context> take_device(const DeviceOptions& options);

}  // namespace nad
