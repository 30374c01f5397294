// What every program shares: how it reads its command line, says its version, and ends.
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <string>

#include "engine/error.h"

namespace CLI {
class App;
}

namespace nad {

std::string program_version(const std::string& name);  // "nad_run 0.1.0"

// As a shell would take it again.
std::string command_line(int argc, const char* const* argv);

// Reads the flags that were declared, --help and --version. False where the program is done: one of those was asked
// for and written to `out`. Throws Error(usage).
bool parse_flags(CLI::App& app, int argc, const char* const* argv, std::ostream& out);

// The flags of a program by what they set: added to an error whose hint is about that.
using FlagNames = std::map<Setting, std::string>;

// "cpu: out of memory ...; use a smaller batch (--batch)" in one line.
std::string error_line(const Error& error, const FlagNames& flags);

// Runs a program. An error becomes one line on stderr that begins
// with the program's name, and its exit code (engine/error.h).
int run_program(const std::string& name, const FlagNames& flags, const std::function<int()>& body);

}  // namespace nad
