#include <cstdlib>
#include <filesystem>

#include "engine/error.h"
#include "nad/store/results_layout.h"
#include "weights/hdf5_writer.h"

namespace nad {
namespace {

using hdf5::Handle;

// Attributes and datasets of one object, with the file and the object in every message.
class Reader {
 public:
  Reader(hid_t object, std::string where)
      : object_(object), where_(std::move(where)), attributes_(hdf5::read_attributes(object, where_)) {}

  template <class T>
  void get(const char* name, T* value) const {
    const auto found = attributes_.values().find(name);
    if (found == attributes_.values().end()) throw bad(std::string("has no attribute '") + name + "'");
    const T* typed = std::get_if<T>(&found->second);
    if (!typed) throw bad(std::string("has an attribute '") + name + "' of an unexpected type");
    *value = *typed;
  }
  void get(const char* name, uint64_t* value) const {
    if (!hdf5::read_uint64(object_, name, value)) throw bad(std::string("has no whole number '") + name + "'");
  }
  void get(const char* name, bool* value) const {
    int64_t number = 0;
    get(name, &number);
    *value = number != 0;
  }
  bool has(const char* name) const { return attributes_.has(name); }

  template <class T>
  std::vector<T> dataset(const std::string& name, const std::vector<int64_t>& expected) const {
    const Handle set = hdf5::open_dataset(object_, name);
    std::vector<int64_t> shape;
    if (!set || !hdf5::dimensions(set.get(), &shape)) throw bad("has no dataset '" + name + "'");
    if (shape != expected) throw bad("has a dataset '" + name + "' of an unexpected shape");
    int64_t count = 1;
    for (const int64_t n : shape) count *= n;
    std::vector<T> values(static_cast<size_t>(count));
    if (count > 0 && H5Dread(set.get(), hdf5::stored_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
      throw bad("has a dataset '" + name + "' that cannot be read");
    }
    return values;
  }
  int64_t rows(const std::string& name) const {
    const Handle set = hdf5::open_dataset(object_, name);
    std::vector<int64_t> shape;
    if (!set || !hdf5::dimensions(set.get(), &shape) || shape.empty()) throw bad("has no dataset '" + name + "'");
    return shape[0];
  }
  bool has_group(const char* name) const { return static_cast<bool>(hdf5::open_group(object_, name)); }
  Error bad(const std::string& what) const {
    return Error(ErrorKind::data, where_ + " " + what, "is it a results file of nad_run? choose another one",
                 Setting::output);
  }

 private:
  hid_t object_;
  std::string where_;
  Attributes attributes_;
};

GateVectors read_vectors(const Reader& r, const std::string& name, const std::vector<int64_t>& channels) {
  GateVectors gates;
  for (size_t i = 0; i < channels.size(); i++) {
    gates.push_back(r.dataset<float>(name + "/" + hdf5::place_name(i), {channels[i]}));
  }
  return gates;
}

// What the steps of a class found out.
std::vector<StepRecord> read_history(const Reader& r, const RunSettings& settings) {
  const int64_t taken = r.rows("losses");
  const std::vector<double> losses = r.dataset<double>("losses", {taken, 4});
  const std::vector<int32_t> correct = r.dataset<int32_t>("correct", {taken});
  const std::vector<uint8_t> skipped = r.dataset<uint8_t>("skipped", {taken});
  std::vector<StepRecord> history;
  for (size_t i = 0; i < correct.size(); i++) {
    const double* of_step = &losses[4 * i];
    history.push_back({of_step[0], of_step[1], of_step[2], of_step[3], correct[i], skipped[i] != 0});
  }
  if (!settings.shows_others()) return history;
  const std::vector<double> specificity = r.dataset<double>("specificity", {taken});
  const std::vector<int32_t> others_answered = r.dataset<int32_t>("others_answered", {taken});
  for (size_t i = 0; i < history.size(); i++) {
    history[i].specificity = specificity[i];
    history[i].others_answered = others_answered[i];
    history[i].beta = settings.beta;
    history[i].lambda = settings.lambda;
  }
  if (!settings.follows_limit()) return history;
  const std::vector<int32_t> own_answered = r.dataset<int32_t>("own_answered", {taken});
  const std::vector<double> beta = r.dataset<double>("beta", {taken}), lambda = r.dataset<double>("lambda", {taken});
  for (size_t i = 0; i < history.size(); i++) {
    history[i].own_answered = own_answered[i];
    history[i].beta = beta[i];
    history[i].lambda = lambda[i];
  }
  return history;
}

ClassResult read_class(const Reader& r, int64_t index, const std::vector<int64_t>& channels,
                       const RunSettings& settings) {
  ClassResult c;
  c.index = index;
  visit_class(c, [&](const char* name, auto& value) { r.get(name, &value); });
  visit_later_class(c, [&](const char* name, auto& value) {
    if (r.has(name)) r.get(name, &value);
  });
  if (settings.splits_others()) visit_split_class(c, [&](const char* name, auto& value) { r.get(name, &value); });
  if (!r.has_group("logits")) {
    if (c.finished) throw r.bad("is finished but has no gates");
    return c;
  }
  c.logits = read_vectors(r, "logits", channels);
  if (r.has_group("sigma")) c.sigma = read_vectors(r, "sigma", channels);
  if (r.has_group("adam_mean")) {
    c.moments = {read_vectors(r, "adam_mean", channels), read_vectors(r, "adam_square", channels), 0, {}};
    r.get("adam_steps", &c.moments.steps);
    if (settings.follows_limit())
      visit_point(c.moments.point.emplace(), [&](const char* name, double& value) { r.get(name, &value); });
  }
  c.history = read_history(r, settings);
  const bool moves = settings.shows_others() && !c.finished && c.taken() > 0;
  if (moves && (c.moments.mean.empty() || c.moments.steps < 0 || c.moments.steps > c.taken()))
    throw r.bad("is in progress without a state of Adam that fits its steps");
  if (c.taken() > c.steps || (c.finished && c.taken() != c.steps))
    throw r.bad("has a number of losses that is not its steps");
  return c;
}

BetaSearch read_search(const Reader& r) {
  BetaSearch s;
  const int64_t points = r.rows("beta");
  s.beta = r.dataset<double>("beta", {points});
  s.classes = r.dataset<int64_t>("classes", {r.rows("classes")});
  visit_search(s, [&](const char* name, std::vector<double>& values, bool per_class) {
    std::vector<int64_t> shape = {points};
    if (per_class) shape.push_back(static_cast<int64_t>(s.classes.size()));
    values = r.dataset<double>(name, shape);
  });
  return s;
}

Handle open_results(const std::string& path) {
  const auto fail = [&](const std::string& what) {
    return Error(ErrorKind::data, "results file " + path + " " + what, "choose another one", Setting::output);
  };
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) throw fail("is no regular file");
  if (H5Fis_hdf5(path.c_str()) <= 0) throw fail("is not an HDF5 file");
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file) throw fail("is cut short or damaged, HDF5 cannot open it");
  return file;
}

}  // namespace

