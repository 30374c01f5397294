// --negative-classes: which classes the others are shown images of (objective `specific`; docs/METHOD.md, 5a.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nad {

enum class NegativeClasses : uint8_t { all, even, odd };

// "all", "even", "odd". Throws Error(usage).
NegativeClasses parse_negative_classes(const std::string& name);
std::string to_string(NegativeClasses which);

// source_class without the classes that are not shown, which become "". [classes of the network], the source's name of
// each, "" where it has none. even, odd: the rank of a class's name among all names, from 0.
std::vector<std::string> shown_classes(std::vector<std::string> source_class, NegativeClasses which);

}  // namespace nad
