#include "weights/durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "engine/error.h"

namespace nad {
namespace {

// write() may take less than it is given, and a signal may interrupt it.
bool write_all(int file, const std::byte* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t done = write(file, data, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    data += done;
    bytes -= static_cast<size_t>(done);
  }
  return true;
}

// The rename is on the disk once its folder is. Some file systems cannot flush folders: nothing is lost by that.
void flush_folder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int file = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

}  // namespace

void write_durably(const std::string& path, const std::vector<std::byte>& bytes, const std::string& what) {
  const std::string part = path + kUnfinished;
  const auto fail = [&](int error) {
    unlink(part.c_str());
    throw Error(ErrorKind::data, what + " " + path + " cannot be written: " + std::strerror(error),
                "an earlier file is kept as it was, to go on with; make room or choose another place",
                Setting::output);
  };
  const int file = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) fail(errno);
  const bool written = write_all(file, bytes.data(), bytes.size()) && fsync(file) == 0;
  const int error = errno;
  const bool closed = close(file) == 0;  // a network file system may report the full disk here
  if (!written) fail(error);
  if (!closed) fail(errno);
  if (rename(part.c_str(), path.c_str()) != 0) fail(errno);
  flush_folder(path);
}

std::string follow_links(const std::string& path) {
  namespace fs = std::filesystem;
  constexpr int kMost = 40;  // as the kernel's, against links in a circle
  fs::path place = path;
  std::error_code ignored;
  for (int i = 0; i < kMost && fs::is_symlink(place, ignored); ++i) {
    place = place.parent_path() / fs::read_symlink(place, ignored);  // an absolute target replaces the folder
  }
  return place.string();
}

}  // namespace nad
