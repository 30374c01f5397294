// The documents of the repository name what is there: links lead to files, paths in backquotes exist, and the
// functions that docs/ARCHITECTURE.md lists are in the files that it lists them under.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = NAD_SOURCE_DIR;
const char* const kDocuments[] = {"README.md",
                                  "docs/ARCHITECTURE.md",
                                  "docs/METHOD.md",
                                  "docs/GPU.md",
                                  "docs/IMAGES.md",
                                  "docs/FINDINGS.md",
                                  "bench/RESULTS.md",
                                  "weights/FORMAT.md",
                                  "tests/peer/README.md",
                                  "weights/demo/README.md"};

std::string read(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path.string(), " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

// Every match's groups, without the whole.
std::vector<std::vector<std::string>> find_all(const std::string& text, const std::string& pattern) {
  std::vector<std::vector<std::string>> found;
  const std::regex expression(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match) {
    found.emplace_back();
    for (size_t group = 1; group < match->size(); ++group) found.back().push_back((*match)[group]);
  }
  return found;
}

// Whether a file or folder has this path from the root; * stands for any characters of the last name.
bool exists(const std::string& path) {
  if (path.find('*') == std::string::npos) return fs::exists(kRoot / path);
  const fs::path pattern(path);
  if (!fs::is_directory(kRoot / pattern.parent_path())) return false;
  std::string expression;
  for (const char c : pattern.filename().string()) {
    if (c == '*') {
      expression += ".*";
    } else {
      if (c == '.') expression += '\\';
      expression += c;
    }
  }
  for (const auto& entry : fs::directory_iterator(kRoot / pattern.parent_path())) {
    if (std::regex_match(entry.path().filename().string(), std::regex(expression))) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("links of documents lead to files of the repository") {
  for (const char* document : kDocuments) {
    CAPTURE(std::string(document));
    for (const auto& link : find_all(read(kRoot / document), R"(\]\(([^)\s#]+)[^)]*\))")) {
      if (link[0].rfind("http", 0) == 0) continue;
      CAPTURE(link[0]);
      const fs::path target = fs::weakly_canonical((kRoot / document).parent_path() / link[0]);
      CHECK(fs::exists(target));
      CHECK(target.string().rfind(fs::weakly_canonical(kRoot).string(), 0) == 0);
    }
  }
}

TEST_CASE("paths that documents name exist") {
  const std::string folders = "engine|kernels|models|nad|weights|bench|tests|scripts|docs|cmake";
  for (const char* document : kDocuments) {
    CAPTURE(std::string(document));
    for (const auto& path : find_all(read(kRoot / document), "`((?:" + folders + ")/[\\w./*]*)`")) {
      CAPTURE(path[0]);
      CHECK(exists(path[0]));
    }
  }
}

TEST_CASE("functions that docs/ARCHITECTURE.md lists are in their files") {
  const auto listed = find_all(read(kRoot / "docs/ARCHITECTURE.md"), R"(\n\d+\. `([\w./]+)`: `([\w:~]+)`)");
  CHECK(listed.size() > 10);
  for (const auto& entry : listed) {
    const std::string &file = entry[0], &function = entry[1];
    CAPTURE(file);
    CAPTURE(function);
    CHECK(read(kRoot / file).find(function) != std::string::npos);
  }
}
