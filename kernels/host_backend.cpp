#include "kernels/host_backend.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

#include "engine/error.h"
#include "engine/parallel.h"
#include "kernels/cpu/isa.h"

namespace nad {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kLarge = 2 * kHugePage;  // from here on a block is a mapping of its own, in huge pages
constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// The value of "key: value" or "key value" lines, as in /proc files; empty if absent.
std::string find_line(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const size_t value = line.find_first_not_of(" \t:", key.size());
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

// The number a file holds, or `fallback` where there is no file or it says "max".
size_t read_number(const std::string& path, size_t fallback) {
  std::ifstream file(path);
  size_t value = 0;
  return file >> value ? value : fallback;
}

size_t machine_free() {
  std::istringstream text(find_line("/proc/meminfo", "MemAvailable"));
  size_t kib = 0;
  return text >> kib ? kib * 1024 : kNoLimit;
}

// Limit minus use of one memory cgroup. Cached files count as used there but are given back on demand.
size_t cgroup_free(const std::string& folder, const char* limit_name, const char* use_name, const char* cache_key) {
  const size_t limit = read_number(folder + "/" + limit_name, kNoLimit);
  if (limit >= kNoLimit / 4) return kNoLimit;  // version 1 says "no limit" with a huge number
  const size_t use = read_number(folder + "/" + use_name, 0);
  std::istringstream text(find_line(folder + "/memory.stat", cache_key));
  size_t cache = 0;
  text >> cache;
  const size_t held = use - std::min(use, cache);
  return limit - std::min(limit, held);
}

// The least of the limits of this process' cgroup and all of its ancestors (version 2 or 1).
size_t cgroups_free() {
  size_t least = kNoLimit;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty();
    if (!version2 && controllers != "memory") continue;
    std::string path = line.substr(second + 1);
    while (true) {
      if (path == "/") path.clear();
      const size_t free = version2
                              ? cgroup_free("/sys/fs/cgroup" + path, "memory.max", "memory.current", "inactive_file")
                              : cgroup_free("/sys/fs/cgroup/memory" + path, "memory.limit_in_bytes",
                                            "memory.usage_in_bytes", "total_inactive_file");
      least = std::min(least, free);
      if (path.empty()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return least;
}

// Zero pages that exist already: the first pass of a step would otherwise pay for every page fault.
void populate(std::byte* data, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  if (madvise(data, bytes, MADV_POPULATE_WRITE) == 0) return;
#endif
  for (size_t i = 0; i < bytes; i += 4096) data[i] = std::byte{0};
}

// A mapping that starts on a huge page. Null if the system refuses.
std::byte* map_huge(size_t bytes) {
  const size_t wanted = bytes + kHugePage;
  void* raw = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(raw);
  const size_t before = round_up(reinterpret_cast<uintptr_t>(raw), kHugePage) - reinterpret_cast<uintptr_t>(raw);
  if (before) munmap(begin, before);
  if (kHugePage - before) munmap(begin + before + bytes, kHugePage - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);  // a system without huge pages works too
  populate(begin + before, bytes);
  return begin + before;
}

}  // namespace

HostBackend::HostBackend(std::string name, const OpTable& ops, const LearningOps& learning,
                         std::vector<Precision> precisions, int threads, std::string bf16_note)
    : name_(std::move(name)),
      ops_(ops),
      learning_(learning),
      precisions_(std::move(precisions)),
      bf16_note_(std::move(bf16_note)) {
  set_threads(threads);
}

std::string HostBackend::description() const {
  const std::string model = find_line("/proc/cpuinfo", "model name");
  const int threads = max_threads();
  return (model.empty() ? "unknown processor" : model) + ", " + cpu::isa_description() + ", " +
         std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

bool HostBackend::supports(Precision precision) const {
  return std::find(precisions_.begin(), precisions_.end(), precision) != precisions_.end();
}

size_t HostBackend::free_bytes() const { return std::min(machine_free(), cgroups_free()); }

Buffer HostBackend::allocate(size_t bytes) {
  const auto refuse = [&]() {
    return Error(ErrorKind::memory,
                 name_ + ": out of memory, " + std::to_string(bytes) + " bytes wanted, " +
                     std::to_string(free_bytes()) + " bytes free",
                 "use a smaller batch or fewer classes per step", Setting::step_size);
  };
  if (bytes < kLarge) {
    const size_t size = round_up(std::max<size_t>(bytes, 1), kAlignment);
    auto* data = static_cast<std::byte*>(std::aligned_alloc(kAlignment, size));
    if (!data) throw refuse();
    std::memset(data, 0, size);
    return Buffer(data, [](std::byte* p) { std::free(p); });
  }
  if (bytes > free_bytes()) throw refuse();
  const size_t size = round_up(bytes, kHugePage);
  std::byte* data = map_huge(size);
  if (!data) throw refuse();
  return Buffer(data, [size](std::byte* p) { munmap(p, size); });
}

void HostBackend::upload(void* to, const void* from, size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}

void HostBackend::copy(void* to, const void* from, size_t bytes) { upload(to, from, bytes); }

void HostBackend::download(void* to, const void* from, size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}

}  // namespace nad
