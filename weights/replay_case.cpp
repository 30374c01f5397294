#include "weights/replay_case.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "engine/error.h"
#include "weights/durable_file.h"
#include "weights/hdf5_writer.h"

namespace nad {
namespace {

using hdf5::Handle;

// What a dataset must be stored as. HDF5 converts between widths and clips what
// does not fit without a word: too large a float becomes infinite and too large
// an index stays too large, which is noticed; a pixel of 300 would become 255.
template <class T>
const char* stored_as() {
  if constexpr (std::is_same_v<T, uint8_t>) return "uint8";
  return std::is_floating_point_v<T> ? "floats" : "integers";
}
template <class T>
bool is_stored_as(hid_t type) {
  if constexpr (std::is_same_v<T, uint8_t>) return H5Tequal(type, H5T_STD_U8LE) > 0;
  return H5Tget_class(type) == (std::is_floating_point_v<T> ? H5T_FLOAT : H5T_INTEGER);
}

class CaseReader {
 public:
  explicit CaseReader(const std::string& path)
      : where_("replay case " + hdf5::quoted(path)), file_(hdf5::open_file(path, "replay case")) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::data, where_ + ": " + what, "see weights/FORMAT.md for the layout");
  }
  bool has(const std::string& name) const { return static_cast<bool>(hdf5::open_dataset(file_.get(), name)); }

  // rank: number of dimensions expected.
  template <class T>
  std::vector<T> read(const std::string& name, size_t rank, std::vector<int64_t>* shape) const {
    const Handle dataset = hdf5::open_dataset(file(), name);
    if (!dataset) fail("dataset " + hdf5::quoted(name) + " is missing");
    const Handle type(H5Dget_type(dataset.get()), H5Tclose);
    if (!is_stored_as<T>(type.get())) {
      fail("dataset " + hdf5::quoted(name) + " has another type, expected " + stored_as<T>());
    }
    if (!hdf5::dimensions(dataset.get(), shape) || shape->size() != rank) {
      fail("dataset " + hdf5::quoted(name) + " must have " + std::to_string(rank) + " dimensions");
    }
    size_t count = 1;
    for (int64_t d : *shape) count *= static_cast<size_t>(d);
    std::vector<T> values(count);
    if (count > 0 &&
        H5Dread(dataset.get(), hdf5::stored_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
      fail("dataset " + hdf5::quoted(name) + " cannot be read");
    }
    if constexpr (std::is_floating_point_v<T>) {
      for (T v : values) {
        if (!std::isfinite(v)) fail("dataset " + hdf5::quoted(name) + " holds a value that is not finite");
      }
    }
    return values;
  }

  // A group of one dataset per gate, in the order of their numbers; empty where the case has no such group.
  std::vector<std::vector<float>> per_gate(const std::string& name, size_t rank,
                                           std::vector<std::vector<int64_t>>* shapes) const {
    std::vector<std::vector<float>> result;
    if (H5Lexists(file(), name.c_str(), H5P_DEFAULT) <= 0) return result;
    const Handle group = hdf5::open_group(file(), name);
    const size_t count = group ? hdf5::children(group.get(), where_).size() : 0;
    if (count == 0) fail(hdf5::quoted(name) + " must be a group of one dataset per gate");
    for (size_t i = 0; i < count; ++i) {
      const std::string gate = name + "/" + hdf5::place_name(i);
      if (!has(gate)) {
        fail("group " + hdf5::quoted(name) + " has " + std::to_string(count) + " members but no dataset '" +
             hdf5::place_name(i) + "', expected 00, 01, 02 and so on");
      }
      std::vector<int64_t> shape;
      result.push_back(read<float>(gate, rank, &shape));
      if (shapes) shapes->push_back(shape);
    }
    return result;
  }

  hid_t file() const { return file_.get(); }
  Attributes attributes(hid_t object) const { return hdf5::read_attributes(object, where_); }

 private:
  hdf5::QuietErrors quiet_;
  std::string where_;
  Handle file_;
};

// A string among the root attributes, where the case has it.
std::optional<std::string> text(const CaseReader& reader, const Attributes& root, const std::string& name) {
  if (!root.has(name)) return std::nullopt;
  const auto* value = std::get_if<std::string>(&root.values().at(name));
  if (!value) reader.fail("attribute " + hdf5::quoted(name) + " must be a string");
  return *value;
}

constexpr double kLargestReal = 1e9;  // as of the flags: beyond it products of a few numbers leave float's range

// A number likewise: beta, lr.
std::optional<double> number(const CaseReader& reader, const Attributes& root, const std::string& name) {
  if (!root.has(name)) return std::nullopt;
  const auto* value = std::get_if<double>(&root.values().at(name));
  if (!value || !(*value >= 0 && *value <= kLargestReal)) {
    reader.fail("attribute " + hdf5::quoted(name) + " must be a single float from 0 to 1e9");
  }
  return *value;
}

// scale or shift of images_u8; empty where it is absent.
std::vector<double> three(const CaseReader& reader, const Attributes& attributes, const std::string& name) {
  if (!attributes.has(name)) return {};
  const auto* values = std::get_if<std::vector<double>>(&attributes.values().at(name));
  const auto finite = [](double v) { return std::abs(v) <= std::numeric_limits<float>::max(); };
  if (!values || values->size() != 3 || !std::all_of(values->begin(), values->end(), finite)) {
    reader.fail("attribute " + hdf5::quoted(name) + " of 'images_u8' must be three finite floats");
  }
  return *values;
}

// [N, 3, S, S] to [N, S, S, 3]
template <class T, class Convert>
std::vector<float> to_nhwc(const std::vector<T>& nchw, int64_t count, int64_t size, Convert&& convert) {
  const int64_t plane = size * size;
  std::vector<float> out(nchw.size());
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t p = 0; p < plane; ++p) out[(n * plane + p) * 3 + c] = convert(nchw[(n * 3 + c) * plane + p], c);
    }
  }
  return out;
}

