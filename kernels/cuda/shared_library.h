// A library that may be absent: opened when a program runs, so that the same program works with and without it.
#pragma once

#include <string>

namespace nad::cuda {

class SharedLibrary {
 public:
  // Opens the file that the environment variable names, or, where that is not set, the library `name`.
  // A library is never closed again: kernels hold what it returned.
  SharedLibrary(const char* variable, const std::string& name);
  // Why it cannot be used, in one line, or "": not found, or a function that find() was asked for is missing.
  const std::string& problem() const { return problem_; }

  template <class Function>
  void find(Function*& function, const char* symbol) {
    function = reinterpret_cast<Function*>(address(symbol));
  }

 private:
  void* address(const char* symbol);

  std::string name_, problem_;
  void* library_ = nullptr;
};

}  // namespace nad::cuda
