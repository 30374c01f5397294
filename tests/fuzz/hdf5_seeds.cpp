// hdf5_seeds DIR: a results file and an analysis, as small as they come, for fuzz_hdf5 to start from.
#include <cstdio>
#include <string>

#include "nad/store/analysis.h"
#include "nad/store/results.h"

namespace {

nad::Results results() {
  nad::Results r;
  r.settings.arch = "vgg16";
  r.settings.objective = "specific";
  r.settings.max_false_alarms = 0.01;
  r.gate_names = {"a", "b"};
  r.channels = {3, 1};
  r.beta_search = {{1, 2}, {0}, {1, 2}, {2, 1}, {1, 2}, {2, 1}, {0, 0}};
  nad::ClassResult c;
  c.id = "n1";
  c.steps = 2;
  c.history.resize(1);
  c.logits = c.sigma = c.moments.mean = c.moments.square = {{-1.5f, 0.25f, 2.5f}, {-1.0f}};
  c.moments.steps = 1;
  c.moments.point.emplace();
  r.classes[0] = c;
  return r;
}

nad::AnalysisFile analysis() {
  nad::Findings f;
  f.key = "k";
  f.facts = {{"images", int64_t{12}}, {"share", 0.1}, {"text", std::string("x")}};
  f.arrays["matrix"] = {{2, 2}, {1, 2, 3, 4}};
  f.table = {{"name", std::vector<std::string>{"a", "b"}}, {"images", std::vector<int64_t>{3, -1}}};
  nad::AnalysisFile file;
  file.networks["n"].analyses["a"] = f;
  return file;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  try {
    nad::write_results(folder + "/results.h5", results());
    nad::write_analysis(folder + "/analysis.h5", analysis());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 3;
  }
}
