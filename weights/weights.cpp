#include "weights/weights.h"

#include <cmath>
#include <optional>
#include <set>

#include "weights/hdf5_reader.h"
#include "weights/tensor_index.h"

namespace nad {
namespace {

using hdf5::Handle;
using hdf5::quoted;

constexpr int64_t kFormatVersion = 1;
constexpr int64_t kMaxClasses = int64_t{1} << 20, kMaxInputSize = 1 << 14;
constexpr int64_t kMaxImageBytes = int64_t{1} << 30;
const char* const kSeeFormat = "see weights/FORMAT.md, or make the file again with weights/convert.py";

Error data_error(const std::string& where, const std::string& text, const std::string& hint = kSeeFormat) {
  return Error(ErrorKind::data, where + text, hint);
}

// Attributes::get with a message that names the file and the type.
template <class T>
T typed(const Attributes& attributes, const std::string& name, T fallback, const std::string& where,
        const char* expected) {
  const auto found = attributes.values().find(name);
  if (found == attributes.values().end()) return fallback;
  if (const T* value = std::get_if<T>(&found->second)) return *value;
  throw data_error(where, ": attribute '" + name + "' is not " + expected);
}

int64_t integer_in(const Attributes& attributes, const std::string& name, int64_t fallback, int64_t most,
                   const std::string& where) {
  const int64_t value = typed<int64_t>(attributes, name, fallback, where, "a single integer");
  if (value < 1 || value > most)
    throw data_error(
        where, ": attribute '" + name + "' is " + std::to_string(value) + ", expected 1 to " + std::to_string(most));
  return value;
}

std::array<float, 3> three_floats(const Attributes& attributes, const std::string& name,
                                  std::array<float, 3> fallback, const std::string& where) {
  const std::vector<double> values = typed<std::vector<double>>(attributes, name, {fallback.begin(), fallback.end()},
                                                                where, "an array of three floats (red, green, blue)");
  if (values.size() != 3)
    throw data_error(where, ": attribute '" + name + "' has " + std::to_string(values.size()) +
                                " elements, expected three (red, green, blue)");
  std::array<float, 3> result{};
  for (size_t i = 0; i < 3; ++i) {
    result[i] = static_cast<float>(values[i]);
    if (!std::isfinite(result[i])) throw data_error(where, ": attribute '" + name + "' is not finite");
  }
  return result;
}

// A list of strings, one for each class, or none.
std::vector<std::string> per_class(const Attributes& attributes, const std::string& name, int64_t num_classes,
                                   const std::string& where) {
  auto values = typed<std::vector<std::string>>(attributes, name, {}, where, "an array of strings");
  if (!values.empty() && static_cast<int64_t>(values.size()) != num_classes)
    throw data_error(where, ": attribute '" + name + "' has " + std::to_string(values.size()) +
                                " elements, but num_classes is " + std::to_string(num_classes));
  return values;
}

// Counts and the first few names of one kind of mismatch between a file and a network.
class Finding {
 public:
  explicit Finding(std::string kind) : kind_(std::move(kind)) {}
  void add(const std::string& name, const std::string& detail = "") {
    ++count_;
    if (count_ > kShown) return;
    names_ += (count_ > 1 ? ", " : "") + quoted(name) + (detail.empty() ? "" : " " + detail);
  }
  std::string text() const {
    if (count_ == 0) return "";
    return std::to_string(count_) + " " + kind_ + " (" + names_ + (count_ > kShown ? ", ..." : "") + ")";
  }

 private:
  static constexpr int kShown = 4;
  std::string kind_, names_;
  int count_ = 0;
};

// Everything that can be wrong with the tensors of a file, for one message.
struct Findings {
  Finding missing{"missing"}, unexpected{"unexpected"}, shape{"of the wrong shape"}, dtype{"of the wrong dtype"},
      unreadable{"unreadable"}, checksum{"with a wrong checksum"}, not_finite{"with values that are not finite"};

