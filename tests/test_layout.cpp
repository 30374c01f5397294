// The rules of the house, read from the sources: who may include whom, where third-party headers may appear, and that
// an op has the same stem in every folder.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cctype>
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

// The rooms of nad/, from the ground up: a room may include itself and those that it lists. Only run/ and programs/
// know the command line.
const std::map<std::string, std::set<std::string>> kRoomMayInclude = {
    {"gates", {}},
    {"images", {}},
    {"store", {"gates"}},
    {"learn", {"gates", "images", "store"}},
    {"analyse", {"gates", "images", "store", "learn"}},
    {"report", {"gates", "images", "store", "learn", "analyse"}},
    {"run", {"gates", "images", "store", "learn", "analyse", "report"}},
    {"programs", {"gates", "images", "store", "learn", "analyse", "report", "run"}},
};

// A header, and the only paths (prefixes) that may include it.
const std::map<std::string, std::set<std::string>> kOnlyIn = {
    {"hdf5.h", {"weights/", "nad/store/results", "tests/"}},
    {"oneapi/dnnl/dnnl.hpp", {"kernels/cpu/"}},
    {"dnnl.hpp", {"kernels/cpu/"}},
    {"cuda_runtime.h", {"kernels/cuda/", "bench/", "tests/host_cuda/", "tests/vendor_model/"}},
    {"cudnn.h", {"tests/test_vendor_interfaces.cpp"}},
    {"cublas_v2.h", {"tests/test_vendor_interfaces.cpp"}},
    {"stb_image.h", {"nad/images/decode/"}},
    {"jpeglib.h", {"nad/images/decode/"}},
    {"webp/decode.h", {"nad/images/decode/"}},
    {"webp/demux.h", {"nad/images/decode/"}},
    {"gif_lib.h", {"nad/images/decode/"}},
    {"tiffio.h", {"nad/images/decode/"}},
    {"zlib.h", {"nad/images/decode/"}},
    {"stb_image_write.h", {"nad/report/"}},
    {"stb_easy_font.h", {"nad/report/"}},
    {"CLI/CLI.hpp", {"nad/run/", "nad/programs/", "bench/"}},
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

// Calls visit(name of the file, what it includes) for every include line of the sources.
template <class Visit>
void each_include(Visit&& visit) {
  const std::regex include("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"]");
  each_source([&](const std::string& name, const fs::path& path) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      std::smatch match;
      if (std::regex_search(line, match, include)) visit(name, match[1].str());
    }
  });
}

// "learn" of "nad/learn/learner.h"; empty for a path that is not in a room.
std::string room_of(const std::string& path) {
  const size_t end = path.rfind("nad/", 0) == 0 ? path.find('/', 4) : std::string::npos;
  return end == std::string::npos ? "" : path.substr(4, end - 4);
}

// Whether a line has a string literal with a flag in it, as in "--batch". What follows // outside a literal is no code.
bool names_a_flag(const std::string& line) {
  bool inside = false;
  for (size_t i = 0; i < line.size(); i++) {
    if (line[i] == '"' && (i == 0 || line[i - 1] != '\'')) inside = !inside;
    if (inside && line[i] == '\\') i++;
    if (!inside && line.compare(i, 2, "//") == 0) return false;
    if (inside && line.compare(i, 2, "--") == 0 && i + 2 < line.size() &&
        std::islower(static_cast<unsigned char>(line[i + 2])))
      return true;
  }
  return false;
}

