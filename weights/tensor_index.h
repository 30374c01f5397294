// The tensors under /weights: which there are, and reading one as float32 whatever form it is stored in (values or
// a recipe, see weights/FORMAT.md). Private to weights/.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "weights/hdf5_reader.h"

namespace nad {

struct StoredTensor {
  std::vector<int64_t> shape;
  std::string dtype;                 // as found: "float32", "float16", "recipe", or something that is not read
  std::string location;              // of the dataset, from the root of the file
  float bound = 0;                   // recipe: values are drawn from [-bound, bound)
  std::optional<uint64_t> checksum;  // recipe: of the drawn values

  bool readable() const { return dtype == "float32" || dtype == "float16" || dtype == "recipe"; }
};

// What reading one tensor found. `detail` says more where the kind alone does not.
enum class ReadProblem { none, unreadable, wrong_checksum, not_finite };
struct ReadResult {
  ReadProblem problem = ReadProblem::none;
  std::string detail;
};

class TensorIndex {
 public:
  // Lists /weights. Throws Error(data) where it is absent or a recipe is incomplete; `where` begins the message.
  TensorIndex(hid_t file, const std::string& where);

  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }

  // Precondition: readable(), and a shape that the caller found right, so that its size can be allocated.
  ReadResult read(hid_t file, const std::string& name, const StoredTensor& stored, HostTensor* out) const;

 private:
  void add_values(hid_t group, const std::string& location, const std::string& where);
  void add_recipes(hid_t group, const std::string& location, const std::string& where);

  std::map<std::string, StoredTensor> tensors_;
  uint64_t seed_ = 0;
};

// "[64, 3, 7, 7]"
std::string to_string(const std::vector<int64_t>& shape);

}  // namespace nad
