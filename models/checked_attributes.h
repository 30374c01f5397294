// Attributes of an architecture, checked as they are read. Every failure is one Error(data) that names the attribute.
#pragma once

#include <string>
#include <vector>

#include "engine/attributes.h"

namespace nad {

[[noreturn]] void bad_attribute(const std::string& name, const std::string& what);

// An integer from 1 to `most`.
int64_t positive(const Attributes& attributes, const std::string& name, int64_t fallback, int64_t most);

// A list of integers from 1 to `most`, with at least `least_count` elements.
std::vector<int64_t> positives(const Attributes& attributes, const std::string& name,
                               const std::vector<int64_t>& fallback, int64_t most, size_t least_count = 1);

constexpr int64_t kMaxWidth = 1 << 16;  // channels, classes of a hidden layer: far above any network
constexpr int64_t kMaxDepth = 1 << 10;  // blocks of a stage, cells

}  // namespace nad
