#include "nad/store/analysis_layout.h"
#include "weights/durable_file.h"
#include "weights/hdf5_writer.h"

namespace nad {
namespace {

using hdf5::Handle;
using hdf5::Writer;

void write_facts(const Writer& writer, hid_t object, const Facts& facts) {
  for (const auto& [name, fact] : facts) {
    std::visit([&, &to = name](const auto& value) { writer.attribute(object, to.c_str(), value); }, fact);
  }
}

void write_findings(const Writer& writer, hid_t parent, const std::string& name, const Findings& f) {
  const Handle group = writer.group(parent, name);
  write_facts(writer, group.get(), f.facts);
  writer.attribute(group.get(), kKey, f.key);
  writer.attribute(group.get(), kSummary, f.summary);
  if (!f.missing.empty()) writer.attribute(group.get(), kMissing, f.missing);
  for (const auto& [array, a] : f.arrays) {
    writer.dataset(group.get(), array, a.values, {a.shape.begin(), a.shape.end()});
  }
  if (f.table.empty()) return;
  const Handle table = writer.group(group.get(), kTable);
  std::vector<std::string> order;
  for (const Column& column : f.table) {
    order.push_back(column.name);
    std::visit([&](const auto& values) { writer.dataset(table.get(), column.name, values); }, column.values);
  }
  writer.attribute(table.get(), kColumns, order);
}

}  // namespace

void write_analysis(const std::string& path, const AnalysisFile& file) {
  const Writer writer("analysis file");
  write_facts(writer, writer.root(), file.facts);
  writer.attribute(writer.root(), "kind", std::string(kAnalysisKind));
  writer.attribute(writer.root(), "format_version", kAnalysisVersion);
  const Handle networks = writer.group(writer.root(), kNetworks);
  for (const auto& [label, network] : file.networks) {
    const Handle group = writer.group(networks.get(), label);
    write_facts(writer, group.get(), network.facts);
    for (const auto& [name, findings] : network.analyses) write_findings(writer, group.get(), name, findings);
  }
  write_durably(path, writer.bytes(), "analysis file");
}

}  // namespace nad
