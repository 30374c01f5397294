#include "nad/report/report_pictures.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/error.h"
#include "nad/report/png_description.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

ReportPicture read_picture(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> read{std::istreambuf_iterator<char>(file), {}};
  ReportPicture picture{fs::path(path).filename().string(), "", 0, 0, {}};
  const auto* bytes = reinterpret_cast<const std::byte*>(read.data());
  picture.bytes.assign(bytes, bytes + read.size());
  const auto facts = png_facts(picture.bytes);
  if (!facts) throw Error(ErrorKind::data, "picture '" + path + "' is no whole PNG file", "let nad_explain draw it");
  picture.description = facts->description;
  picture.width = facts->width;
  picture.height = facts->height;
  return picture;
}

}  // namespace

bool names_pictures(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return true;
  std::array<char, 4> start{};
  std::ifstream(path, std::ios::binary).read(start.data(), start.size());
  return start == std::array{'\x89', 'P', 'N', 'G'};
}

std::vector<ReportPicture> read_pictures(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {read_picture(path)};
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (entry.is_regular_file(error) && entry.path().extension() == ".png") found.push_back(entry.path().string());
  }
  if (found.empty()) {
    throw Error(ErrorKind::data, "the folder '" + path + "' holds no picture (*.png)",
                "give the folder that nad_explain has drawn into, or files of nad_run and nad_analyse");
  }
  std::sort(found.begin(), found.end());
  std::vector<ReportPicture> pictures;
  for (const std::string& name : found) pictures.push_back(read_picture(name));
  return pictures;
}

}  // namespace nad
