#include "nad/run/device_options.h"

#include <CLI/CLI.hpp>

#include "nad/run/flag_values.h"
#include "nad/run/network.h"

namespace nad {

void DeviceFlags::declare(CLI::App& app) {
  app.add_option("--device", device_, "auto (default), cpu, cuda, cuda:I or reference")->type_name("NAME");
  app.add_option("--precision", precision_, "fp32 (default), bf16 or, on cuda, tf32")->type_name("NAME");
  app.add_option("--threads", threads_, "threads of the processor; 0 (default): one for each core")->type_name("N");
  app.add_option("--conv", conv_,
                 "cuda: handwritten kernels (default), cudnn (and cuBLAS), or auto: the faster one for each layer")
      ->type_name("NAME");
}

void DeviceFlags::convert(DeviceOptions* o) const {
  if (device_) o->device = *device_;
  if (precision_) o->precision = parse_precision(*precision_);
  if (threads_) o->threads = whole_number<int>("--threads", *threads_, 0, 4096);
  if (conv_) o->conv = parse_conv_choice(*conv_);
}

std::unique_ptr<Context> take_device(const DeviceOptions& o) {
  return std::make_unique<Context>(make_backend(o.device, BackendOptions{o.threads, o.graph, o.conv}), o.precision);
}

}  // namespace nad
