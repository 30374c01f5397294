// One program at a time works on a file.
#pragma once

#include <string>

namespace nad {

// Holds PATH.lock for as long as it lives and removes it then. A lock left behind by a killed program does not count:
// the kernel gave it back with the process. On file systems without locks nothing is held.
class FileLock {
 public:
  FileLock() = default;
  // Throws Error(usage) where another program holds the lock. `what` begins the message, as in "results file".
  FileLock(const std::string& path, const std::string& what);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;

 private:
  std::string path_;  // of the lock; empty: none is held
  int file_ = -1;
};

}  // namespace nad
