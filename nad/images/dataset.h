// Where the images of a class come from, which class of the network they belong to, and the decoded class that
// is kept while the class is learnt.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nad/images/images.h"
#include "weights/encoded_image.h"

namespace nad {

class WeightsFile;

// Files that lie beside images and are not read, by their ending (".heic"; empty where there is none).
using EndingCounts = std::map<std::string, int64_t>;

// "12 files are not read: 10 .heic, 2 without ending"; empty where there are none.
std::string to_text(const EndingCounts& unread);

// A collection of encoded images: split ("train" or "val"), then class. Used by one thread at a time.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual bool has_split(const std::string& split) const = 0;
  // The classes of a split in sorted order. Throws Error(data) where the source has no such split.
  virtual std::vector<std::string> classes(const std::string& split) const = 0;
  // The images of a class, sorted by name; none where the class is absent or empty.
  virtual std::vector<EncodedImage> load(const std::string& split, const std::string& source_class) const = 0;
  // Some of them: `which` holds their places in load()'s order, ascending. Throws Error(data) beyond the last: the
  // folder has changed since it was counted.
  virtual std::vector<EncodedImage> load(const std::string& split, const std::string& source_class,
                                         const std::vector<int64_t>& which) const = 0;
  // How many load() would return, without reading them: some may turn out to be broken.
  virtual int64_t count(const std::string& split, const std::string& source_class) const = 0;
  // What lies beside a class's images and is not read.
  virtual EndingCounts unread(const std::string&, const std::string&) const { return {}; }
  // For messages: where the images of a class lie.
  virtual std::string where(const std::string& split, const std::string& source_class) const = 0;
};

// DIR/{train,val}/<class>/*: files for which has_image_ending() holds, sorted bytewise by name. Others are counted in
// unread(); names that begin with a dot are ignored. A file that cannot be read is listed without bytes, which the
// decoder reports as a broken image.
class FolderSource : public ImageSource {
 public:
  // Throws Error(data) where the folder, or both of its splits, do not exist.
  explicit FolderSource(const std::string& folder);
  bool has_split(const std::string& split) const override;
  std::vector<std::string> classes(const std::string& split) const override;
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class) const override;
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class,
                                 const std::vector<int64_t>& which) const override;
  int64_t count(const std::string& split, const std::string& source_class) const override;
  EndingCounts unread(const std::string& split, const std::string& source_class) const override;
  std::string where(const std::string& split, const std::string& source_class) const override;

 private:
  std::vector<std::string> names(const std::string& split, const std::string& source_class) const;

  std::string folder_;
};

// The files of a folder that FolderSource would list, in its order; none where the folder does not exist. Throws
// Error(data) where it cannot be read.
std::vector<std::string> image_files(const std::string& folder);

// A file's bytes, none where it cannot be read. Its name is the path.
EncodedImage read_image_file(const std::string& path);

// The sample images packed into a weights file, which must outlive the source.
class PackedSource : public ImageSource {
 public:
  // Throws Error(data) where the file has no images.
  explicit PackedSource(const WeightsFile& file);
  bool has_split(const std::string& split) const override;
  std::vector<std::string> classes(const std::string& split) const override;
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class) const override;
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class,
                                 const std::vector<int64_t>& which) const override;
  int64_t count(const std::string& split, const std::string& source_class) const override;
  std::string where(const std::string& split, const std::string& source_class) const override;

 private:
  const WeightsFile& file_;
};

// ImageSource::count(), 0 where the folder cannot be read.
int64_t count_readable(const ImageSource& source, const std::string& split, const std::string& source_class);

// ImageSource::unread(), nothing where the folder cannot be read.
EndingCounts unread_of(const ImageSource& source, const std::string& split, const std::string& source_class);

// The source's class for each class of the network.
struct ClassMatch {
  std::vector<std::string> source_class;  // [num_classes]; empty where the source has no such class
  std::vector<std::string> ignored;       // classes of the source that are none of the network's
};

// found: the source's classes, sorted. ids: the network's class ids in class order, or empty.
// With ids a source class belongs to the class with that id; without them the sorted order is the class order.
// Throws Error(data) where nothing matches, or where there are no ids and the counts differ.
ClassMatch match_classes(const std::vector<std::string>& found, const std::vector<std::string>& ids,
                         int64_t num_classes);

struct DecodedImages {
  std::vector<Image> images;       // without the broken ones
  std::vector<std::string> names;  // of each
  int64_t broken = 0;
};

// Decodes on `workers` threads (at least one), in the order given. Every broken image is handed to `report` as one
// line, in order and on the calling thread, counted and left out.
DecodedImages decode_images(std::vector<EncodedImage> encoded, int workers,
                            const std::function<void(const std::string&)>& report);

// The classes of `found` for each id, empty where there is none of that name. [ids]
std::vector<std::string> classes_by_id(const std::vector<std::string>& found, const std::vector<std::string>& ids);

// One class in memory. images and names run in the source's order, without the broken images.
struct DecodedClass {
  int64_t index = 0;         // in the network's outputs
  std::string source_class;  // its name there, which keys its random draws
  std::vector<Image> images;
  std::vector<std::string> names;
  int64_t broken = 0;
};

// Loads and decodes a class (decode_images). Throws Error(data) where no image is left.
DecodedClass decode_class(const ImageSource& source, const std::string& split, int64_t index,
                          const std::string& source_class, int workers,
                          const std::function<void(const std::string&)>& report);

}  // namespace nad
