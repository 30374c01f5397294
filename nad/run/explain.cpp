#include "nad/run/explain.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>

#include "engine/parallel.h"
#include "nad/analyse/answers.h"
#include "nad/analyse/hit_rate.h"
#include "nad/gates/batch_rows.h"
#include "nad/images/composite.h"
#include "nad/images/list_source.h"
#include "nad/run/network.h"
#include "nad/run/output_place.h"
#include "nad/store/file_hash.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kImagesAPass = 16;     // while mistakes are looked for
constexpr int64_t kLooksAMistake = 100;  // images that are looked through for one mistake at most

Results read_finished(const std::string& path) {
  Results results = read_results(path);
  std::erase_if(results.classes,
                [](const auto& entry) { return !entry.second.finished || entry.second.logits.empty(); });
  if (results.classes.empty())
    throw Error(ErrorKind::data, "results file '" + path + "' holds no finished class", "let nad_run finish one");
  return results;
}

KnownSubArchitectures known_of(const Results& results) {
  KnownSubArchitectures known;
  MaskTable masks(results.channels, static_cast<int64_t>(results.classes.size()));
  for (const auto& [index, result] : results.classes) {
    masks.set(known.count(), result.logits);
    known.classes.push_back(index);
  }
  known.similarity = similarity(masks).matrix;
  return known;
}

// A folder, or what is not there, is an image without bytes: a broken one.
EncodedImage read_file(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return {path, {}};
  std::ifstream in(path, std::ios::binary);
  return {path, {std::istreambuf_iterator<char>(in), {}}};
}

void make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!fs::is_directory(folder))
    throw Error(ErrorKind::usage, "--out '" + folder + "' cannot be made: " + error.message(),
                "choose another place");
}

}  // namespace

Explainer::Explainer(const ExplainOptions& options)
    : options_(options), weights_(options.weights), results_(read_finished(options.results)) {
  const std::string hash = file_hash(options.weights);
  if (results_.settings.weights_hash != hash) {
    throw Error(ErrorKind::usage,
                "--results " + options.results + " was made with other weights (fnv1a " +
                    results_.settings.weights_hash + ", those of --weights have " + hash + ")",
                "give the weights file that nad_run was given");
  }
  const NetworkDescription network = describe(weights_);
  network_size_ = network.input_size;
  preprocessing_ = preprocessing_of(weights_);
  names_ = std::make_unique<ClassNames>(weights_.class_ids(), weights_.class_names(), results_);
  if (!options.label.empty() && names_->find(options.label, weights_.num_classes()) < 0)
    throw Error(ErrorKind::usage, "--label '" + options.label + "' is no class of the network",
                "give an id, a name or an index");
  if (options.pictures) make_folder(options.out);
  known_ = known_of(results_);
  context_ = take_device(options);
  network_ = std::make_unique<Tape>(build_network(network, load_tensors(weights_, network), {1, 1, true}));
  forward_ = std::make_unique<GatedForward>(
      *context_, *network_, ForwardOptions{.images = 1, .copies = 2, .rows = 2, .representations = options.pictures});
}

int64_t Explainer::label_of(const std::string& path) const {
  if (!options_.label.empty()) return names_->find(options_.label, weights_.num_classes());
  const std::string folder = fs::absolute(path).parent_path().filename().string();
  // A number is hardly ever meant as a class's place in the network's outputs.
  const bool number = folder.find_first_not_of("0123456789") == std::string::npos;
  return number ? -1 : names_->find(folder, weights_.num_classes());
}

Explainer::Shown Explainer::show(const std::string& name, int64_t label, Image decoded) const {
  Shown shown{name, label, std::move(decoded), {}, std::vector<float>(static_cast<size_t>(3 * size() * size()))};
  preprocess_eval(shown.decoded, static_cast<int>(size()), preprocessing_, shown.pixels.data());
  shown.input = denormalised(shown.pixels.data(), static_cast<int>(size()), preprocessing_.mean.data(),
                             preprocessing_.stddev.data());
  return shown;
}

std::string Explainer::picture_path(const std::string& stem) {
  std::string name = stem;
  for (int i = 2; std::find(taken_.begin(), taken_.end(), name) != taken_.end(); ++i) {
    name = stem + "_" + std::to_string(i);
  }
  taken_.push_back(name);
  std::string path = (fs::path(options_.out) / (name + ".png")).string();
  OutputRules rules = {.may_exist = true, .inputs = options_.images};
  rules.inputs.insert(rules.inputs.end(), {options_.weights, options_.results});
  check_output(path, rules);
  return path;
}

