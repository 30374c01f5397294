// The rules of the house, read from the sources: who may include whom, where third-party headers may appear, and that
// an op has the same stem in every folder.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace fs = std::filesystem;

namespace {

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"engine", {"engine"}},
    {"kernels", {"engine", "kernels"}},
    {"models", {"engine", "models"}},
    {"weights", {"engine", "weights"}},
    {"nad", {"engine", "models", "weights", "kernels", "nad"}},
};

// A header, and the only paths (prefixes) that may include it.
const std::map<std::string, std::set<std::string>> kOnlyIn = {
    {"hdf5.h", {"weights/", "nad/results", "tests/"}},
    {"oneapi/dnnl/dnnl.hpp", {"kernels/cpu/"}},
    {"dnnl.hpp", {"kernels/cpu/"}},
    {"cuda_runtime.h", {"kernels/cuda/", "bench/", "tests/host_cuda/", "tests/vendor_model/"}},
    {"cudnn.h", {"tests/test_vendor_interfaces.cpp"}},
    {"cublas_v2.h", {"tests/test_vendor_interfaces.cpp"}},
    {"stb_image.h", {"nad/"}},
};

template <class Visit>
void each_source(Visit&& visit) {
  for (const char* folder : {"engine", "kernels", "models", "weights", "nad", "bench", "tests"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(NAD_SOURCE_DIR) / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".cpp" && extension != ".h" && extension != ".cu" && extension != ".cuh") continue;
      visit(fs::relative(entry.path(), NAD_SOURCE_DIR).generic_string(), entry.path());
    }
  }
}

}  // namespace

TEST_CASE("includes follow the order of the folders") {
  const std::regex include("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"]");
  int files = 0;
  each_source([&](const std::string& name, const fs::path& path) {
    ++files;
    const std::string folder = name.substr(0, name.find('/'));
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string header = match[1];
      CAPTURE(name);
      CAPTURE(header);
      const auto allowed = kMayInclude.find(folder);
      const std::string from = header.substr(0, header.find('/'));
      if (allowed != kMayInclude.end() && kMayInclude.count(from)) CHECK(allowed->second.count(from) == 1);
      const auto only = kOnlyIn.find(header);
      if (only == kOnlyIn.end()) continue;
      bool fine = false;
      for (const std::string& prefix : only->second) fine = fine || name.rfind(prefix, 0) == 0;
      CHECK(fine);
    }
  });
  CHECK(files > 50);
}

TEST_CASE("every op has its stem in every backend's folder") {
  for (const char* op : {"conv2d", "conv2d_max_pool", "linear", "pointwise", "gate", "epilogue_backward", "max_pool",
                         "avg_pool", "adaptive_pool", "batch_norm", "gate_statistics"}) {
    CAPTURE(op);
    CHECK(fs::exists(fs::path(NAD_SOURCE_DIR) / "kernels/reference" / (std::string(op) + ".cpp")));
    CHECK(fs::exists(fs::path(NAD_SOURCE_DIR) / "kernels/cpu" / (std::string(op) + ".cpp")));
  }
}
