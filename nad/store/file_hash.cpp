#include "nad/store/file_hash.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "engine/error.h"

namespace nad {

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
