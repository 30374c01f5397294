#include "models/checked_attributes.h"

#include "engine/error.h"

namespace nad {
namespace {

void check_range(const std::string& name, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return;
  bad_attribute(name, "holds " + std::to_string(value) + ", expected 1 to " + std::to_string(most));
}

}  // namespace

void bad_attribute(const std::string& name, const std::string& what) {
  throw Error(ErrorKind::data, "weights file: attribute '" + name + "' " + what, "see weights/FORMAT.md");
}

int64_t positive(const Attributes& attributes, const std::string& name, int64_t fallback, int64_t most) {
  const int64_t value = attributes.get<int64_t>(name, fallback);
  check_range(name, value, most);
  return value;
}

std::vector<int64_t> positives(const Attributes& attributes, const std::string& name,
                               const std::vector<int64_t>& fallback, int64_t most, size_t least_count) {
  const std::vector<int64_t> values = attributes.get<std::vector<int64_t>>(name, fallback);
  if (values.size() < least_count) bad_attribute(name, "is empty");
  if (values.size() > static_cast<size_t>(kMaxDepth)) {
    bad_attribute(name,
                  "has " + std::to_string(values.size()) + " values, expected at most " + std::to_string(kMaxDepth));
  }
  for (const int64_t value : values) check_range(name, value, most);
  return values;
}

}  // namespace nad
