// nad_run: learns the sub-architecture of every class of a frozen network and keeps them in a results file.
// Exit codes: engine/error.h.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <new>

#include "engine/error.h"
#include "nad/run/beta_search.h"
#include "nad/run/progress.h"
#include "nad/run/run.h"
#include "nad/run/run_options.h"
#include "nad/run/run_report.h"
#include "nad/run/run_setup.h"
#include "nad/run/signals.h"

namespace {

using namespace nad;

constexpr int kProfiledSteps = 5;

// The command line as a shell would take it again.
std::string command_line(int argc, const char* const* argv) {
  std::string line;
  for (int i = 0; i < argc; i++) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789_-+=./,:@%") == std::string::npos;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
    line += (i ? " " : "") + (plain ? word : quoted + "'");
  }
  return line;
}

void flush_results() {
  std::cout.flush();
  if (!std::cout)
    throw Error(ErrorKind::data, "the results cannot be written to standard output", "they are in --out");
}

int run(const RunOptions& options, const std::string& command, Progress& progress) {
  const bool learning = !options.dry_run && !options.profile;
  if (learning) catch_signals();
  RunSetup setup = prepare_run(options, command);
  say_banner(setup, progress);

  if (!learning || !all_finished(setup)) {
    const std::unique_ptr<Learner> learner = plan_learner(setup, progress);
    say_memory(setup, *learner, progress);
    if (options.dry_run) return 0;
    Run work(setup, *learner, progress);
    if (options.profile) {
      write_profile(work.profile(kProfiledSteps), std::cout);
      flush_results();
      return 0;
    }
    if (beta_search_due(setup)) search_beta(setup, *learner, progress);
    work.learn();
  }
  options.json ? write_json(setup, std::cout) : write_table(setup, std::cout);
  flush_results();
  const Failures failed = failures(setup);
  if (failed.count > 0)
    progress.warn(std::to_string(failed.count) + " classes failed, the others are in " + setup.out);
  return failed.exit_code;
}

int fail(const std::string& text, ErrorKind kind) {
  std::fprintf(stderr, "nad_run: %s\n", one_line(text).c_str());
  return static_cast<int>(kind);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::optional<RunOptions> options = parse_run_options(argc, argv, std::cout);
    if (!options) return 0;
    Progress progress(stderr, isatty(STDERR_FILENO) == 1, options->quiet, options->log_every);
    return run(*options, command_line(argc, argv), progress);
  } catch (const Error& e) {
    return fail(e.what(), e.kind());
  } catch (const std::bad_alloc&) {
    return fail("out of memory; use a smaller --batch or fewer --classes-per-step", ErrorKind::memory);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "nad_run: internal error: %s\n", one_line(e.what()).c_str());
    return 1;
  }
}
