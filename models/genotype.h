// The cells of a DARTS network (Liu et al. 2018): which operation joins which states.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/attributes.h"

namespace nad {

enum class Primitive : uint8_t { none, max_pool, avg_pool, skip, separable, dilated, conv_7x1_1x7 };

// An operation on a state. States 0 and 1 are a cell's two inputs, state 2 + i is the sum of edges 2i and 2i + 1.
struct Edge {
  Primitive primitive = Primitive::none;
  int64_t kernel = 0;  // of separable and dilated convolutions
  int64_t source = 0;
};

struct Genotype {
  std::vector<Edge> edges;      // two per node
  std::vector<int64_t> concat;  // the states that make the output, in order
  int64_t nodes() const { return static_cast<int64_t>(edges.size()) / 2; }
};

// From the attributes genotype_<kind> ("sep_conv_3x3:0", ...) and genotype_<kind>_concat; kind: "normal" or "reduce".
// DARTS_V2 where both are absent. Throws Error(data) naming the attribute.
Genotype read_genotype(const Attributes& attributes, const std::string& kind);

}  // namespace nad