void read_images(const CaseReader& reader, const std::array<float, 3>& mean, const std::array<float, 3>& stddev,
                 ReplayCase* out) {
  std::vector<int64_t> shape;
  auto check = [&] {
    const bool fits = shape[0] >= 1 && shape[1] == 3 && shape[2] >= 1 && shape[2] == shape[3];
    if (!fits) reader.fail("images must be [N, 3, S, S]");
    out->count = shape[0];
    out->size = shape[2];
  };
  if (reader.has("images")) {
    const std::vector<float> images = reader.read<float>("images", 4, &shape);
    check();
    out->images = to_nhwc(images, out->count, out->size, [](float v, int64_t) { return v; });
    return;
  }
  if (!reader.has("images_u8")) reader.fail("neither dataset 'images' nor 'images_u8' is there");
  const std::vector<uint8_t> images = reader.read<uint8_t>("images_u8", 4, &shape);
  check();
  const Handle dataset = hdf5::open_dataset(reader.file(), "images_u8");
  const Attributes attributes = reader.attributes(dataset.get());
  const std::vector<double> scale = three(reader, attributes, "scale"), shift = three(reader, attributes, "shift");
  const bool own = !scale.empty();
  if (own == shift.empty()) reader.fail("'images_u8' must have both attributes 'scale' and 'shift', or neither");
  out->images = to_nhwc(images, out->count, out->size, [&](uint8_t v, int64_t c) {
    if (own) return static_cast<float>(v) * static_cast<float>(scale[c]) + static_cast<float>(shift[c]);
    return (static_cast<float>(v) / 255.0f - mean[c]) / stddev[c];
  });
}

void read_noise(const CaseReader& reader, ReplayCase* out) {
  std::vector<std::vector<int64_t>> shapes;
  out->sigma_init = reader.per_gate("sigma_init", 1, nullptr);
  out->noise = reader.per_gate("noise", 3, &shapes);
  if (!out->sigma_init.empty() && out->sigma_init.size() != out->gates_init.size()) {
    reader.fail("sigma_init has " + std::to_string(out->sigma_init.size()) + " gates, gates_init " +
                std::to_string(out->gates_init.size()));
  }
  if (out->noise.empty()) return;
  if (out->noise.size() != out->gates_init.size()) {
    reader.fail("noise has " + std::to_string(out->noise.size()) + " gates, gates_init " +
                std::to_string(out->gates_init.size()));
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    const std::vector<int64_t> expected = {out->steps, out->batch, static_cast<int64_t>(out->gates_init[i].size())};
    if (shapes[i] != expected)
      reader.fail("noise of gate " + std::to_string(i) + " must be [steps, batch, channels]");
  }
}