FeatureMapRow Explainer::feature_maps(GatedForward& forward, int64_t copy, const std::string& name) const {
  FeatureMapRow row{name, {}};
  for (size_t gate = 0; gate < forward.plan().gates().size(); ++gate) {
    const Shape& shape = forward.plan().gates()[gate].value.shape;
    const std::vector<float> values = forward.representation(gate, copy, 1);  // [1, H, W, C]
    const PixelMap map = channel_sum({values.data(), {1, shape.h, shape.w, shape.c}, shape.c}, 0);
    row.masks.push_back(activated_pixels(resize_bilinear(map, size(), size())));
  }
  return row;
}

void Explainer::explain_one(const Shown& image, const std::string& picture) {
  ExplainedImage explained{image.name, "", {}};
  std::vector<float> logits(static_cast<size_t>(weights_.num_classes()));
  forward_->use_rows(std::vector<int32_t>(2, kOriginalRow));
  forward_->run(image.pixels.data(), 1);
  forward_->logits(0, 1, logits.data());
  explained.explanation = explain(logits.data(), weights_.num_classes(), known_, image.label);
  const int64_t answer = explained.explanation.predictions[0].class_index;
  const int64_t shown = known_.find(image.label) >= 0 ? image.label : answer;  // whose sub-architecture is drawn
  if (options_.pictures && !picture.empty() && known_.find(shown) >= 0) {
    run_beside_original(*forward_, binary_mask(results_.classes.at(shown).logits), image.pixels.data(), 1, nullptr,
                        nullptr);
    std::vector<std::string> captions = {image.name, verdict_text(explained.explanation, *names_)};
    const std::string warning = constant_answer_text(explained.explanation, *names_);
    if (!warning.empty()) captions.push_back(warning);
    explained.picture = picture;
    feature_map_grid(image.input, results_.gate_names,
                     {feature_maps(*forward_, 1, names_->brief(shown)), feature_maps(*forward_, 0, "original")},
                     captions)
        .save(picture);
  }
  explained_.push_back(std::move(explained));
}

void Explainer::explain_composite(const std::vector<Shown>& four) {
  std::vector<int64_t> classes;  // of a quadrant, -1 where it has no sub-architecture
  for (const Shown& s : four) classes.push_back(known_.find(s.label) >= 0 ? s.label : -1);
  GatedForward forward(*context_, *network_, {.images = 1, .copies = 5, .rows = 5, .representations = true});
  for (int32_t i = 0; i < 4; ++i) {
    if (classes[i] >= 0) forward.set_row(i + 1, binary_mask(results_.classes.at(classes[i]).logits));
  }
  constexpr std::array<int32_t, 5> kRows = {kOriginalRow, 1, 2, 3, 4};
  forward.use_rows(rows_of_copies(1, kRows));
  const Image whole =
      composite({&four[0].decoded, &four[1].decoded, &four[2].decoded, &four[3].decoded}, static_cast<int>(size()));
  std::vector<float> pixels(static_cast<size_t>(3 * size() * size()));
  Preprocessor(static_cast<int>(size()), preprocessing_).normalize(whole.rgb.data(), false, pixels.data());
  forward.run(pixels.data(), 1);

  constexpr std::array<const char*, 4> kWhere = {"top left", "top right", "bottom left", "bottom right"};
  std::vector<FeatureMapRow> rows;
  std::vector<std::string> captions = {"composite of four images: where does each class's sub-architecture look?"};
  for (int i = 0; i < 4; ++i) {
    const std::string name = classes[i] < 0 ? "" : names_->brief(classes[i]);
    captions.push_back(std::string(kWhere[i]) + ": " + (name.empty() ? "no sub-architecture" : name) +
                       (classes[i] >= 0 && names_->constant_answer(classes[i]) ? " (constant answer)" : ""));
    if (classes[i] >= 0) rows.push_back(feature_maps(forward, i + 1, name));
  }
  rows.push_back(feature_maps(forward, 0, "original"));
  feature_map_grid(whole, results_.gate_names, rows, captions).save(picture_path("composite"));
}

