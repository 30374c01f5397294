// What nad_run knows before it takes a device: files opened, names matched, defaults resolved. Made once, constant
// from then on; what changes while a run goes on is in nad/run/run_state.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/models.h"
#include "nad/images/augment.h"
#include "nad/images/dataset.h"
#include "nad/run/class_selection.h"
#include "nad/run/network.h"
#include "nad/run/run_options.h"
#include "nad/store/file_lock.h"
#include "weights/weights.h"

namespace nad {

struct RunSetup {
  RunOptions options;
  std::unique_ptr<WeightsFile> weights;
  NetworkDescription network;
  std::vector<GateInfo> gates;
  Preprocessing preprocessing;
  std::unique_ptr<ImageSource> source;
  std::string source_name;                    // for the banner
  std::vector<std::string> val_class;         // [classes of the network], its val images' class in the source, or ""
  size_t train_classes = 0, val_classes = 0;  // classes of the source in each split
  std::vector<ClassTask> classes;             // to learn
  std::vector<std::string> shown_class;       // [classes of the network], those whose images others are shown, or ""
  ObjectiveDefaults defaults;
  std::vector<double> beta_grid;   // what --beta auto tries; empty without it
  std::string out;                 // the results file, links followed
  FileLock lock;                   // on it
  std::vector<std::string> notes;  // worth a line: folders that are no class, no val split, ...
};

// Throws Error(usage): arch or classes that do not fit, an existing --out without --resume, an --out that another run
// writes to; Error(data): weights or images.
RunSetup prepare_run(const RunOptions& options);

}  // namespace nad
