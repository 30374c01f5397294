// Errors with kinds. Libraries throw nad::Error and never exit; main() maps the kind to the exit code.
// A message is one line: what went wrong, where, what was expected; the hint says what to do about it.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace nad {

enum class ErrorKind : int {
  usage = 2,         // bad flag or flag value
  data = 3,          // bad weights file, image, folder or results file
  device = 4,        // device or operation not available
  not_finite = 5,    // NaN or infinity where a number was expected
  memory = 6,        // out of memory
  interrupted = 130  // stopped by a signal after saving
};

// What a hint is about, where a user can set it. Libraries know no flags: a program adds the names of its own.
enum class Setting : uint8_t { none, device, precision, convolutions, step_size, images, output };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text, const std::string& hint = "", Setting setting = Setting::none)
      : std::runtime_error(hint.empty() ? text : text + "; " + hint), kind_(kind), setting_(setting) {}
  ErrorKind kind() const { return kind_; }
  Setting setting() const { return setting_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
  Setting setting_;
};

}  // namespace nad
