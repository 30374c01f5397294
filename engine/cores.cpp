#include "engine/cores.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>
#include <vector>

namespace nad {
namespace {

// Where a hierarchy of control groups is mounted, and which of its groups is seen there.
struct Mount {
  std::string group, folder;
};

std::vector<std::string> words_of(const std::string& line, char separator = ' ') {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; std::getline(in, word, separator);) words.push_back(word);
  return words;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Spaces and the like are written as \ and three octal digits (proc(5), mountinfo).
std::string unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool octal = text[i] == '\\' && i + 3 < text.size() &&
                       std::all_of(&text[i + 1], &text[i + 4], [](char c) { return c >= '0' && c <= '7'; });
    out +=
        octal ? static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0') : text[i];
    if (octal) i += 3;
  }
  return out;
}

// The mounts of version 2 (controller empty), or those of version 1 that have the controller.
std::vector<Mount> find_mounts(const std::string& root, const std::string& controller) {
  std::vector<Mount> mounts;
  std::ifstream in(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t dash = line.find(" - ");  // between them any number of optional fields
    if (dash == std::string::npos) continue;
    const auto before = words_of(line.substr(0, dash)), after = words_of(line.substr(dash + 3));
    if (before.size() < 5 || after.size() < 3) continue;
    const bool fits = controller.empty() ? after[0] == "cgroup2"
                                         : after[0] == "cgroup" && contains(words_of(after[2], ','), controller);
    if (fits) mounts.push_back({unescape(before[3]), root + unescape(before[4])});
  }
  return mounts;
}

// quota microseconds of every period, in cores.
std::optional<int> to_cores(int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<int>(std::min<int64_t>((quota - 1) / period + 1, std::numeric_limits<int>::max()));
}

// cpu.max: "max 100000" or "150000 100000".
std::optional<int> read_quota_v2(const std::string& folder) {
  int64_t quota = 0, period = 0;
  if (!(std::ifstream(folder + "/cpu.max") >> quota >> period)) return std::nullopt;
  return to_cores(quota, period);
}

// cpu.cfs_quota_us, -1 for none, of cpu.cfs_period_us.
std::optional<int> read_quota_v1(const std::string& folder) {
  int64_t quota = 0, period = 0;
  if (!(std::ifstream(folder + "/cpu.cfs_quota_us") >> quota)) return std::nullopt;
  if (!(std::ifstream(folder + "/cpu.cfs_period_us") >> period)) return std::nullopt;
  return to_cores(quota, period);
}

template <class Read>
void tighten(std::optional<int>& least, const Mount& mount, const std::string& group, Read&& read) {
  // A group outside of what is mounted ("/../other", or a
  // container's that sees only itself as the top): the mount alone.
  const std::string top = mount.group == "/" ? "" : mount.group;
  const bool inside = (group + "/").rfind(top + "/", 0) == 0 && group.find("/..") == std::string::npos;
  std::string below = inside && group != "/" ? group.substr(top.size()) : "";
  for (;; below.resize(below.rfind('/'))) {
    if (const auto cores = read(mount.folder + below)) least = std::min(*cores, least.value_or(*cores));
    if (below.empty()) break;
  }
}

}  // namespace

std::optional<int> cpu_quota(const std::string& root) {
  std::optional<int> least;
  std::ifstream in(root + "/proc/self/cgroup");  // lines "4:cpu,cpuacct:/group"; version 2: "0::/group"
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) {
      for (const Mount& mount : find_mounts(root, "")) tighten(least, mount, group, read_quota_v2);
    } else if (contains(words_of(controllers, ','), "cpu")) {
      for (const Mount& mount : find_mounts(root, "cpu")) tighten(least, mount, group, read_quota_v1);
    }
  }
  return least;
}

static int cores_of_mask() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));  // more cores than the mask has bits
}

// OMP_NUM_THREADS: "4", or "4,2" for nested teams, of which there are none here. 0 where it says nothing.
static int threads_of_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  return text == nullptr ? 0 : std::max(0, std::atoi(text));
}

int available_cores() {
  const int cores = cores_of_mask();
  return std::min(cores, cpu_quota().value_or(cores));
}

int default_threads() {
  const int cores = available_cores(), asked = threads_of_environment();
  return asked > 0 ? std::min(asked, cores) : cores;
}

std::string describe_cores() {
  const int all = cores_of_mask(), available = available_cores();
  if (default_threads() < available) return "OMP_NUM_THREADS";
  if (available == all) return "all cores";
  return "CPU quota of " + std::to_string(available) + (available == 1 ? " core, " : " cores, ") +
         std::to_string(all) + " are here";
}

}  // namespace nad
