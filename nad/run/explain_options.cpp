#include "nad/run/explain_options.h"

#include <CLI/CLI.hpp>
#include <limits>

#include "nad/images/images.h"
#include "nad/run/flag_values.h"
#include "nad/run/program.h"

namespace nad {

std::optional<ExplainOptions> parse_explain_options(int argc, const char* const* argv, std::ostream& out) {
  CLI::App app(
      "Explains what a network makes of images by its sub-architectures: predictions, the classes whose "
      "sub-architectures are most similar, and where it looks (docs/METHOD.md, section 5)",
      "nad_explain");
  ExplainOptions o;
  DeviceFlags device;
  ImageFlags images;
  std::optional<std::string> label, mistakes, seed, folder;  // as typed
  bool no_pictures = false;
  app.add_option("IMAGE", o.images, "images (" + readable_images() + "); of four, their composite is explained too")
      ->type_name("FILE...");
  app.add_option("--weights", o.weights, "weights file of the network")->type_name("W.h5")->required();
  app.add_option("--results", o.results, "its sub-architectures: a results file of nad_run")
      ->type_name("R.h5")
      ->required();
  app.add_option("--label", label, "class that the images show: id, index or name; default: their folders' names")
      ->type_name("CLASS");
  app.add_option("--mistakes", mistakes, "choose so many val images that the network misjudges, and make a gallery")
      ->type_name("N");
  images.declare(app, "for --mistakes: image folder, DIR/val/<class>/*");
  app.add_option("--seed", seed, "of that choice; default: 233")->type_name("N");
  app.add_option("--out", folder, "folder for the pictures (IMAGE_maps.png, ...); default: explained")
      ->type_name("DIR");
  app.add_flag("--no-pictures", no_pictures, "words only");
  app.add_flag("--json", o.json, "print JSON instead of text");
  device.declare(app);
  if (!parse_flags(app, argc, argv, out)) return std::nullopt;
  device.convert(&o);
  images.convert(&o);
  o.pictures = !no_pictures;
  if (label) o.label = given_name("--label", *label, "a class, or no --label for the folders' names");
  if (folder) o.out = given_name("--out", *folder, "a folder, or no --out for the default");
  if (mistakes) o.mistakes = whole_number<int64_t>("--mistakes", *mistakes, 1, 1000);
  if (seed) o.seed = whole_number<uint64_t>("--seed", *seed, 0, std::numeric_limits<uint64_t>::max());
  if (o.images.empty() && o.mistakes == 0)
    throw Error(ErrorKind::usage, "there is nothing to explain", "give images, or --mistakes N");
  if (!o.data.empty() && !mistakes) throw Error(ErrorKind::usage, "--data needs --mistakes");
  return o;
}

}  // namespace nad
