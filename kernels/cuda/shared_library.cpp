#include "kernels/cuda/shared_library.h"

#include <dlfcn.h>

#include <cstdlib>

namespace nad::cuda {

SharedLibrary::SharedLibrary(const char* variable, const std::string& name) {
  const char* file = std::getenv(variable);
  name_ = file && *file ? file : name;
  library_ = dlopen(name_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_) return;
  const char* why = dlerror();
  problem_ = why ? why : name_ + " cannot be opened";
}

void* SharedLibrary::address(const char* symbol) {
  if (!library_) return nullptr;
  void* found = dlsym(library_, symbol);
  if (!found && problem_.empty()) problem_ = name_ + " has no " + symbol;
  return found;
}

}  // namespace nad::cuda