  void add(const std::string& name, const ReadResult& result) {
    if (result.problem == ReadProblem::unreadable) unreadable.add(name);
    if (result.problem == ReadProblem::wrong_checksum) checksum.add(name);
    if (result.problem == ReadProblem::not_finite) not_finite.add(name, result.detail);
  }
  void throw_if_any(const std::string& where) const {
    std::string text;
    for (const Finding* finding : {&missing, &unexpected, &shape, &dtype, &unreadable, &checksum, &not_finite})
      if (const std::string part = finding->text(); !part.empty()) text += (text.empty() ? "" : ", ") + part;
    if (!text.empty())
      throw data_error(where, ": the tensors do not fit the network: " + text,
                       "is it the right file and architecture? float32 and float16 are read");
  }
};

// Reads a tensor that the file has, or says what is wrong with it.
void read_checked(hid_t file, const TensorIndex& index, const TensorSpec& spec, const StoredTensor& stored,
                  HostTensor* out, Findings* findings) {
  if (!stored.readable())
    findings->dtype.add(spec.name, "is " + stored.dtype);
  else if (stored.shape != spec.shape)
    findings->shape.add(spec.name, "is " + to_string(stored.shape) + ", expected " + to_string(spec.shape));
  else
    findings->add(spec.name, index.read(file, spec.name, stored, out));
}

bool read_bytes(hid_t group, const std::string& name, std::vector<uint8_t>* bytes) {
  const Handle dataset = hdf5::open_dataset(group, name);
  const Handle type(dataset ? H5Dget_type(dataset.get()) : -1, H5Tclose);
  std::vector<int64_t> shape;
  if (!type || H5Tequal(type.get(), H5T_STD_U8LE) <= 0 || !hdf5::dimensions(dataset.get(), &shape)) return false;
  if (shape.size() != 1 || shape[0] > kMaxImageBytes) return false;
  bytes->resize(static_cast<size_t>(shape[0]));
  return bytes->empty() ||
         H5Dread(dataset.get(), H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes->data()) >= 0;
}

}  // namespace

struct WeightsFile::State {
  std::string path, where;  // where: how messages begin
  Handle file;
  Attributes attributes;
  std::string arch;
  int64_t num_classes = 0, input_size = 0, resize_size = 0;
  std::string interpolation;
  std::array<float, 3> mean{}, stddev{};
  std::vector<std::string> class_ids, class_names;
  std::optional<uint64_t> random_seed;
  std::optional<TensorIndex> index;

  State(const std::string& file_path, const std::string& what)
      : path(file_path), where(what + " " + quoted(file_path)) {
    file = hdf5::open_file(path, what);
    attributes = hdf5::read_attributes(file.get(), where);
    read_header();
    index.emplace(file.get(), where);
  }

