// nad_explain: what a network makes of images, and what its sub-architectures say about that. Exit codes:
// engine/error.h.
#include <iostream>

#include "nad/run/explain.h"
#include "nad/run/explain_options.h"
#include "nad/run/program.h"

namespace {

using namespace nad;

int run(const ExplainOptions& options) {
  Explainer explainer(options);
  explainer.explain_files(std::cerr);
  if (options.mistakes > 0) explainer.explain_mistakes(std::cerr);
  if (options.json) {
    write_explanations_json(explainer.explained(), explainer.names(), std::cout);
  } else {
    for (const ExplainedImage& image : explainer.explained()) write_explanation(image, explainer.names(), std::cout);
  }
  std::cout.flush();
  if (!std::cout) throw Error(ErrorKind::data, "the explanations cannot be written to standard output");
  return explainer.broken() > 0 ? Error(ErrorKind::data, "").exit_code() : 0;
}

const FlagNames kFlags = {
    {Setting::device, "--device"}, {Setting::precision, "--precision"}, {Setting::convolutions, "--conv"},
    {Setting::images, "--data"},   {Setting::output, "--out"},
};

}  // namespace

int main(int argc, char** argv) {
  return run_program("nad_explain", kFlags, [&] {
    const std::optional<ExplainOptions> options = parse_explain_options(argc, argv, std::cout);
    return options ? run(*options) : 0;
  });
}