Results read_results(const std::string& path) {
  const hdf5::QuietErrors quiet;
  const std::string where = "results file " + path;
  const Handle file = open_results(path);
  const Reader root(file.get(), where);
  std::string kind;
  int64_t version = 0;
  if (root.has("kind")) root.get("kind", &kind);
  if (kind != kResultsKind) throw root.bad("is an HDF5 file, but not of results");
  root.get("format_version", &version);
  if (version != kResultsVersion) throw root.bad("has format version " + std::to_string(version) + ", 1 is read");

  Results results;
  visit_settings(results.settings, [&](const char* name, auto& value) { root.get(name, &value); });
  results.settings.order_seed = results.settings.seed;  // as older files have it
  visit_later_settings(results.settings, [&](const char* name, auto& value) {
    if (root.has(name)) root.get(name, &value);
  });
  if (results.settings.shows_others()) {
    visit_specific_settings(results.settings, [&](const char* name, auto& value) { root.get(name, &value); });
    visit_later_specific_settings(results.settings, [&](const char* name, auto& value) {
      if (root.has(name)) root.get(name, &value);
    });
  }
  visit_control_settings(results.settings, [&](const char* name, std::optional<uint64_t>& seed) {
    if (root.has(name)) root.get(name, &seed.emplace());
  });
  if (root.has("whole_batch")) root.get("whole_batch", &results.settings.whole_batch);
  if (const Handle search = hdf5::open_group(file.get(), "beta_search")) {
    results.beta_search = read_search(Reader(search.get(), where + ", beta_search:"));
  }
  const Handle gates = hdf5::open_group(file.get(), "gates");
  const Handle classes = hdf5::open_group(file.get(), "classes");
  if (!gates || !classes) throw root.bad("has no group 'gates' or 'classes'");
  const Reader of_gates(gates.get(), where + ", gates:");
  of_gates.get("names", &results.gate_names);
  of_gates.get("channels", &results.channels);
  for (const std::string& name : hdf5::children(classes.get(), where)) {
    char* end = nullptr;
    const int64_t index = std::strtoll(name.c_str(), &end, 10);
    const Handle group = hdf5::open_group(classes.get(), name);
    if (name.empty() || *end || !group) throw root.bad("has a class that is no number: " + hdf5::quoted(name));
    results.classes[index] =
        read_class(Reader(group.get(), where + ", class " + name + ":"), index, results.channels, results.settings);
  }
  return results;
}

}  // namespace nad
