#include "nad/run/image_options.h"

#include <CLI/CLI.hpp>

#include "nad/run/flag_values.h"

namespace nad {

void ImageFlags::declare(CLI::App& app, const std::string& folder) {
  app.add_option("--data", data_, folder + "; default: images packed into the weights file")->type_name("DIR");
  app.add_option("--val-list", val_list_,
                 "list of the classes of the images in DIR/val: a line NAME CLASS each (weights/FORMAT.md)")
      ->type_name("FILE");
}

void ImageFlags::convert(ImageOptions* o) const {
  if (data_) o->data = given_name("--data", *data_, "an image folder, or no --data for the packed images");
  if (val_list_)
    o->val_list = given_name("--val-list", *val_list_, "a list of classes, or no --val-list for DIR/val/<class>/*");
  if (!o->val_list.empty() && o->data.empty()) throw Error(ErrorKind::usage, "--val-list needs --data");
}

}  // namespace nad
