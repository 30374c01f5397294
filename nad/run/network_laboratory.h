// From the files that nad_analyse is given to the laboratory of a network.
#pragma once

#include <memory>
#include <string>

#include "nad/analyse/laboratory.h"
#include "nad/run/analyse_options.h"
#include "nad/run/progress.h"
#include "weights/weights.h"

namespace nad {

// Owns what a laboratory refers to.
struct NetworkLaboratory {
  std::unique_ptr<WeightsFile> weights;
  std::unique_ptr<ImageSource> images;
  std::unique_ptr<ObjectMasks> masks;
  std::unique_ptr<Context> context;
  std::unique_ptr<Laboratory> laboratory;  // null where there are no val images
};

// Throws Error(data) where weights, images or masks cannot be read, or no class of --data is the network's, Error(device), Error(memory).
NetworkLaboratory open_laboratory(const AnalyseOptions& options, const std::string& weights, Progress& progress);

}  // namespace nad
