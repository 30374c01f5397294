#include "weights/replay_case.h"

#include <cmath>
#include <cstdio>
#include <type_traits>

#include "engine/error.h"
#include "weights/hdf5_reader.h"

namespace nad {
namespace {

using hdf5::Handle;

template <class T>
hid_t memory_type() {
  if constexpr (std::is_same_v<T, float>) return H5T_NATIVE_FLOAT;
  if constexpr (std::is_same_v<T, double>) return H5T_NATIVE_DOUBLE;
  if constexpr (std::is_same_v<T, int64_t>) return H5T_NATIVE_INT64;
  if constexpr (std::is_same_v<T, uint8_t>) return H5T_NATIVE_UINT8;
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
  std::vector<T> read(hid_t parent, const std::string& name, size_t rank, std::vector<int64_t>* shape) const {
    const Handle dataset = hdf5::open_dataset(parent, name);
    if (!dataset) fail("dataset " + hdf5::quoted(name) + " is missing");
    const Handle type(H5Dget_type(dataset.get()), H5Tclose);
    const H5T_class_t found = H5Tget_class(type.get());
    const bool fits = std::is_floating_point_v<T> ? found == H5T_FLOAT : found == H5T_INTEGER;
    if (!fits) fail("dataset " + hdf5::quoted(name) + " has the wrong dtype");
    if (!hdf5::dimensions(dataset.get(), shape) || shape->size() != rank) {
      fail("dataset " + hdf5::quoted(name) + " must have " + std::to_string(rank) + " dimensions");
    }
    size_t count = 1;
    for (int64_t d : *shape) count *= static_cast<size_t>(d);
    std::vector<T> values(count);
    if (count > 0 && H5Dread(dataset.get(), memory_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
      fail("dataset " + hdf5::quoted(name) + " cannot be read");
    }
    if constexpr (std::is_floating_point_v<T>) {
      for (T v : values) {
        if (!std::isfinite(v)) fail("dataset " + hdf5::quoted(name) + " holds a value that is not finite");
      }
    }
    return values;
  }

  std::vector<std::vector<float>> per_gate(const std::string& name, size_t rank,
                                           std::vector<std::vector<int64_t>>* shapes) const {
    std::vector<std::vector<float>> result;
    const Handle group = hdf5::open_group(file_.get(), name);
    if (!group) return result;
    for (const std::string& gate : hdf5::children(group.get(), where_)) {
      std::vector<int64_t> shape;
      result.push_back(read<float>(group.get(), gate, rank, &shape));
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

std::vector<double> three(const Attributes& attributes, const std::string& name) {
  return attributes.get<std::vector<double>>(name, {});
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
    if (shape[1] != 3 || shape[2] != shape[3] || shape[0] < 1) reader.fail("images must be [N, 3, S, S]");
    out->count = shape[0];
    out->size = shape[2];
  };
  if (reader.has("images")) {
    const std::vector<float> images = reader.read<float>(reader.file(), "images", 4, &shape);
    check();
    out->images = to_nhwc(images, out->count, out->size, [](float v, int64_t) { return v; });
    return;
  }
  if (!reader.has("images_u8")) reader.fail("neither dataset 'images' nor 'images_u8' is there");
  const std::vector<uint8_t> images = reader.read<uint8_t>(reader.file(), "images_u8", 4, &shape);
  check();
  const Handle dataset = hdf5::open_dataset(reader.file(), "images_u8");
  const Attributes attributes = reader.attributes(dataset.get());
  const std::vector<double> scale = three(attributes, "scale"), shift = three(attributes, "shift");
  const bool own = scale.size() == 3 && shift.size() == 3;
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

}  // namespace

ReplayCase read_replay_case(const std::string& path, const std::array<float, 3>& mean,
                            const std::array<float, 3>& stddev) {
  const CaseReader reader(path);
  ReplayCase out;
  const Attributes root = reader.attributes(reader.file());
  if (root.has("objective")) out.objective = root.get<std::string>("objective", "");
  if (root.has("beta")) out.beta = root.get<double>("beta", 0.0);
  if (root.has("lr")) out.lr = root.get<double>("lr", 0.0);

  read_images(reader, mean, stddev, &out);
  std::vector<int64_t> shape;
  const std::vector<int64_t> labels = reader.read<int64_t>(reader.file(), "labels", 1, &shape);
  if (shape[0] != out.count) reader.fail("labels must have one entry per image");
  out.labels.assign(labels.begin(), labels.end());

  out.batches = reader.read<int64_t>(reader.file(), "batches", 2, &shape);
  out.steps = shape[0];
  out.batch = shape[1];
  if (out.steps < 1 || out.batch < 1) reader.fail("batches must hold at least one step of one image");
  for (int64_t index : out.batches) {
    if (index < 0 || index >= out.count) {
      reader.fail("batches names image " + std::to_string(index) + " of " + std::to_string(out.count));
    }
  }
  out.gates_init = reader.per_gate("gates_init", 1, nullptr);
  if (out.gates_init.empty()) reader.fail("group 'gates_init' is missing or empty");
  read_noise(reader, &out);
  return out;
}

namespace {

class ResultWriter {
 public:
  ResultWriter(const std::string& path, const std::string& temporary)
      : path_(path), file_(H5Fcreate(temporary.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose) {
    if (!file_) fail();
  }
  [[noreturn]] void fail() const {
    throw Error(ErrorKind::data, "replay result '" + path_ + "': cannot be written",
                "check the folder, its permissions and the free space");
  }
  template <class T>
  void write(hid_t parent, const std::string& name, const std::vector<T>& values, const std::vector<hsize_t>& shape) {
    const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
    const hid_t type = memory_type<T>();
    const Handle dataset(H5Dcreate2(parent, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Dclose);
    if (!dataset || H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) fail();
  }
  template <class T>
  void per_gate(const std::string& name, const std::vector<std::vector<T>>& gates) {
    const Handle group(H5Gcreate2(file_.get(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
    if (!group) fail();
    for (size_t i = 0; i < gates.size(); ++i) {
      char gate[24];
      std::snprintf(gate, sizeof gate, "%02zu", i);
      write(group.get(), gate, gates[i], {gates[i].size()});
    }
  }
  hid_t file() const { return file_.get(); }
  void close() {
    if (H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) < 0) fail();
    file_ = Handle();
  }

 private:
  hdf5::QuietErrors quiet_;
  std::string path_;
  Handle file_;
};

}  // namespace

void write_replay_result(const std::string& path, const ReplayResult& result) {
  const std::string temporary = path + ".writing";
  ResultWriter writer(path, temporary);
  const hsize_t steps = result.skipped.size();
  writer.write(writer.file(), "losses", result.losses, {steps, 4});
  writer.write(writer.file(), "skipped", result.skipped, {steps});
  writer.write(writer.file(), "correct", result.correct, {steps});
  writer.per_gate("grad0", result.gradient0);
  writer.per_gate("gates_final", result.gates_final);
  if (!result.sigma_final.empty()) writer.per_gate("sigma_final", result.sigma_final);
  std::vector<std::vector<uint8_t>> hard;
  for (const std::vector<float>& gate : result.gates_final) {
    hard.emplace_back();
    for (float m : gate) hard.back().push_back(m > 0 ? 1 : 0);  // sigmoid(m) > 0.5
  }
  writer.per_gate("hard", hard);
  const hsize_t count = static_cast<hsize_t>(result.count), classes = static_cast<hsize_t>(result.classes);
  writer.write(writer.file(), "logits_orig", result.logits_original, {count, classes});
  writer.write(writer.file(), "logits_hard", result.logits_hard, {count, classes});
  writer.close();
  if (std::rename(temporary.c_str(), path.c_str()) != 0) writer.fail();
}

}  // namespace nad
