#include "nad/images/dataset.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <system_error>
#include <thread>

#include "engine/error.h"
#include "weights/weights.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSplits[] = {"train", "val"};
std::string layout_hint() { return "images lie in DIR/{train,val}/<class>/ and end in " + image_endings(); }

// Names in a folder, sorted, for which keep(entry) holds.
template <class Keep>
std::vector<std::string> list(const fs::path& folder, Keep&& keep) {
  std::vector<std::string> names;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name[0] != '.' && keep(entry)) names.push_back(name);
    }
  } catch (const fs::filesystem_error& e) {
    throw Error(ErrorKind::data, "cannot read the folder " + folder.string() + ": " + e.code().message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// A link to nothing counts as an image, a broken one; folders, pipes and devices do not.
bool is_image_file(const fs::directory_entry& entry) {
  std::error_code ignored;
  const fs::file_type type = entry.status(ignored).type();
  return has_image_ending(entry.path().filename().string()) &&
         (type == fs::file_type::regular || type == fs::file_type::not_found);
}

std::vector<uint8_t> read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  std::vector<uint8_t> bytes(static_cast<size_t>(std::max<std::streamoff>(0, file.tellg())));
  file.seekg(0);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()))) return {};
  return bytes;
}

std::string first_few(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 3; i++) text += (i ? ", " : "") + names[i];
  return names.size() > 3 ? text + ", ..." : text;
}

Error changed(const std::string& where) {
  return Error(ErrorKind::data, where + " has fewer images than a moment ago",
               "leave the images alone while they are read");
}

// body(0), ..., body(n - 1), each once, on several threads. body does not throw.
template <class Body>
void share_out(size_t n, int workers, Body&& body) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < n; i = next++) body(i);
  };
  std::vector<std::jthread> threads;
  for (size_t t = 1; t < std::min(n, static_cast<size_t>(std::max(1, workers))); t++) threads.emplace_back(work);
  work();
}

}  // namespace

std::vector<std::string> image_files(const std::string& folder) {
  std::error_code ignored;
  return fs::exists(folder, ignored) ? list(folder, is_image_file) : std::vector<std::string>();
}

EncodedImage read_image_file(const std::string& path) { return {path, read_bytes(path)}; }

FolderSource::FolderSource(const std::string& folder) : folder_(folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder_, ignored)) throw Error(ErrorKind::data, "no image folder " + folder_, layout_hint());
  if (!has_split(kSplits[0]) && !has_split(kSplits[1])) {
    throw Error(ErrorKind::data, "the image folder " + folder_ + " has neither train nor val", layout_hint());
  }
}

bool FolderSource::has_split(const std::string& split) const {
  std::error_code ignored;
  return fs::is_directory(fs::path(folder_) / split, ignored);
}

std::vector<std::string> FolderSource::classes(const std::string& split) const {
  const fs::path folder = fs::path(folder_) / split;
  if (!has_split(split)) throw Error(ErrorKind::data, "no image folder " + folder.string(), layout_hint());
  return list(folder, [](const fs::directory_entry& entry) {
    std::error_code ignored;
    return entry.is_directory(ignored);
  });
}

std::vector<std::string> FolderSource::names(const std::string& split, const std::string& source_class) const {
  return image_files(where(split, source_class));
}

std::vector<EncodedImage> FolderSource::load(const std::string& split, const std::string& source_class) const {
  std::vector<int64_t> all(names(split, source_class).size());
  std::iota(all.begin(), all.end(), int64_t{0});
  return load(split, source_class, all);
}

std::vector<EncodedImage> FolderSource::load(const std::string& split, const std::string& source_class,
                                             const std::vector<int64_t>& which) const {
  const fs::path folder = fs::path(folder_) / split / source_class;
  const std::vector<std::string> found = names(split, source_class);
  std::vector<EncodedImage> images;
  for (const int64_t i : which) {
    if (i >= static_cast<int64_t>(found.size())) throw changed(folder.string());
    images.push_back(read_image_file((folder / found[static_cast<size_t>(i)]).string()));
  }
  return images;
}

int64_t FolderSource::count(const std::string& split, const std::string& source_class) const {
  return static_cast<int64_t>(names(split, source_class).size());
}

EndingCounts FolderSource::unread(const std::string& split, const std::string& source_class) const {
  EndingCounts counts;
  std::error_code ignored;
  if (!fs::exists(where(split, source_class), ignored)) return counts;
  list(where(split, source_class), [&](const fs::directory_entry& entry) {
    const bool other = !is_image_file(entry) && entry.is_regular_file(ignored);
    if (other) counts[entry.path().extension().string()]++;
    return other;
  });
  return counts;
}

std::string FolderSource::where(const std::string& split, const std::string& source_class) const {
  return (fs::path(folder_) / split / source_class).string();
}

PackedSource::PackedSource(const WeightsFile& file) : file_(file) {
  if (!file_.has_images()) {
    throw Error(ErrorKind::data, file_.path() + " has no packed images",
                "give an image folder, or pack images into the file with weights/convert.py", Setting::images);
  }
}

bool PackedSource::has_split(const std::string& split) const { return !file_.image_classes(split).empty(); }

