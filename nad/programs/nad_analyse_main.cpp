// nad_analyse: what the learnt sub-architectures mean, with the controls that
// decide it (docs/METHOD.md, sections 5 and 5a). Exit codes: engine/error.h.
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "nad/report/analysis_text.h"
#include "nad/run/analyse.h"
#include "nad/run/analyse_options.h"
#include "nad/run/program.h"
#include "nad/run/signals.h"

namespace {

using namespace nad;

int run(const AnalyseOptions& options, const std::string& command) {
  catch_signals();
  Progress progress(stderr, isatty(STDERR_FILENO) == 1, options.quiet, 0);
  const Analysed analysed = analyse(options, command, progress);
  if (options.json) {
    write_analysis_json(analysed.file, options.out, std::cout);
  } else {
    write_analysis_text(analysed.file, std::cout);
  }
  std::cout.flush();
  if (!std::cout)
    throw Error(ErrorKind::data, "the findings cannot be written to standard output", "they are in --out");
  return analysed.exit_code;
}

const FlagNames kFlags = {
    {Setting::device, "--device"},   {Setting::precision, "--precision"}, {Setting::convolutions, "--conv"},
    {Setting::step_size, "--batch"}, {Setting::images, "--data"},         {Setting::output, "--out"},
};

}  // namespace

int main(int argc, char** argv) {
  return run_program("nad_analyse", kFlags, [&] {
    const std::optional<AnalyseOptions> options = parse_analyse_options(argc, argv, std::cout);
    return options ? run(*options, command_line(argc, argv)) : 0;
  });
}