void read_labels(const CaseReader& reader, ReplayCase* out) {
  std::vector<int64_t> shape;
  const std::vector<int64_t> labels = reader.read<int64_t>("labels", 1, &shape);
  if (shape[0] != out->count) reader.fail("labels must have one entry per image");
  for (int64_t label : labels) {
    if (label < 0 || label > std::numeric_limits<int32_t>::max()) {
      reader.fail("label " + std::to_string(label) + " is no index of a class");
    }
  }
  out->labels.assign(labels.begin(), labels.end());
}

void read_batches(const CaseReader& reader, ReplayCase* out) {
  std::vector<int64_t> shape;
  out->batches = reader.read<int64_t>("batches", 2, &shape);
  out->steps = shape[0];
  out->batch = shape[1];
  if (out->steps < 1 || out->batch < 1) reader.fail("batches must hold at least one step of one image");
  for (int64_t index : out->batches) {
    if (index < 0 || index >= out->count) {
      reader.fail("batches names image " + std::to_string(index) + " of " + std::to_string(out->count));
    }
  }
}

}  // namespace

std::optional<RawImages> read_raw_images(const std::string& path) {
  const CaseReader reader(path);
  if (!reader.has("raw_images")) return std::nullopt;
  for (const char* name : {"images", "images_u8", "labels", "batches"}) {
    if (reader.has(name)) reader.fail("'raw_images' stand alone, '" + std::string(name) + "' is there too");
  }
  std::vector<int64_t> shape;
  RawImages out;
  out.rgb = reader.read<uint8_t>("raw_images", 4, &shape);
  out.count = shape[0], out.height = shape[1], out.width = shape[2];
  if (out.rgb.empty() || shape[3] != 3) reader.fail("raw_images must be [N, height, width, 3]");
  return out;
}

ReplayCase read_replay_case(const std::string& path, const std::array<float, 3>& mean,
                            const std::array<float, 3>& stddev) {
  const CaseReader reader(path);
  ReplayCase out;
  const Attributes root = reader.attributes(reader.file());
  out.objective = text(reader, root, "objective");
  out.beta = number(reader, root, "beta");
  out.lr = number(reader, root, "lr");
  read_images(reader, mean, stddev, &out);
  read_labels(reader, &out);
  read_batches(reader, &out);
  out.gates_init = reader.per_gate("gates_init", 1, nullptr);
  if (out.gates_init.empty()) reader.fail("group 'gates_init' is missing");
  read_noise(reader, &out);
  return out;
}

void write_replay_result(const std::string& path, const ReplayResult& result) {
  const hdf5::Writer writer("replay result");
  const hid_t root = writer.root();
  const hsize_t steps = result.skipped.size();
  writer.dataset(root, "losses", result.losses, {steps, 4});
  writer.dataset(root, "skipped", result.skipped);
  writer.dataset(root, "correct", result.correct);
  writer.per_gate(root, "grad0", result.gradient0);
  writer.per_gate(root, "gates_final", result.gates_final);
  if (!result.sigma_final.empty()) writer.per_gate(root, "sigma_final", result.sigma_final);
  std::vector<std::vector<uint8_t>> hard;
  for (const std::vector<float>& gate : result.gates_final) {
    hard.emplace_back();
    for (const float m : gate) hard.back().push_back(m > 0 ? 1 : 0);  // sigmoid(m) > 0.5
  }
  writer.per_gate(root, "hard", hard);
  const hsize_t count = static_cast<hsize_t>(result.count), classes = static_cast<hsize_t>(result.classes);
  writer.dataset(root, "logits_orig", result.logits_original, {count, classes});
  writer.dataset(root, "logits_hard", result.logits_hard, {count, classes});
  write_durably(path, writer.bytes(), "replay result");
}

void write_raw_logits(const std::string& path, const std::vector<float>& logits, int64_t count) {
  const hdf5::Writer writer("replay result");
  const auto rows = static_cast<hsize_t>(count);
  writer.dataset(writer.root(), "logits_orig", logits, {rows, logits.size() / rows});
  write_durably(path, writer.bytes(), "replay result");
}

}  // namespace nad