std::vector<std::string> PackedSource::classes(const std::string& split) const {
  std::vector<std::string> found = file_.image_classes(split);
  if (found.empty()) throw Error(ErrorKind::data, file_.path() + " has no packed images of the split " + split);
  return found;
}

std::vector<EncodedImage> PackedSource::load(const std::string& split, const std::string& source_class) const {
  std::vector<EncodedImage> images = file_.images(split, source_class);
  for (EncodedImage& image : images) image.name = where(split, source_class) + "/" + image.name;
  return images;
}

std::vector<EncodedImage> PackedSource::load(const std::string& split, const std::string& source_class,
                                             const std::vector<int64_t>& which) const {
  std::vector<EncodedImage> all = load(split, source_class), images;
  for (const int64_t i : which) {
    if (i >= static_cast<int64_t>(all.size())) throw changed(where(split, source_class));
    images.push_back(std::move(all[static_cast<size_t>(i)]));
  }
  return images;
}

int64_t PackedSource::count(const std::string& split, const std::string& source_class) const {
  return file_.image_count(split, source_class);
}

std::string PackedSource::where(const std::string& split, const std::string& source_class) const {
  return file_.path() + ":" + split + "/" + source_class;
}

int64_t count_readable(const ImageSource& source, const std::string& split, const std::string& source_class) {
  try {
    return source.count(split, source_class);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data) throw;
    return 0;
  }
}

EndingCounts unread_of(const ImageSource& source, const std::string& split, const std::string& source_class) {
  try {
    return source.unread(split, source_class);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data) throw;
    return {};
  }
}

std::string to_text(const EndingCounts& unread) {
  int64_t files = 0;
  std::string text;
  for (const auto& [ending, count] : unread) {
    files += count;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + (ending.empty() ? "without ending" : ending);
  }
  if (files == 0) return "";
  return std::to_string(files) + (files == 1 ? " file is" : " files are") + " not read: " + text;
}

ClassMatch match_classes(const std::vector<std::string>& found, const std::vector<std::string>& ids,
                         int64_t num_classes) {
  if (ids.empty()) {
    if (static_cast<int64_t>(found.size()) == num_classes) return {found, {}};
    throw Error(
        ErrorKind::data,
        "the network has " + std::to_string(num_classes) + " classes and no class ids, but there are " +
            std::to_string(found.size()) + " class folders",
        "without ids the sorted folders are the classes, so the numbers must be equal; or convert the weights "
        "with the list of their classes");
  }
  ClassMatch match{std::vector<std::string>(static_cast<size_t>(num_classes)), {}};
  for (const std::string& name : found) {
    const auto id = std::find(ids.begin(), ids.end(), name);
    if (id == ids.end()) {
      match.ignored.push_back(name);
    } else {
      match.source_class.at(static_cast<size_t>(id - ids.begin())) = name;
    }
  }
  if (match.ignored.size() == found.size()) {
    throw Error(ErrorKind::data,
                "none of the " + std::to_string(found.size()) + " class folders (" + first_few(found) +
                    ") is a class id of the network (" + first_few(ids) + ")",
                "name the folders by the network's class ids");
  }
  return match;
}

std::vector<std::string> classes_by_id(const std::vector<std::string>& found, const std::vector<std::string>& ids) {
  std::vector<std::string> result(ids.size());
  for (size_t k = 0; k < ids.size(); k++) {
    if (std::find(found.begin(), found.end(), ids[k]) != found.end()) result[k] = ids[k];
  }
  return result;
}

DecodedImages decode_images(std::vector<EncodedImage> encoded, int workers,
                            const std::function<void(const std::string&)>& report) {
  std::vector<Image> images(encoded.size());
  std::vector<std::exception_ptr> errors(encoded.size());
  share_out(encoded.size(), workers, [&](size_t i) {
    try {
      images[i] = decode_image(encoded[i]);
      encoded[i].bytes = {};
    } catch (...) {
      errors[i] = std::current_exception();
    }
  });

  DecodedImages decoded;
  for (size_t i = 0; i < encoded.size(); i++) {
    if (!errors[i]) {
      decoded.images.push_back(std::move(images[i]));
      decoded.names.push_back(std::move(encoded[i].name));
      continue;
    }
    try {
      std::rethrow_exception(errors[i]);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      decoded.broken++;
      if (report) report(e.what());
    }
  }
  return decoded;
}

DecodedClass decode_class(const ImageSource& source, const std::string& split, int64_t index,
                          const std::string& source_class, int workers,
                          const std::function<void(const std::string&)>& report) {
  DecodedImages decoded = decode_images(source.load(split, source_class), workers, report);
  if (!decoded.images.empty()) {
    return {index, source_class, std::move(decoded.images), std::move(decoded.names), decoded.broken};
  }
  const std::string unread = to_text(unread_of(source, split, source_class));
  throw Error(ErrorKind::data,
              "class " + std::to_string(index) + " (" + source_class + "): no image to use in " +
                  source.where(split, source_class) + " (" + std::to_string(decoded.broken) + " broken" +
                  (unread.empty() ? "" : "; " + unread) + ")",
              layout_hint());
}

}  // namespace nad
