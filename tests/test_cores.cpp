// The CPU quota of control groups, read from folders that look like a system's.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/cores.h"
#include "engine/parallel.h"

namespace fs = std::filesystem;
using namespace nad;

namespace {

const std::string kV2 = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
const std::string kV1 =
    "30 25 0:26 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:4 master:1 - cgroup cgroup rw,cpu,cpuacct\n";

// A folder that stands for "/".
class Root {
 public:
  Root(const std::string& cgroup, const std::string& mountinfo) {
    std::string name = (fs::temp_directory_path() / "nad_cores_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    write("/proc/self/cgroup", cgroup);
    write("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n" + mountinfo);
  }
  ~Root() { fs::remove_all(path_); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  void write(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(path_ + file).parent_path());
    std::ofstream(path_ + file) << text;
  }
  void write_v1(const std::string& folder, const std::string& quota, const std::string& period = "100000") {
    write(folder + "/cpu.cfs_quota_us", quota + "\n");
    write(folder + "/cpu.cfs_period_us", period + "\n");
  }
  int quota() const { return cpu_quota(path_).value_or(0); }  // 0: none

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("version 2: cpu.max of the group, a part of a core is one") {
  Root root("0::/job\n", kV2);
  const std::string file = "/sys/fs/cgroup/job/cpu.max";
  CHECK(root.quota() == 0);  // the controller is not enabled: no file
  root.write(file, "max 100000\n");
  CHECK(root.quota() == 0);
  root.write(file, "400000 100000\n");
  CHECK(root.quota() == 4);
  root.write(file, "150000 100000\n");
  CHECK(root.quota() == 2);
  root.write(file, "1000 100000\n");
  CHECK(root.quota() == 1);
  root.write(file, "9000000000000000000 1\n");
  CHECK(root.quota() > 1000000);
  for (const char* text : {"", "?\n", "100000", "0 100000\n", "100000 0\n", "-5 100000\n"}) {
    CAPTURE(text);
    root.write(file, text);
    CHECK(root.quota() == 0);
  }
}

TEST_CASE("version 2: the tightest of the groups above") {
  Root root("0::/a/b/c\n", kV2);
  root.write("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
  root.write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  CHECK(root.quota() == 8);
  root.write("/sys/fs/cgroup/a/cpu.max", "60000 20000\n");
  CHECK(root.quota() == 3);
  root.write("/sys/fs/cgroup/cpu.max", "200000 100000\n");  // a container's top, which is somebody's group
  CHECK(root.quota() == 2);
  root.write("/sys/fs/cgroup/other/cpu.max", "100000 100000\n");
  CHECK(root.quota() == 2);
}

TEST_CASE("version 1: the controller cpu, quota and period") {
  Root root("9:cpuset:/set\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/docker/1\n0::/docker/1\n", kV1);
  root.write_v1("/sys/fs/cgroup/cpu,cpuacct/docker/1", "-1");
  CHECK(root.quota() == 0);
  root.write_v1("/sys/fs/cgroup/cpu,cpuacct/docker/1", "250000");
  CHECK(root.quota() == 3);
  root.write_v1("/sys/fs/cgroup/cpu,cpuacct/docker", "50000", "50000");
  CHECK(root.quota() == 1);
}

TEST_CASE("the mount shows a part of the hierarchy") {
  const std::string path = "/sys/fs/cgroup/cpu";
  const std::string mount = "31 25 0:27 /docker/1 " + path + " ro - cgroup cgroup rw,cpu\n";
  SUBCASE("the process is in it") {
    Root root("4:cpu:/docker/1/job\n", mount);
    root.write_v1(path, "200000");
    CHECK(root.quota() == 2);
    root.write_v1(path + "/job", "100000");
    CHECK(root.quota() == 1);
  }
  SUBCASE("the process is at its top") {
    Root root("4:cpu:/docker/1\n", mount);
    root.write_v1(path, "200000");
    CHECK(root.quota() == 2);
  }
  SUBCASE("the process is elsewhere: what the mount's top says holds") {
    for (const char* group : {"/", "/docker/2", "/docker/10", "/../other", "/docker/1/../2"}) {
      CAPTURE(group);
      Root root("4:cpu:" + std::string(group) + "\n", mount);
      root.write_v1(path, "200000");
      CHECK(root.quota() == 2);
    }
  }
}

TEST_CASE("both versions at once, a mount point with a space") {
  Root root("1:cpu:/\n0::/job\n",
            "31 25 0:27 / /groups\\040of\\040cpu rw - cgroup cgroup rw,cpu\n32 25 0:28 / /v2 rw - cgroup2 none rw\n");
  root.write_v1("/groups of cpu", "500000");
  CHECK(root.quota() == 5);
  root.write("/v2/job/cpu.max", "400000 100000\n");
  CHECK(root.quota() == 4);
}

TEST_CASE("no control groups, no /proc") {
  CHECK(Root("", "").quota() == 0);
  CHECK(Root("nonsense\n0:\n", "nonsense - \n").quota() == 0);
  CHECK(!cpu_quota("/nowhere/at/all"));
}

TEST_CASE("this machine") {
  unsetenv("OMP_NUM_THREADS");
  CHECK(available_cores() >= 1);
  CHECK(available_cores() <= cpu_quota().value_or(available_cores()));
  const bool all = describe_cores() == "all cores";
  const bool quota = describe_cores().rfind("CPU quota of " + std::to_string(available_cores()), 0) == 0;
  CHECK(all != quota);
  set_threads(available_cores() + 1);
  CHECK(max_threads() == available_cores() + 1);
  set_threads(0);
  CHECK(max_threads() == available_cores());
  setenv("OMP_NUM_THREADS", "1", 1);
  set_threads(0);
  CHECK(max_threads() == 1);
  if (available_cores() > 1) CHECK(describe_cores() == "OMP_NUM_THREADS");
  setenv("OMP_NUM_THREADS", "1000000", 1);  // more than there are
  CHECK(default_threads() == available_cores());
  setenv("OMP_NUM_THREADS", "many", 1);
  CHECK(default_threads() == available_cores());
}