  void read_header();
  Handle image_group(const std::string& split, const std::string& class_id) const;
};

// The root attributes that every network has; those of one architecture are read by models/.
void WeightsFile::State::read_header() {
  const int64_t version = typed<int64_t>(attributes, "format_version", kFormatVersion, where, "a single integer");
  if (version != kFormatVersion)
    throw data_error(where, ": format version " + std::to_string(version) + ", this program reads version " +
                                std::to_string(kFormatVersion));
  for (const char* name : {"arch", "num_classes"})
    if (!attributes.has(name)) throw data_error(where, std::string(" has no attribute '") + name + "'");
  arch = typed<std::string>(attributes, "arch", "", where, "a string");
  if (arch.empty()) throw data_error(where, ": attribute 'arch' is empty");
  num_classes = integer_in(attributes, "num_classes", 0, kMaxClasses, where);
  input_size = integer_in(attributes, "input_size", 224, kMaxInputSize, where);
  resize_size = integer_in(attributes, "resize_size", input_size * 256 / 224, 2 * kMaxInputSize, where);
  if (resize_size < input_size)
    throw data_error(where, ": attribute 'resize_size' is " + std::to_string(resize_size) + ", less than input_size");
  interpolation = typed<std::string>(attributes, "interpolation", "bilinear", where, "a string");
  if (interpolation != "bilinear" && interpolation != "bicubic")
    throw data_error(
        where, ": attribute 'interpolation' is " + quoted(interpolation) + ", expected 'bilinear' or 'bicubic'");
  mean = three_floats(attributes, "mean", {0.485f, 0.456f, 0.406f}, where);
  stddev = three_floats(attributes, "std", {0.229f, 0.224f, 0.225f}, where);
  for (const float value : stddev)
    if (!(value > 0)) throw data_error(where, ": attribute 'std' has a value that is not above 0");
  class_ids = per_class(attributes, "class_ids", num_classes, where);
  class_names = per_class(attributes, "class_names", num_classes, where);
  if (attributes.has("random_seed")) {
    uint64_t seed = 0;
    if (!hdf5::read_uint64(file.get(), "random_seed", &seed))
      throw data_error(where, ": attribute 'random_seed' is not a single integer");
    random_seed = seed;
  }
  std::set<std::string> seen;
  for (const std::string& id : class_ids)
    if (!seen.insert(id).second) throw data_error(where, ": class id " + quoted(id) + " occurs twice in 'class_ids'");
}

// The group of a class's images; the group of the split where class_id is empty; no handle where there is none.
Handle WeightsFile::State::image_group(const std::string& split, const std::string& class_id) const {
  const Handle images = hdf5::open_group(file.get(), "images");
  if (!images) return {};
  Handle group = hdf5::open_group(images.get(), split);
  if (!group || class_id.empty()) return group;
  return hdf5::open_group(group.get(), class_id);
}

WeightsFile::WeightsFile(const std::string& path, const std::string& what) {
  const hdf5::QuietErrors quiet;
  state_ = std::make_unique<State>(path, what);
}
WeightsFile::~WeightsFile() = default;
WeightsFile::WeightsFile(WeightsFile&&) noexcept = default;
WeightsFile& WeightsFile::operator=(WeightsFile&&) noexcept = default;

const std::string& WeightsFile::path() const { return state_->path; }
const std::string& WeightsFile::arch() const { return state_->arch; }
const Attributes& WeightsFile::attributes() const { return state_->attributes; }
int64_t WeightsFile::num_classes() const { return state_->num_classes; }
int64_t WeightsFile::input_size() const { return state_->input_size; }
int64_t WeightsFile::resize_size() const { return state_->resize_size; }
const std::string& WeightsFile::interpolation() const { return state_->interpolation; }
std::array<float, 3> WeightsFile::mean() const { return state_->mean; }
std::array<float, 3> WeightsFile::stddev() const { return state_->stddev; }
const std::vector<std::string>& WeightsFile::class_ids() const { return state_->class_ids; }
const std::vector<std::string>& WeightsFile::class_names() const { return state_->class_names; }
std::optional<uint64_t> WeightsFile::random_seed() const { return state_->random_seed; }

std::vector<TensorSpec> WeightsFile::tensors() const {
  std::vector<TensorSpec> list;
  for (const auto& [name, stored] : state_->index->tensors()) list.push_back({name, stored.shape});
  return list;
}

HostTensor WeightsFile::read(const std::string& name, const std::vector<int64_t>& expected_shape) const {
  const hdf5::QuietErrors quiet;
  const auto found = state_->index->tensors().find(name);
  Findings findings;
  HostTensor tensor;
  if (found == state_->index->tensors().end())
    findings.missing.add(name);
  else
    read_checked(state_->file.get(), *state_->index, {name, expected_shape}, found->second, &tensor, &findings);
  findings.throw_if_any(state_->where);
  return tensor;
}

std::map<std::string, HostTensor> WeightsFile::read_all(const std::vector<TensorSpec>& expected) const {
  const hdf5::QuietErrors quiet;
  const auto& stored = state_->index->tensors();
  std::map<std::string, HostTensor> tensors;
  std::set<std::string> wanted;
  Findings findings;
  for (const TensorSpec& spec : expected) {
    wanted.insert(spec.name);
    const auto found = stored.find(spec.name);
    if (found == stored.end())
      findings.missing.add(spec.name);
    else
      read_checked(state_->file.get(), *state_->index, spec, found->second, &tensors[spec.name], &findings);
  }
  for (const auto& entry : stored)
    if (!wanted.count(entry.first)) findings.unexpected.add(entry.first);
  findings.throw_if_any(state_->where);
  return tensors;
}

bool WeightsFile::has_images() const { return !image_classes("train").empty() || !image_classes("val").empty(); }

std::vector<std::string> WeightsFile::image_classes(const std::string& split) const {
  const hdf5::QuietErrors quiet;
  const Handle group = state_->image_group(split, "");
  if (!group) return {};
  return hdf5::children(group.get(), state_->where);
}

int64_t WeightsFile::image_count(const std::string& split, const std::string& class_id) const {
  const hdf5::QuietErrors quiet;
  const Handle group = class_id.empty() ? Handle() : state_->image_group(split, class_id);
  return group ? static_cast<int64_t>(hdf5::children(group.get(), state_->where).size()) : 0;
}

std::vector<EncodedImage> WeightsFile::images(const std::string& split, const std::string& class_id) const {
  const hdf5::QuietErrors quiet;
  const Handle group = class_id.empty() ? Handle() : state_->image_group(split, class_id);
  std::vector<EncodedImage> list;
  if (!group) return list;
  for (const std::string& name : hdf5::children(group.get(), state_->where)) {
    list.push_back({name, {}});
    if (!read_bytes(group.get(), name, &list.back().bytes))
      throw data_error(state_->where, ": packed image " + quoted(split + "/" + class_id + "/" + name) +
                                          " is not a readable one-dimensional array of uint8");
  }
  return list;
}

}  // namespace nad
