// Where a program's images lie: flags that all have that take an image folder.
#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace nad {

struct ImageOptions {
  std::string data;      // image folder; empty = the images packed into the weights file
  std::string val_list;  // the classes of the images in DIR/val (nad/images/list_source.h); empty = its folders
};

// The flags --data and --val-list.
class ImageFlags {
 public:
  // The object must outlive the app's parsing. folder: what --data is, "image folder, DIR/val/<class>/*".
  void declare(CLI::App& app, const std::string& folder);
  // Throws Error(usage) for empty names, and for a list without a folder.
  void convert(ImageOptions* options) const;

 private:
  std::optional<std::string> data_, val_list_;  // as typed
};

}  // namespace nad
