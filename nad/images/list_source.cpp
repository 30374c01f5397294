#include "nad/images/list_source.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

#include "engine/error.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHint =
    "a line is an image's name and its class (an index from 0 or an id), or a class id for each image of DIR/val";

std::vector<std::string> fields_of(std::string line) {
  if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a byte order mark
  std::vector<std::string> fields;
  size_t at = 0;
  while (fields.size() < 2 && (at = line.find_first_not_of(" \t\r,", at)) != std::string::npos) {
    const size_t end = std::min(line.find_first_of(" \t\r,", at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
  return fields;
}

// The lines of the list; its header, where it is Kaggle's, and empty lines are left out. [number, fields]
std::vector<std::pair<int64_t, std::vector<std::string>>> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::error_code ignored;
  if (!file || fs::is_directory(path, ignored))
    throw Error(ErrorKind::data, "the list of val images " + path + " cannot be read", kHint);
  std::vector<std::pair<int64_t, std::vector<std::string>>> lines;
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    std::vector<std::string> fields = fields_of(line);
    if (!fields.empty() && fields[0] != "ImageId") lines.emplace_back(number, std::move(fields));
  }
  if (lines.empty()) throw Error(ErrorKind::data, "the list of val images " + path + " is empty", kHint);
  return lines;
}

// The class that a word names: an id, which need not be one of the network's, or an index from 0. Empty for a number that
// is neither.
std::string class_of(const std::string& word, const std::vector<std::string>& classes,
                     const std::set<std::string>& known, bool index_allowed) {
  if (known.count(word)) return word;
  size_t index = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), index);
  const bool number = error == std::errc() && end == word.data() + word.size();
  if (!number) return word;
  return index_allowed && index < classes.size() ? classes[index] : "";
}

std::string path_of(const fs::path& folder, std::string name) {
  name.erase(0, name.find_first_not_of('/'));
  std::error_code ignored;
  for (const char* inside : {"val", ""}) {
    for (const char* ending : {"", ".JPEG"}) {
      const fs::path path = folder / inside / (name + ending);
      if (fs::is_regular_file(path, ignored)) return path.string();
    }
  }
  return (folder / "val" / name).string();  // reported as broken when its class is read
}

}  // namespace

ListSource::ListSource(const std::string& folder, const std::string& list, const std::vector<std::string>& ids)
    : list_(list) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) throw Error(ErrorKind::data, "no image folder " + folder, kHint);
  if (fs::is_directory(fs::path(folder) / "train", ignored)) train_ = std::make_unique<FolderSource>(folder);
  const std::vector<std::string> names = !ids.empty() || !train_ ? ids : train_->classes("train");
  const std::set<std::string> known(names.begin(), names.end());
  const auto lines = read_lines(list);
  const bool named = lines.front().second.size() > 1;
  std::vector<std::string> files;
  if (!named) {
    files = image_files((fs::path(folder) / "val").string());
    if (files.size() != lines.size())
      throw Error(ErrorKind::data,
                  "the list of val images " + list + " has " + std::to_string(lines.size()) +
                      " classes, but there are " + std::to_string(files.size()) + " images in " +
                      (fs::path(folder) / "val").string(),
                  kHint);
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto& [number, fields] = lines[i];
    const std::string& word = fields.back();
    const std::string source_class = class_of(word, names, known, named);
    const std::string where = "the list of val images " + list + ", line " + std::to_string(number) + ": ";
    if (fields.size() != (named ? 2 : 1) || source_class.empty())
      throw Error(ErrorKind::data, where + "'" + word + "' is no class of the network",
                  named ? kHint : "ILSVRC's own numbers are no indices: weights/val_list.py makes a list of them");
    const std::string& name = named ? fields.front() : files[i];
    if (!seen.insert(name).second) throw Error(ErrorKind::data, where + name + " is named twice", kHint);
    paths_[source_class].push_back(path_of(folder, name));
  }
  if (std::none_of(paths_.begin(), paths_.end(), [&](const auto& entry) { return known.count(entry.first) > 0; }))
    throw Error(ErrorKind::data,
                "the list of val images " + list + " has no class of the network, the first is '" +
                    paths_.begin()->first + "'",
                kHint);
  for (auto& [source_class, paths] : paths_) std::sort(paths.begin(), paths.end());
}

bool ListSource::has_split(const std::string& split) const {
  return split == "val" || (train_ && train_->has_split(split));
}

std::vector<std::string> ListSource::classes(const std::string& split) const {
  if (split != "val") {
    if (train_) return train_->classes(split);
    throw Error(ErrorKind::data, "there is no image folder for the split " + split, kHint);
  }
  std::vector<std::string> names;
  for (const auto& entry : paths_) names.push_back(entry.first);
  return names;
}

std::vector<EncodedImage> ListSource::load(const std::string& split, const std::string& source_class) const {
  if (split != "val") return train_ ? train_->load(split, source_class) : std::vector<EncodedImage>();
  std::vector<EncodedImage> images;
  const auto found = paths_.find(source_class);
  if (found == paths_.end()) return images;
  for (const std::string& path : found->second) images.push_back(read_image_file(path));
  return images;
}

std::vector<EncodedImage> ListSource::load(const std::string& split, const std::string& source_class,
                                           const std::vector<int64_t>& which) const {
  if (split != "val") return train_ ? train_->load(split, source_class, which) : std::vector<EncodedImage>();
  std::vector<EncodedImage> images;
  for (const int64_t i : which) images.push_back(read_image_file(paths_.at(source_class).at(static_cast<size_t>(i))));
  return images;
}

int64_t ListSource::count(const std::string& split, const std::string& source_class) const {
  if (split != "val") return train_ ? train_->count(split, source_class) : 0;
  const auto found = paths_.find(source_class);
  return found == paths_.end() ? 0 : static_cast<int64_t>(found->second.size());
}

EndingCounts ListSource::unread(const std::string& split, const std::string& source_class) const {
  return split != "val" && train_ ? train_->unread(split, source_class) : EndingCounts();
}

std::string ListSource::where(const std::string& split, const std::string& source_class) const {
  if (split == "val" || !train_) return list_ + " (class " + source_class + ")";
  return train_->where(split, source_class);
}

std::unique_ptr<ImageSource> open_folder(const std::string& folder, const std::string& val_list,
                                         const std::vector<std::string>& ids) {
  if (val_list.empty()) return std::make_unique<FolderSource>(folder);
  return std::make_unique<ListSource>(folder, val_list, ids);
}

}  // namespace nad
