#include "nad/run/analyse_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <ostream>
#include <sstream>

#include "nad/report/text.h"
#include "nad/run/flag_values.h"
#include "nad/run/program.h"
#include "weights/durable_file.h"

namespace nad {
namespace {

struct Texts {
  ImageFlags images;
  std::optional<std::string> masks, out, only, images_per_class, draws, composites, seed, batch;
  DeviceFlags device;
  bool list = false;
};

void declare(CLI::App& app, AnalyseOptions& o, Texts& t) {
  app.add_option("RESULTS", o.results, "results files of nad_run; several starts of a network tell how stable it is")
      ->type_name("R.h5...");
  app.add_option("--weights", o.weights, "the networks' weights files, for what the results alone do not tell")
      ->type_name("W.h5")
      ->allow_extra_args(false);  // one a flag: what follows is RESULTS
  t.images.declare(app, "image folder, DIR/val/<class>/*");
  app.add_option("--masks", t.masks,
                 "where the objects are in the val images: DIR/<class>/<image>.png, grey, white on the object")
      ->type_name("DIR");
  app.add_option(
         "--control", o.controls,
         "analysis files that hold the same networks with random weights, beside which claims are made; those that "
         "are analysed along need no flag")
      ->type_name("A.h5")
      ->allow_extra_args(false);
  app.add_option("--out", t.out, "analysis file; one that is there is gone on with; default: analysis.h5")
      ->type_name("A.h5");
  app.add_option("--only", t.only, "names of analyses, separated by commas; default: all")->type_name("NAMES");
  app.add_flag("--list", t.list, "list the analyses, then stop");
  app.add_option("--images-per-class", t.images_per_class,
                 "val images of a class that every sub-architecture is shown at most; default: 50, or fewer where "
                 "there are many classes")
      ->type_name("N");
  app.add_option("--draws", t.draws, "random masks of each class; default: 100")->type_name("N");
  app.add_option("--composites", t.composites, "composites of four images for the hit rate; default: 1000")
      ->type_name("N");
  app.add_option("--seed", t.seed, "seed of all random draws; default: 233")->type_name("N");
  app.add_option("--batch", t.batch, "samples of a forward pass; default: 32")->type_name("N");
  t.device.declare(app);
  app.add_flag("--json", o.json, "print the findings as JSON instead of lines");
  app.add_flag("--quiet", o.quiet, "print warnings only, no progress");
}

std::vector<std::string> chosen(const std::string& text) {
  std::string known;
  for (const Analysis& a : all_analyses()) known += (known.empty() ? "" : ", ") + a.name;
  std::vector<std::string> names;
  std::istringstream items(text + ",");
  for (std::string item; std::getline(items, item, ',');) {
    const bool found =
        std::any_of(all_analyses().begin(), all_analyses().end(), [&](const Analysis& a) { return a.name == item; });
    if (!found) throw wrong_value("--only", item, "names of analyses: " + known);
    names.push_back(item);
  }
  return names;
}

void convert(const Texts& t, AnalyseOptions& o) {
  constexpr int64_t kMost = 1'000'000;
  t.images.convert(&o);
  if (t.masks) o.masks = given_name("--masks", *t.masks, "a folder of masks, or no --masks");
  if (t.out) o.out = given_name("--out", *t.out, "the name of the analysis file, or no --out for the default");
  o.out = follow_links(o.out);
  if (t.only) o.only = chosen(*t.only);
  AnalysisSettings& s = o.settings;
  if (t.images_per_class)
    s.images_per_class = whole_number<int64_t>("--images-per-class", *t.images_per_class, 1, kMost);
  if (t.draws) s.draws = whole_number<int64_t>("--draws", *t.draws, 1, kMost);
  if (t.composites) s.composites = whole_number<int64_t>("--composites", *t.composites, 1, kMost);
  if (t.seed) s.seed = whole_number<uint64_t>("--seed", *t.seed, 0, std::numeric_limits<uint64_t>::max());
  if (t.batch) o.batch = whole_number<int64_t>("--batch", *t.batch, 1, 65'536);
  t.device.convert(&o);
  if (o.results.empty()) throw Error(ErrorKind::usage, "RESULTS is missing", "give results files of nad_run");
  if (!o.data.empty() && o.weights.empty()) throw Error(ErrorKind::usage, "--data needs --weights");
  if (!o.masks.empty() && o.weights.empty()) throw Error(ErrorKind::usage, "--masks needs --weights");
}

}  // namespace

std::optional<AnalyseOptions> parse_analyse_options(int argc, const char* const* argv, std::ostream& out) {
  CLI::App app("Analyses the sub-architectures that nad_run has learnt (docs/METHOD.md, sections 5 and 5a)",
               "nad_analyse");
  AnalyseOptions options;
  Texts texts;
  declare(app, options, texts);
  if (!parse_flags(app, argc, argv, out)) return std::nullopt;
  if (texts.list) {
    for (const Analysis& a : all_analyses()) {
      out << cell(a.name, 17) << a.about
          << (a.masks     ? "; needs --weights, val images and --masks"
              : a.network ? "; needs --weights and val images"
                          : "")
          << "\n";
    }
    return std::nullopt;
  }
  convert(texts, options);
  return options;
}

}  // namespace nad
