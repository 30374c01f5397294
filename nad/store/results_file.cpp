#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "engine/error.h"
#include "nad/store/durable_file.h"
#include "nad/store/results.h"
#include "weights/hdf5_reader.h"

namespace nad {
namespace {

using hdf5::Handle;

constexpr int64_t kFormatVersion = 1;
constexpr const char* kKind = "nad results";

template <class T>
hid_t type_of();
template <>
hid_t type_of<float>() {
  return H5T_IEEE_F32LE;
}
template <>
hid_t type_of<double>() {
  return H5T_IEEE_F64LE;
}
template <>
hid_t type_of<int32_t>() {
  return H5T_STD_I32LE;
}
template <>
hid_t type_of<int64_t>() {
  return H5T_STD_I64LE;
}
template <>
hid_t type_of<uint64_t>() {
  return H5T_STD_U64LE;
}
template <>
hid_t type_of<uint8_t>() {
  return H5T_STD_U8LE;
}

std::string two_digits(size_t i) {
  char text[24];
  std::snprintf(text, sizeof text, "%02zu", i);
  return text;
}

// ---- writing: into memory, so that the disk sees one plain write ----

class Writer {
 public:
  Writer() {
    Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    check(H5Pset_fapl_core(access.get(), size_t{1} << 20, false));
    // The oldest version of the format, HDF5's default: newer ones keep an open-for-writing flag under the checksum
    // of an image taken from memory.
    file_ = Handle(check(H5Fcreate("results in memory", H5F_ACC_TRUNC, H5P_DEFAULT, access.get())), H5Fclose);
  }
  hid_t file() const { return file_.get(); }

  Handle group(hid_t parent, const std::string& name) {
    return {check(H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)), H5Gclose};
  }

  template <class T>
  void dataset(hid_t parent, const std::string& name, const T* data, std::vector<hsize_t> shape) {
    const Handle space(check(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr)), H5Sclose);
    const Handle creation(check(H5Pcreate(H5P_DATASET_CREATE)), H5Pclose);
    check(H5Pset_obj_track_times(creation.get(), false));  // equal results are equal bytes
    const Handle set(
        check(H5Dcreate2(parent, name.c_str(), type_of<T>(), space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT)),
        H5Dclose);
    if (H5Sget_simple_extent_npoints(space.get()) == 0) return;
    check(H5Dwrite(set.get(), type_of<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
  }

  template <class T>
  void attribute(hid_t object, const char* name, T value) {
    const Handle space(check(H5Screate(H5S_SCALAR)), H5Sclose);
    attribute(object, name, type_of<T>(), space, &value);
  }
  void attribute(hid_t object, const char* name, bool value) { attribute(object, name, uint8_t{value}); }
  void attribute(hid_t object, const char* name, const std::string& value) {
    const Handle space(check(H5Screate(H5S_SCALAR)), H5Sclose);
    const char* pointer = value.c_str();
    attribute(object, name, text().get(), space, &pointer);
  }
  void attribute(hid_t object, const char* name, const std::vector<std::string>& values) {
    const hsize_t count = values.size();
    const Handle space(check(H5Screate_simple(1, &count, nullptr)), H5Sclose);
    std::vector<const char*> pointers;
    for (const std::string& value : values) pointers.push_back(value.c_str());
    attribute(object, name, text().get(), space, pointers.data());
  }
  void attribute(hid_t object, const char* name, const std::vector<int64_t>& values) {
    const hsize_t count = values.size();
    const Handle space(check(H5Screate_simple(1, &count, nullptr)), H5Sclose);
    attribute(object, name, type_of<int64_t>(), space, values.data());
  }

  std::vector<std::byte> bytes() {
    check(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL));
    const ssize_t size = H5Fget_file_image(file_.get(), nullptr, 0);
    std::vector<std::byte> image(static_cast<size_t>(check(size)));
    check(H5Fget_file_image(file_.get(), image.data(), image.size()));
    return image;
  }

