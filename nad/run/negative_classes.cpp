#include "nad/run/negative_classes.h"

#include <algorithm>

#include "engine/error.h"

namespace nad {

NegativeClasses parse_negative_classes(const std::string& name) {
  for (NegativeClasses n : {NegativeClasses::all, NegativeClasses::even, NegativeClasses::odd}) {
    if (name == to_string(n)) return n;
  }
  throw Error(ErrorKind::usage, "--negative-classes '" + name + "' is not known", "use all, even or odd");
}

std::string to_string(NegativeClasses which) {
  return which == NegativeClasses::all ? "all" : which == NegativeClasses::even ? "even" : "odd";
}

std::vector<std::string> shown_classes(std::vector<std::string> source_class, NegativeClasses which) {
  if (which == NegativeClasses::all) return source_class;
  const std::vector<std::string> names = source_class;
  for (std::string& name : source_class) {
    const auto rank = std::count_if(names.begin(), names.end(),
                                    [&](const std::string& other) { return !other.empty() && other < name; });
    if ((rank % 2 == 0) != (which == NegativeClasses::even)) name.clear();
  }
  return source_class;
}

}  // namespace nad
