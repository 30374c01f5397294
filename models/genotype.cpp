#include "models/genotype.h"

#include <array>
#include <charconv>

#include "models/checked_attributes.h"

namespace nad {
namespace {

struct Named {
  const char* name;
  Primitive primitive;
  int64_t kernel;
};

constexpr std::array<Named, 10> kPrimitives = {{
    {"none", Primitive::none, 0},
    {"max_pool_3x3", Primitive::max_pool, 3},
    {"avg_pool_3x3", Primitive::avg_pool, 3},
    {"skip_connect", Primitive::skip, 0},
    {"sep_conv_3x3", Primitive::separable, 3},
    {"sep_conv_5x5", Primitive::separable, 5},
    {"sep_conv_7x7", Primitive::separable, 7},
    {"dil_conv_3x3", Primitive::dilated, 3},
    {"dil_conv_5x5", Primitive::dilated, 5},
    {"conv_7x1_1x7", Primitive::conv_7x1_1x7, 7},
}};

const std::vector<std::string>& darts_v2(bool normal) {
  static const std::vector<std::string> normal_edges = {"sep_conv_3x3:0", "sep_conv_3x3:1", "sep_conv_3x3:0",
                                                        "sep_conv_3x3:1", "sep_conv_3x3:1", "skip_connect:0",
                                                        "skip_connect:0", "dil_conv_3x3:2"};
  static const std::vector<std::string> reduce_edges = {"max_pool_3x3:0", "max_pool_3x3:1", "skip_connect:2",
                                                        "max_pool_3x3:1", "max_pool_3x3:0", "skip_connect:2",
                                                        "skip_connect:2", "max_pool_3x3:1"};
  return normal ? normal_edges : reduce_edges;
}

// "sep_conv_3x3:0". `states`: how many exist before this edge's node.
Edge parse_edge(const std::string& attribute, const std::string& text, int64_t states) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const std::string number = colon == std::string::npos ? "" : text.substr(colon + 1);
  Edge edge;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), edge.source);
  if (number.empty() || error != std::errc() || end != number.data() + number.size()) {
    bad_attribute(attribute, "holds '" + text + "', expected operation:state as in 'sep_conv_3x3:0'");
  }
  if (edge.source < 0 || edge.source >= states) {
    bad_attribute(attribute, "holds '" + text + "', its state must be 0 to " + std::to_string(states - 1));
  }
  for (const Named& known : kPrimitives) {
    if (name != known.name) continue;
    edge.primitive = known.primitive;
    edge.kernel = known.kernel;
    return edge;
  }
  std::string names;
  for (const Named& known : kPrimitives) names += std::string(names.empty() ? "" : ", ") + known.name;
  bad_attribute(attribute, "holds the unknown operation '" + name + "', known are " + names);
}

}  // namespace

Genotype read_genotype(const Attributes& attributes, const std::string& kind) {
  const bool normal = kind == "normal";
  const std::string name = "genotype_" + kind, concat_name = name + "_concat";
  const auto texts = attributes.get<std::vector<std::string>>(name, darts_v2(normal));
  if (texts.empty() || texts.size() % 2 != 0 || texts.size() > 64) {
    bad_attribute(name, "has " + std::to_string(texts.size()) + " operations, expected two per node");
  }
  Genotype genotype;
  for (size_t i = 0; i < texts.size(); ++i) {
    genotype.edges.push_back(parse_edge(name, texts[i], 2 + static_cast<int64_t>(i / 2)));
  }
  genotype.concat = attributes.get<std::vector<int64_t>>(concat_name, {2, 3, 4, 5});
  const int64_t first = normal ? 0 : 2;  // a reduction cell's inputs are larger than its output
  if (genotype.concat.empty()) bad_attribute(concat_name, "is empty");
  for (const int64_t state : genotype.concat) {
    if (state < first || state >= 2 + genotype.nodes()) {
      bad_attribute(concat_name, "holds " + std::to_string(state) + ", expected states from " +
                                     std::to_string(first) + " to " + std::to_string(1 + genotype.nodes()));
    }
  }
  return genotype;
}

}  // namespace nad
