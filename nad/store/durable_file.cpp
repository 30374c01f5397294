#include "nad/store/durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

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
  const std::string part = path + ".part";
  const auto fail = [&](int error) {
    unlink(part.c_str());
    throw Error(ErrorKind::data, what + " " + path + " cannot be written: " + std::strerror(error),
                "an earlier file is kept as it was; make room or choose another --out, then use --resume");
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

uint64_t hash_bytes(uint64_t hash, const void* data, size_t bytes) {
  const auto* byte = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ byte[i]) * 0x100000001B3ull;
  return hash;
}

std::string hexadecimal(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string file_hash(const std::string& path) {
  const auto fail = [&]() { return Error(ErrorKind::data, "cannot read " + path + ": " + std::strerror(errno)); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw fail();
  std::vector<unsigned char> block(size_t{1} << 20);
  uint64_t hash = kHashStart;
  while (const size_t count = std::fread(block.data(), 1, block.size(), file.get())) {
    hash = hash_bytes(hash, block.data(), count);
  }
  if (std::ferror(file.get())) throw fail();
  return hexadecimal(hash);
}

}  // namespace nad
