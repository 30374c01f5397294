#include "nad/run/program.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>
#include <ostream>

#include "nad/report/text.h"

namespace nad {

std::string program_version(const std::string& name) { return name + " " + NAD_VERSION; }

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

bool parse_flags(CLI::App& app, int argc, const char* const* argv, std::ostream& out) {
  app.set_version_flag("--version", program_version(app.get_name()), "print the version");
  try {
    app.parse(argc, argv);
    return true;
  } catch (const CLI::CallForHelp&) {
    out << app.help();
  } catch (const CLI::CallForVersion&) {
    out << app.version() << "\n";
  } catch (const CLI::ParseError& e) {
    throw Error(ErrorKind::usage, e.what(), "see " + app.get_name() + " --help");
  }
  return false;
}

std::string error_line(const Error& error, const FlagNames& flags) {
  const auto found = flags.find(error.setting());
  return one_line(error.what()) + (found == flags.end() ? "" : " (" + found->second + ")");
}

int run_program(const std::string& name, const FlagNames& flags, const std::function<int()>& body) {
  const auto fail = [&](const Error& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error_line(error, flags).c_str());
    return error.exit_code();
  };
  try {
    return body();
  } catch (const Error& e) {
    return fail(e);
  } catch (const std::bad_alloc&) {
    return fail(Error(ErrorKind::memory, "out of memory", "use a smaller batch or fewer classes per step",
                      Setting::step_size));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: internal error: %s\n", name.c_str(), one_line(e.what()).c_str());
    return 1;
  }
}

}  // namespace nad
