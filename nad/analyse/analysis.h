// The analyses of docs/METHOD.md, sections 5 and 5a: each is a file of this folder that says its name, what it needs
// and how it is made, and is listed once in all_analyses().
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nad/analyse/laboratory.h"
#include "nad/analyse/subject.h"
#include "nad/store/analysis.h"

namespace nad {

struct AnalysisSettings {
  int64_t images_per_class = 0;  // of transfer and object_masks at most; 0: choose
  int64_t pairs = 200'000;       // of a mask and an image that transfer chooses at most
  int64_t draws = 100;           // random masks of a class
  int64_t composites = 1000;
  uint64_t seed = 233;
};

// A network that knows nothing, beside which claims are made (docs/METHOD.md, 5a.6 and 5a.8).
struct Control {
  std::string label;
  const std::map<std::string, Findings>* findings = nullptr;
};

// What an analysis works on.
struct Study {
  const Subject& subject;
  const AnalysisSettings& settings;
  Laboratory* laboratory;                         // the network with its val images, or null
  const std::map<std::string, Findings>& so_far;  // of the same subject
  // Called often, with the share that is done: [0, 1]. May throw to stop.
  std::function<void(double)> progress;
  std::vector<Control> controls = {};  // of the same architecture and objective, by label
};

struct Analysis {
  std::string name, about;
  bool network = false;  // needs the weights and val images
  bool masks = false;    // and masks of the objects in them
  int64_t classes = 1;   // with a sub-architecture, at least
  int64_t runs = 1;      // of the same network and objective, at least
  bool beta_search = false;
  std::string (*settings)(const AnalysisSettings&) = nullptr;  // those it depends on, as a key; null: none
  Findings (*make)(const Study&) = nullptr;
  // Findings of other analyses that it is made from; those come before it in all_analyses().
  std::vector<std::string> from = {};
};

const std::vector<Analysis>& all_analyses();  // in the order in which they are made

// Why it cannot be made, in a few words; empty where it can.
std::string lacking(const Analysis& analysis, const Study& study);
// Whether the study has the network, its val images and the objects' masks, as far as the analysis needs them.
bool at_hand(const Analysis& analysis, const Study& study);

// Findings with this key need not be made again. Of an analysis of the network itself: "MASKS-IMAGES", of one of objects
// "MASKS-IMAGES-OBJECTS". What is not at hand is left out from the end, so that the key begins the whole one.
std::string findings_key(const Analysis& analysis, const Study& study);

// The columns that begin every table of classes: index, id, name.
std::vector<Column> class_columns(const Subject& subject, const std::vector<int64_t>& classes);

// One analysis a file.
extern const Analysis kFig2Accuracy, kTransfer, kFig4Similarity, kTable1Mistakes, kFig6Beta, kFaithfulness,
    kComplement, kRandomMasks, kSizeSweep, kStability, kFig4HitRate, kObjectMasks, kClaims;

}  // namespace nad