 private:
  template <class R>
  static R check(R result) {
    if (result < 0) throw Error(ErrorKind::data, "the results file cannot be composed: HDF5 refused");
    return result;
  }
  static Handle text() {
    Handle type(check(H5Tcopy(H5T_C_S1)), H5Tclose);
    check(H5Tset_size(type.get(), H5T_VARIABLE));
    check(H5Tset_cset(type.get(), H5T_CSET_UTF8));
    return type;
  }
  static void attribute(hid_t object, const char* name, hid_t type, const Handle& space, const void* data) {
    const Handle handle(check(H5Acreate2(object, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT)), H5Aclose);
    check(H5Awrite(handle.get(), type, data));
  }

  Handle file_;
};

// Each attribute once, for writing and for reading.
template <class Settings, class Visit>
void visit_settings(Settings& s, Visit&& visit) {
  visit("arch", s.arch);
  visit("weights_hash", s.weights_hash);
  visit("objective", s.objective);
  visit("precision", s.precision);
  visit("device", s.device);
  visit("beta", s.beta);
  visit("lr", s.lr);
  visit("epochs", s.epochs);
  visit("steps", s.steps);
  visit("batch", s.batch);
  visit("seed", s.seed);
  visit("weights_file", s.weights_file);
  visit("data", s.data);
  visit("program", s.program);
  visit("command_line", s.command_line);
  visit("device_description", s.device_description);
  visit("threads", s.threads);
  visit("classes_per_step", s.classes_per_step);
  visit("input_size", s.input_size);
  visit("num_classes", s.num_classes);
}

// Those that files written before them lack.
template <class Settings, class Visit>
void visit_later_settings(Settings& s, Visit&& visit) {
  visit("conv", s.conv);
  visit("conv_choices", s.conv_choices);
}

template <class Class, class Visit>
void visit_class(Class& c, Visit&& visit) {
  visit("id", c.id);
  visit("name", c.name);
  visit("steps", c.steps);
  visit("finished", c.finished);
  visit("error", c.error);
  visit("error_code", c.error_code);
  visit("top1_before", c.top1_before);
  visit("top1_after", c.top1_after);
  visit("train_images", c.train_images);
  visit("val_images", c.val_images);
  visit("broken_images", c.broken_images);
  visit("images_hash", c.images_hash);
  visit("seconds", c.seconds);
}

void write_vectors(Writer& writer, hid_t parent, const char* name, const GateVectors& gates) {
  const Handle group = writer.group(parent, name);
  for (size_t i = 0; i < gates.size(); i++) {
    writer.dataset(group.get(), two_digits(i), gates[i].data(), {gates[i].size()});
  }
}

void write_masks(Writer& writer, hid_t parent, const GateVectors& logits) {
  const Handle group = writer.group(parent, "mask");
  for (size_t i = 0; i < logits.size(); i++) {
    std::vector<uint8_t> mask;
    for (const float logit : logits[i]) mask.push_back(in_mask(logit));
    writer.dataset(group.get(), two_digits(i), mask.data(), {mask.size()});
  }
}

void write_class(Writer& writer, hid_t parent, const ClassResult& c) {
  const Handle group = writer.group(parent, std::to_string(c.index));
  const hid_t id = group.get();
  visit_class(c, [&](const char* name, const auto& value) { writer.attribute(id, name, value); });
  if (c.logits.empty()) return;
  write_vectors(writer, id, "logits", c.logits);
  write_masks(writer, id, c.logits);
  if (!c.sigma.empty()) write_vectors(writer, id, "sigma", c.sigma);
  writer.dataset(id, "losses", c.losses.empty() ? nullptr : c.losses[0].data(), {c.losses.size(), 4});
  writer.dataset(id, "correct", c.correct.data(), {c.correct.size()});
  writer.dataset(id, "skipped", c.skipped.data(), {c.skipped.size()});
}

// Each dataset once, for writing and for reading: name, values, whether there is one per class.
template <class Search, class Visit>
void visit_search(Search& s, Visit&& visit) {
  visit("first", s.first, true);
  visit("regular", s.regular, true);
  visit("mean_first", s.mean_first, false);
  visit("mean_regular", s.mean_regular, false);
  visit("distance", s.distance, false);
}

void write_search(Writer& writer, hid_t parent, const BetaSearch& s) {
  const Handle group = writer.group(parent, "beta_search");
  writer.dataset(group.get(), "beta", s.beta.data(), {s.beta.size()});
  writer.dataset(group.get(), "classes", s.classes.data(), {s.classes.size()});
  visit_search(s, [&](const char* name, const std::vector<double>& values, bool per_class) {
    std::vector<hsize_t> shape = {s.beta.size()};
    if (per_class) shape.push_back(s.classes.size());
    writer.dataset(group.get(), name, values.data(), shape);
  });
}

// ---- reading ----

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
    if (count > 0 && H5Dread(set.get(), type_of<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
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
    return Error(ErrorKind::data, where_ + " " + what, "is it a results file of nad_run? choose another --out");
  }

 private:
  hid_t object_;
  std::string where_;
  Attributes attributes_;
};

GateVectors read_vectors(const Reader& r, const std::string& name, const std::vector<int64_t>& channels) {
  GateVectors gates;
  for (size_t i = 0; i < channels.size(); i++) {
    gates.push_back(r.dataset<float>(name + "/" + two_digits(i), {channels[i]}));
  }
  return gates;
}

ClassResult read_class(const Reader& r, int64_t index, const std::vector<int64_t>& channels) {
  ClassResult c;
  c.index = index;
  visit_class(c, [&](const char* name, auto& value) { r.get(name, &value); });
  if (!r.has_group("logits")) {
    if (c.finished) throw r.bad("is finished but has no gates");
    return c;
  }
  c.logits = read_vectors(r, "logits", channels);
  if (r.has_group("sigma")) c.sigma = read_vectors(r, "sigma", channels);
  const int64_t taken = r.rows("losses");
  const std::vector<double> losses = r.dataset<double>("losses", {taken, 4});
  for (size_t i = 0; i < losses.size(); i += 4) {
    c.losses.push_back({losses[i], losses[i + 1], losses[i + 2], losses[i + 3]});
  }
  c.correct = r.dataset<int32_t>("correct", {taken});
  c.skipped = r.dataset<uint8_t>("skipped", {taken});
  if (taken > c.steps || (c.finished && taken != c.steps))
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
  const auto fail = [&](const std::string& what, const std::string& hint) {
    return Error(ErrorKind::data, "results file " + path + " " + what, hint);
  };
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) throw fail("is no regular file", "choose another --out");
  if (H5Fis_hdf5(path.c_str()) <= 0) throw fail("is not an HDF5 file", "choose another --out");
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file) throw fail("is cut short or damaged, HDF5 cannot open it", "start again with another --out");
  return file;
}

}  // namespace

