// How many cores the process may use: its affinity mask, and the CPU quota that a container sets (control groups,
// versions 1 and 2), of which the mask knows nothing.
#pragma once

#include <optional>
#include <string>

namespace nad {

// The CPU quota in cores, a part of a core counted as one: the tightest of the process's control group and all groups
// above it that can be seen. Nothing where none is set. root stands for "/": root + "/proc/self/cgroup" is read.
std::optional<int> cpu_quota(const std::string& root = "");

// Cores of the affinity mask, at most the quota, at least 1.
int available_cores();

// Threads where nobody says how many: the cores, at most OMP_NUM_THREADS where that is set.
int default_threads();

// For people: why default_threads() is what it is: "all cores", "CPU quota of 2 cores, 64 are here" or "OMP_NUM_THREADS".
std::string describe_cores();

}  // namespace nad