void Explainer::explain_files(std::ostream& errors) {
  std::vector<std::string>
      pictures;  // of each image; named before the first is drawn, so that none replaces an input
  for (const std::string& path : options_.images) {
    pictures.push_back(options_.pictures ? picture_path(fs::path(path).stem().string() + "_maps") : "");
  }
  std::vector<Shown> shown;
  for (size_t i = 0; i < options_.images.size(); ++i) {
    const std::string& path = options_.images[i];
    try {
      shown.push_back(show(path, label_of(path), decode_image(read_file(path))));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      errors << e.what() << "\n";
      ++broken_;
      continue;
    }
    explain_one(shown.back(), pictures[i]);
  }
  const bool any = std::any_of(shown.begin(), shown.end(), [&](const Shown& s) { return known_.find(s.label) >= 0; });
  if (shown.size() == 4 && options_.images.size() == 4 && any && options_.pictures) explain_composite(shown);
}

std::vector<int64_t> Explainer::answers_of(const std::vector<float>& pixels, int64_t count) {
  std::vector<int64_t> result;
  GatedForward forward(*context_, *network_, {.images = kImagesAPass, .copies = 1, .rows = 1});
  const int64_t classes = weights_.num_classes();
  for (int64_t at = 0; at < count; at += kImagesAPass) {
    const int64_t images = std::min(kImagesAPass, count - at);
    std::vector<float> logits(static_cast<size_t>(images * classes));
    forward.run(pixels.data() + at * 3 * size() * size(), images);
    forward.logits(0, images, logits.data());
    for (const int64_t answer : answers(logits.data(), images, classes)) result.push_back(answer);
  }
  return result;
}

std::vector<Explainer::Shown> Explainer::find_mistakes(std::ostream& notes) {
  std::unique_ptr<ImageSource> source;
  if (options_.data.empty()) {
    source = std::make_unique<PackedSource>(weights_);
  } else {
    source = open_folder(options_.data, options_.val_list, weights_.class_ids());
  }
  if (!source->has_split("val"))
    throw Error(ErrorKind::data, "there are no val images to choose mistakes from", "give a folder with DIR/val");
  // Without ids the sorted folders are the classes: those of train, as nad_run has them, for val may lack some.
  const bool by_id = !weights_.class_ids().empty();
  const std::vector<std::string> found = source->classes(by_id || !source->has_split("train") ? "val" : "train");
  std::vector<std::string> folders = by_id ? classes_by_id(found, weights_.class_ids())
                                           : match_classes(found, {}, weights_.num_classes()).source_class;
  for (size_t c = 0; c < folders.size(); ++c) {
    if (known_.find(static_cast<int64_t>(c)) < 0) folders[c].clear();  // nothing to compare with
  }
  const int64_t most = std::min<int64_t>(options_.mistakes * kLooksAMistake, 2000);
  ImagePool pool = draw_image_pool(*source, "val", folders, {.images = most}, options_.seed,
                                   std::max(1, max_threads()), [&](const std::string& line) {
                                     notes << "broken image: " << line << "\n";
                                     ++broken_;
                                   });
  const LabelledPixels prepared = prepare(pool, size(), preprocessing_);
  const auto count = static_cast<int64_t>(pool.images.size());
  const std::vector<int64_t> answered = answers_of(prepared.pixels, count);
  // The pool holds the images of a class side by side: taken in turn, so that the gallery shows many classes.
  std::vector<int64_t> place(static_cast<size_t>(weights_.num_classes()));  // mistakes of a class so far
  std::vector<std::pair<int64_t, int64_t>> order;                           // (of its class the how manieth, image)
  for (int64_t i = 0; i < count; ++i) {
    if (answered[i] != pool.labels[i]) order.emplace_back(place[pool.labels[i]]++, i);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Shown> shown;
  for (const auto& [turn, i] : order) {
    if (static_cast<int64_t>(shown.size()) == options_.mistakes) break;
    const int64_t label = pool.labels[i];
    shown.push_back(show("val image of " + names_->brief(label) + " (mistake " + std::to_string(turn + 1) + ")",
                         label, std::move(pool.images[i])));
  }
  notes << order.size() << " of " << count << " val images are misjudged; " << shown.size() << " are shown\n";
  return shown;
}

void Explainer::explain_mistakes(std::ostream& notes) {
  std::vector<GalleryEntry> entries;
  for (Shown& shown : find_mistakes(notes)) {
    explain_one(shown, options_.pictures ? picture_path("mistake_" + std::to_string(entries.size() + 1)) : "");
    entries.push_back({std::move(shown.input), explained_.back().explanation});
  }
  if (options_.pictures && !entries.empty()) {
    const std::string path = picture_path("gallery");
    gallery(entries, *names_).save(path);
    notes << "gallery: " << path << "\n";
  }
}

}  // namespace nad
