#include "nad/report/report_files.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "engine/error.h"
#include "nad/analyse/analysis.h"
#include "nad/analyse/claims.h"
#include "nad/store/file_kind.h"

namespace nad {
namespace {

Facts facts_of(const Subject& subject) {
  const RunSettings& s = subject.results().settings;
  Facts facts = {{"arch", s.arch},
                 {"objective", s.objective},
                 {"beta", s.beta},
                 {"beta_auto", static_cast<int64_t>(!subject.results().beta_search.beta.empty())},
                 {"lr", s.lr},
                 {"batch", s.batch},
                 {"seed", std::to_string(s.seed)},  // all 64 bits of it
                 {"half", s.half},
                 {"precision", s.precision},
                 {"device", s.device_description},
                 {"data", s.data},
                 {"weights_file", s.weights_file},
                 {"weights_hash", s.weights_hash},
                 {"num_classes", s.num_classes},
                 {"input_size", s.input_size},
                 {"program", s.program},
                 {"command_line", s.command_line},
                 {"classes", subject.count()},
                 {"runs", static_cast<int64_t>(subject.runs.size())},
                 {"masks_hash", subject.hash}};
  if (!s.control().empty()) facts["control"] = s.control();
  if (s.whole_batch) facts["whole_batch"] = int64_t{1};
  if (s.shows_others()) {
    facts["specific_target"] = s.specific_target;
    facts["lambda"] = s.lambda;
    facts["max_false_alarms"] = s.max_false_alarms;
    facts["negatives"] = s.negatives;
    facts["negative_classes"] = s.negative_classes;
  }
  if (s.steps > 0) facts["steps"] = s.steps;
  if (s.steps == 0) facts["epochs"] = s.epochs;
  if (s.steps == 0 && s.least_steps > 0) facts["least_steps"] = s.least_steps;
  return facts;
}

bool equal(const Facts& a, const Facts& b, const char* name) {
  const auto x = a.find(name), y = b.find(name);
  return x != a.end() && y != b.end() && x->second == y->second;
}

bool same_settings(const Facts& a, const Facts& b) {
  const bool controls = a.count("control") + b.count("control") == 0 || equal(a, b, "control");
  return controls && equal(a, b, "weights_hash") && equal(a, b, "objective") && equal(a, b, "beta");
}

// Of one seed or of one set of classes among several: settings alone do not tell. Older files do not say.
bool same_masks(const Facts& a, const Facts& b) {
  return a.count("masks_hash") == 0 || b.count("masks_hash") == 0 || equal(a, b, "masks_hash");
}

// Takes the network's findings that are not there yet. Of several that fit, the one of the same label.
void add_analysed(std::vector<ReportNetwork>& networks, const std::string& path, std::string label,
                  AnalysedNetwork network, std::vector<std::string>* notes) {
  const auto alike = [&, &facts = network.facts](const ReportNetwork& n) { return same_settings(n.facts, facts); };
  const auto fits = [&, &facts = network.facts](const ReportNetwork& n) {
    return alike(n) && same_masks(n.facts, facts);
  };
  auto found = std::find_if(networks.begin(), networks.end(),
                            [&](const ReportNetwork& n) { return n.label == label && fits(n); });
  if (found == networks.end()) found = std::find_if(networks.begin(), networks.end(), fits);
  if (found == networks.end()) {
    if (std::any_of(networks.begin(), networks.end(), alike)) {
      notes->push_back(path + ": its " + label +
                       " was made from other sub-architectures than the files before it: listed as a network of its "
                       "own; give the results files that it was made from, or run nad_analyse on these");
      label += " (other sub-architectures)";
    }
    networks.push_back({label, std::move(network.facts), std::nullopt, std::move(network.analyses)});
    return;
  }
  for (auto& [name, findings] : network.analyses) {
    Findings& there = found->analyses[name];
    if (there.summary.empty() && there.table.empty()) there = std::move(findings);
  }
}

// Of results without an analysis file: what they settle alone, and what the others would need.
// combined: those that are made from other analyses, or those that are not.
void add_findings(ReportNetwork& network, bool combined, const std::vector<ReportNetwork>& networks) {
  const AnalysisSettings settings;
  Study study = {*network.subject, settings, nullptr, network.analyses, [](double) {}};
  for (const ReportNetwork& other : networks) {
    if (&other != &network && is_control_of(other.facts, network.facts))
      study.controls.push_back({other.label, &other.analyses});
  }
  for (const Analysis& analysis : all_analyses()) {
    if (combined == analysis.from.empty() || network.analyses.count(analysis.name)) continue;
    Findings findings;
    findings.missing = lacking(analysis, study);
    if (findings.missing.empty()) findings = analysis.make(study);
    network.analyses[analysis.name] = std::move(findings);
  }
}

}  // namespace

Report read_report(const std::vector<std::string>& paths, std::vector<std::string>* notes) {
  Report report;
  std::vector<std::pair<std::string, Results>> results;
  std::vector<std::pair<std::string, AnalysisFile>> analyses;
  for (const std::string& path : paths) {
    if (names_pictures(path)) {
      std::vector<ReportPicture> pictures = read_pictures(path);
      std::move(pictures.begin(), pictures.end(), std::back_inserter(report.pictures));
      continue;
    }
    const std::string kind = file_kind(path);
    if (kind == "nad results") {
      results.emplace_back(path, read_results(path));
    } else if (kind == "nad analysis") {
      analyses.emplace_back(path, read_analysis(path));
    } else {
      throw Error(ErrorKind::data, "'" + path + "' is an HDF5 file, but neither of results nor of analyses",
                  "give files that nad_run or nad_analyse wrote");
    }
    report.files.push_back(std::filesystem::path(path).filename().string());
  }
  for (Subject& subject : group_subjects(std::move(results), notes)) {
    const std::string label = subject.label;
    Facts facts = facts_of(subject);
    report.networks.push_back({label, std::move(facts), std::move(subject), {}});
  }
  for (auto& [path, file] : analyses) {
    for (auto& [label, network] : file.networks) {
      add_analysed(report.networks, path, label, std::move(network), notes);
    }
  }
  for (const bool combined : {false, true}) {
    for (ReportNetwork& network : report.networks) {
      if (network.subject) add_findings(network, combined, report.networks);
    }
  }
  if (report.networks.empty()) {
    throw Error(ErrorKind::data, "none of the files holds a finished class or an analysis",
                "let nad_run finish a class");
  }
  return report;
}

}  // namespace nad