std::string text_of(const std::string& name) {
  std::ifstream in(fs::path(NAD_SOURCE_DIR) / name);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The stems of the op tables: an op and its backward form share theirs.
std::set<std::string> ops_of_the_tables() {
  const std::string text = text_of("engine/ops.h") + text_of("kernels/learning_ops.h");
  const std::regex entry("Entry<\\w+> (\\w+)");
  std::set<std::string> ops;
  for (std::sregex_iterator i(text.begin(), text.end(), entry), end; i != end; ++i) {
    const std::string op = (*i)[1];
    if (op == "epilogue_backward" || op.find("_backward") == std::string::npos) ops.insert(op);
  }
  return ops;
}

bool has_stem(const std::string& folder, const std::string& stem) {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(NAD_SOURCE_DIR) / folder)) {
    const std::string extension = entry.path().extension().string();
    if (entry.path().stem() == stem && (extension == ".cpp" || extension == ".cu")) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("includes follow the order of the folders") {
  std::set<std::string> files;
  each_include([&](const std::string& name, const std::string& header) {
    files.insert(name);
    CAPTURE(name);
    CAPTURE(header);
    const auto allowed = kMayInclude.find(name.substr(0, name.find('/')));
    const std::string from = header.substr(0, header.find('/'));
    if (allowed != kMayInclude.end() && kMayInclude.count(from)) CHECK(allowed->second.count(from) == 1);
    const auto only = kOnlyIn.find(header);
    if (only == kOnlyIn.end()) return;
    bool fine = false;
    for (const std::string& prefix : only->second) fine = fine || name.rfind(prefix, 0) == 0;
    CHECK(fine);
  });
  CHECK(files.size() > 50);
}

TEST_CASE("the rooms of nad/ build on each other from the ground up") {
  std::set<std::string> seen;
  each_include([&](const std::string& name, const std::string& header) {
    if (name.rfind("nad/", 0) != 0) return;
    CAPTURE(name);
    CAPTURE(header);
    const auto room = kRoomMayInclude.find(room_of(name));
    REQUIRE_MESSAGE(room != kRoomMayInclude.end(), "a file of nad/ that is in none of its rooms");
    seen.insert(room->first);
    const std::string from = room_of(header);
    if (!from.empty() && from != room->first) CHECK(room->second.count(from) == 1);
  });
  CHECK(seen.size() > 5);
}

TEST_CASE("the engine runs any network of gated ops: no word of the method is in it") {
  const std::regex words("objective|original|augment|released|cross.entropy", std::regex::icase);
  int files = 0;
  each_source([&](const std::string& name, const fs::path&) {
    if (name.rfind("engine/", 0) != 0) return;
    CAPTURE(name);
    const std::string text = text_of(name);
    std::smatch found;
    const bool clean = !std::regex_search(text, found, words);
    CHECK_MESSAGE(clean, found.str());
    ++files;
  });
  CHECK(files > 20);
}

TEST_CASE("only the programs, nad/run and the benchmarks know flags") {
  CHECK(names_a_flag("throw Error(\"use a smaller --batch\");"));
  CHECK(names_a_flag("  '\"', \"\\\" --x\""));
  CHECK_FALSE(names_a_flag("f(\"a\");  // as in \"--batch\""));
  CHECK_FALSE(names_a_flag("i--; f(\"a -- b\", n--)"));
  int seen = 0;
  each_source([&](const std::string& name, const fs::path& path) {
    const std::string folder = name.substr(0, name.find('/')), room = room_of(name);
    if (folder == "tests" || folder == "bench" || room == "run" || room == "programs") return;
    seen++;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      CAPTURE(name);
      CAPTURE(line);
      CHECK_FALSE(names_a_flag(line));
    }
  });
  CHECK(seen > 100);
}

TEST_CASE("every op of the tables has its stem in every backend's folder") {
  const std::set<std::string> ops = ops_of_the_tables();
  CHECK(ops.size() > 15);
  CHECK(ops.count("gate_update") == 1);
  const std::string cpu = text_of("kernels/cpu/ops.cpp"), cuda = text_of("kernels/cuda/ops.cpp");
  for (const std::string& op : ops) {
    CAPTURE(op);
    CHECK(has_stem("kernels/reference", op));
    // The CPU takes the reference's form of what touches only a few numbers.
    if (cpu.find("cpu::" + op + ";") != std::string::npos) CHECK(has_stem("kernels/cpu", op));
    // Optional: a backend composes it of conv2d and max_pool.
    if (op != "conv2d_max_pool" || cuda.find(op) != std::string::npos) CHECK(has_stem("kernels/cuda", op));
  }
}
