// --classes: which classes of the network a run learns.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "nad/images/dataset.h"

namespace nad {

struct ClassTask {
  int64_t index = 0;                         // in the network's outputs
  std::string id, name;                      // of the weights file; where it has none: source_class
  std::string source_class;                  // its name in the image source; empty where that lacks it
  int64_t train_images = 0, val_images = 0;  // that the source lists; broken ones are found later
};

std::string class_label(const ClassTask& task);  // "217 n02102040" or, where there is no id, "217"

// text: comma-separated class ids, indices and ranges of indices ("0-9", both ends included), or "all": every class
// that the source has. An item that is both an id and an index is the id. Classes come in the order given, each once.
// ids and names are the network's, in class order, or empty. Throws Error(usage) for an index out of range, an
// unknown id, an empty item.
std::vector<ClassTask> select_classes(const std::string& text, const ClassMatch& match,
                                      const std::vector<std::string>& ids, const std::vector<std::string>& names);

// The ids in `text` that read as an index but are another class's: (id, its class).
std::vector<std::pair<std::string, int64_t>> ids_like_indices(const std::string& text,
                                                              const std::vector<std::string>& ids);

}  // namespace nad
