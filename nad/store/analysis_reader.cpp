#include <algorithm>

#include "engine/error.h"
#include "nad/store/analysis_layout.h"
#include "weights/hdf5_writer.h"

namespace nad {
namespace {

using hdf5::Handle;

// One group of the file, with where it lies in every message.
class Group {
 public:
  Group(Handle group, std::string where) : group_(std::move(group)), where_(std::move(where)) {}

  Error bad(const std::string& what) const {
    return Error(ErrorKind::data, where_ + " " + what, "is it an analysis file? choose another one", Setting::output);
  }
  std::vector<std::string> members() const { return hdf5::children(group_.get(), where_); }
  bool is_group(const std::string& name) const {
    const Handle set = H5Lexists(group_.get(), name.c_str(), H5P_DEFAULT) > 0
                           ? Handle(H5Oopen(group_.get(), name.c_str(), H5P_DEFAULT), H5Oclose)
                           : Handle();
    return set && H5Iget_type(set.get()) == H5I_GROUP;
  }
  Group inside(const std::string& name) const {
    if (!is_group(name)) throw bad("has no group " + hdf5::quoted(name));
    return {hdf5::open_group(group_.get(), name), where_ + ", " + name + ":"};
  }
  Attributes attributes() const { return hdf5::read_attributes(group_.get(), where_); }

  template <class T>
  std::vector<T> values(const Handle& set, const std::string& name, std::vector<int64_t>* shape) const {
    if (!hdf5::dimensions(set.get(), shape)) throw bad("has no dataset " + hdf5::quoted(name));
    int64_t count = 1;
    for (const int64_t n : *shape) count *= n;
    std::vector<T> read(static_cast<size_t>(count));
    if (count > 0 && H5Dread(set.get(), hdf5::stored_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, read.data()) < 0) {
      throw bad("has a dataset " + hdf5::quoted(name) + " that cannot be read");
    }
    return read;
  }
  Array array(const std::string& name) const {
    Array a;
    a.values = values<double>(open(name), name, &a.shape);
    return a;
  }
  Column column(const std::string& name) const {
    const Handle set = open(name);
    const Handle type(H5Dget_type(set.get()), H5Tclose);
    std::vector<int64_t> shape;
    Column c{name, {}};
    switch (H5Tget_class(type.get())) {
      case H5T_INTEGER:
        c.values = values<int64_t>(set, name, &shape);
        break;
      case H5T_FLOAT:
        c.values = values<double>(set, name, &shape);
        break;
      default:
        c.values = hdf5::read_texts(set.get(), where_);
    }
    return c;
  }

 private:
  Handle open(const std::string& name) const {
    if (is_group(name)) throw bad("has a group where a dataset is expected: " + hdf5::quoted(name));
    Handle set = hdf5::open_dataset(group_.get(), name);
    if (!set) throw bad("has no dataset " + hdf5::quoted(name));
    return set;
  }

  Handle group_;
  std::string where_;
};

Facts facts_of(const Attributes& attributes) {
  Facts facts;
  for (const auto& [name, value] : attributes.values()) {
    if (const auto* whole = std::get_if<int64_t>(&value)) facts[name] = *whole;
    if (const auto* real = std::get_if<double>(&value)) facts[name] = *real;
    if (const auto* text = std::get_if<std::string>(&value)) facts[name] = *text;
  }
  return facts;
}

// Takes a text out of the facts.
std::string taken(Facts& facts, const char* name) {
  const auto found = facts.extract(name);
  if (found.empty()) return "";
  const auto* text = std::get_if<std::string>(&found.mapped());
  return text ? *text : "";
}

Findings read_findings(const Group& group) {
  Findings f;
  f.facts = facts_of(group.attributes());
  f.key = taken(f.facts, kKey);
  f.summary = taken(f.facts, kSummary);
  f.missing = taken(f.facts, kMissing);
  for (const std::string& name : group.members()) {
    if (!group.is_group(name)) f.arrays[name] = group.array(name);
  }
  if (!group.is_group(kTable)) return f;
  const Group table = group.inside(kTable);
  const auto order = table.attributes().get<std::vector<std::string>>(kColumns, {});
  for (const std::string& name : order) f.table.push_back(table.column(name));
  return f;
}

}  // namespace

AnalysisFile read_analysis(const std::string& path) {
  const hdf5::QuietErrors quiet;
  const Handle file = hdf5::open_file(path, "analysis file");
  const Group root(Handle(H5Gopen2(file.get(), "/", H5P_DEFAULT), H5Gclose), "analysis file " + path);
  AnalysisFile result;
  result.facts = facts_of(root.attributes());
  if (taken(result.facts, "kind") != kAnalysisKind) throw root.bad("is an HDF5 file, but not of analyses");
  const auto version = result.facts.extract("format_version");
  if (version.empty() || version.mapped() != Fact(kAnalysisVersion)) throw root.bad("has not format version 1");
  const Group networks = root.inside(kNetworks);
  for (const std::string& label : networks.members()) {
    const Group group = networks.inside(label);
    AnalysedNetwork& network = result.networks[label];
    network.facts = facts_of(group.attributes());
    for (const std::string& name : group.members()) network.analyses[name] = read_findings(group.inside(name));
  }
  return result;
}

}  // namespace nad
