#include "nad/analyse/analysis.h"

#include "nad/store/file_hash.h"

namespace nad {
namespace {

constexpr int kVersion = 3;  // of what the analyses compute: a new one makes earlier findings again

}  // namespace

const std::vector<Analysis>& all_analyses() {
  static const std::vector<Analysis> list = {
      kFig2Accuracy, kTransfer,  kFig4Similarity, kTable1Mistakes, kFig6Beta,    kFaithfulness, kComplement,
      kRandomMasks,  kSizeSweep, kStability,      kFig4HitRate,    kObjectMasks, kClaims};
  return list;
}

std::string lacking(const Analysis& analysis, const Study& study) {
  const Subject& s = study.subject;
  if (s.count() < analysis.classes) {
    return std::to_string(analysis.classes) + " finished classes, there " + (s.count() == 1 ? "is " : "are ") +
           std::to_string(s.count());
  }
  if (analysis.network && !study.laboratory) return "the weights file and val images";
  if (!at_hand(analysis, study)) return "masks of the objects in the val images";
  if (static_cast<int64_t>(s.runs.size()) < analysis.runs) {
    return "results of " + std::to_string(analysis.runs) +
           " runs of the same classes, with other starts, orders or halves";
  }
  if (analysis.beta_search && s.results().beta_search.beta.empty()) return "a search for beta in the results";
  for (const std::string& other : analysis.from) {
    if (study.so_far.count(other)) return "";
  }
  return analysis.from.empty() ? "" : "other analyses to go by";
}

bool at_hand(const Analysis& analysis, const Study& study) {
  if (!study.laboratory) return !analysis.network;
  return !analysis.masks || study.laboratory->parts().masks;
}

std::string findings_key(const Analysis& analysis, const Study& study) {
  std::string text = std::to_string(kVersion) + "|" + analysis.name + "|" + std::to_string(study.settings.seed) + "|";
  if (analysis.settings) text += analysis.settings(study.settings);
  text += "|" + (analysis.runs > 1 ? study.subject.runs_hash : study.subject.hash);
  for (const std::string& other : analysis.from) {
    const auto found = study.so_far.find(other);
    text += "|" + (found == study.so_far.end() ? "" : found->second.key);
    for (const Control& control : study.controls) {
      const auto of_control = control.findings->find(other);
      if (of_control != control.findings->end()) text += "|" + control.label + " " + of_control->second.key;
    }
  }
  const std::string key = hexadecimal(hash_bytes(kHashStart, text.data(), text.size()));
  if (!analysis.network) return key;
  if (!study.laboratory) return key + "-";
  const LaboratoryParts& parts = study.laboratory->parts();
  return key + "-" + parts.images_id + (analysis.masks ? "-" + parts.masks_id : "");
}

std::vector<Column> class_columns(const Subject& subject, const std::vector<int64_t>& classes) {
  std::vector<int64_t> index;
  std::vector<std::string> id, name;
  for (const int64_t c : classes) {
    index.push_back(c);
    id.push_back(subject.of(c).id);
    name.push_back(subject.of(c).name);
  }
  return {{"index", index}, {"id", id}, {"name", name}};
}

}  // namespace nad