void write_results(const std::string& path, const Results& results) {
  std::vector<std::byte> bytes;
  {
    const hdf5::QuietErrors quiet;
    Writer writer;
    writer.attribute(writer.file(), "kind", std::string(kKind));
    writer.attribute(writer.file(), "format_version", kFormatVersion);
    const auto write = [&](const char* name, const auto& value) { writer.attribute(writer.file(), name, value); };
    visit_settings(results.settings, write);
    visit_later_settings(results.settings, write);
    const BetaSearch& search = results.beta_search;
    writer.attribute(writer.file(), "beta_auto", !search.beta.empty());
    if (!search.beta.empty()) write_search(writer, writer.file(), search);
    const Handle gates = writer.group(writer.file(), "gates");
    writer.attribute(gates.get(), "names", results.gate_names);
    writer.attribute(gates.get(), "channels", results.channels);
    const Handle classes = writer.group(writer.file(), "classes");
    for (const auto& [index, result] : results.classes) write_class(writer, classes.get(), result);
    bytes = writer.bytes();
  }
  write_durably(path, bytes, "results file");
}

Results read_results(const std::string& path) {
  const hdf5::QuietErrors quiet;
  const std::string where = "results file " + path;
  const Handle file = open_results(path);
  const Reader root(file.get(), where);
  std::string kind;
  int64_t version = 0;
  if (root.has("kind")) root.get("kind", &kind);
  if (kind != kKind) throw root.bad("is an HDF5 file, but not of results");
  root.get("format_version", &version);
  if (version != kFormatVersion) throw root.bad("has format version " + std::to_string(version) + ", 1 is read");

  Results results;
  visit_settings(results.settings, [&](const char* name, auto& value) { root.get(name, &value); });
  visit_later_settings(results.settings, [&](const char* name, auto& value) {
    if (root.has(name)) root.get(name, &value);
  });
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
        read_class(Reader(group.get(), where + ", class " + name + ":"), index, results.channels);
  }
  return results;
}

}  // namespace nad
