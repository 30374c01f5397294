#include "nad/store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "engine/error.h"

namespace nad {
namespace {

// Whoever held the lock before may have removed the file between our open and our lock: then it guards nothing.
bool is_still_at(int file, const std::string& path) {
  struct stat opened, there;
  return fstat(file, &opened) == 0 && stat(path.c_str(), &there) == 0 && opened.st_dev == there.st_dev &&
         opened.st_ino == there.st_ino;
}

}  // namespace

FileLock::FileLock(const std::string& path, const std::string& what) : path_(path + ".lock") {
  while (true) {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) break;  // writing the results will say why
    if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
      const bool taken = errno == EWOULDBLOCK;
      close(std::exchange(file_, -1));
      if (!taken) break;
      throw Error(ErrorKind::usage, what + " " + path + " is in use: another run writes to it",
                  "wait until that one has ended, or choose another name");
    }
    if (is_still_at(file_, path_)) return;
    close(std::exchange(file_, -1));
  }
  path_.clear();
}

FileLock::~FileLock() {
  if (file_ < 0) return;
  unlink(path_.c_str());
  close(file_);
}

FileLock::FileLock(FileLock&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  return *this;
}

}  // namespace nad
