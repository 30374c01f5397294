#include "nad/run/analyse.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <set>

#include "nad/analyse/claims.h"
#include "nad/run/network_laboratory.h"
#include "nad/run/output_place.h"
#include "nad/run/program.h"
#include "nad/run/signals.h"
#include "nad/store/file_hash.h"
#include "nad/store/file_lock.h"
#include "weights/durable_file.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

// The analyses of one network.
class SubjectAnalyses {
 public:
  SubjectAnalyses(const AnalyseOptions& options, const Subject& subject, std::string label, AnalysedNetwork& network,
                  std::string weights, Progress& progress)
      : options_(options),
        subject_(subject),
        label_(std::move(label)),
        network_(network),
        weights_(std::move(weights)),
        progress_(progress) {}

  // combined: those that are made from other analyses, or those that are not. save() is called after every one that was
  // made. Findings that are not chosen, or cannot be made with what is at hand, stay. Returns the exit code of those that
  // failed.
  template <class Save>
  int make_all(bool combined, std::vector<Control> controls, Save&& save) {
    controls_ = std::move(controls);
    int exit_code = 0;
    int64_t otherwise = 0;
    for (const Analysis& analysis : all_analyses()) {
      stop_if_asked();
      if (combined == analysis.from.empty()) continue;
      const bool chosen =
          options_.only.empty() || std::count(options_.only.begin(), options_.only.end(), analysis.name);
      const std::string label = label_ + " " + analysis.name;
      if (chosen && analysis.network) open();
      const auto earlier = network_.analyses.find(analysis.name);
      const bool there = earlier != network_.analyses.end() && !earlier->second.key.empty();
      if (there && up_to_date(earlier->second, analysis)) {
        if (chosen) progress_.say(label + ": is there already");
        continue;
      }
      if (there && (!chosen || !lacking(analysis, study("")).empty())) {
        ++otherwise;
        continue;
      }
      if (!chosen) continue;
      exit_code = std::max(exit_code, make(analysis, label));
      save(analysis.name);
    }
    if (otherwise > 0) {
      progress_.say(label_ + ": " + std::to_string(otherwise) +
                    " findings are kept as they were, made from other inputs or settings");
    }
    return exit_code;
  }

 private:
  Study study(const std::string& label) {
    return {subject_,
            options_.settings,
            laboratory_.laboratory.get(),
            network_.analyses,
            [this, label](double share) {
              stop_if_asked();
              progress_.work(label, share);
            },
            controls_};
  }

  void open() {
    if (opened_ || weights_.empty()) return;
    opened_ = true;
    laboratory_ = open_laboratory(options_, weights_, progress_);
  }

  // Where the network or the masks are not at hand, findings that were made with them are kept.
  bool up_to_date(const Findings& found, const Analysis& analysis) {
    const Study now = study("");
    const std::string key = findings_key(analysis, now);
    return found.key == key || (!at_hand(analysis, now) && found.key.rfind(key, 0) == 0);
  }

  int make(const Analysis& analysis, const std::string& label) {
    Findings& f = network_.analyses[analysis.name];
    const Study now = study(label);
    const std::string lacks = lacking(analysis, now);
    if (!lacks.empty()) {
      f.missing = lacks;
      progress_.say(label + ": is left out, it needs " + lacks);
      return 0;
    }
    int exit_code = 0;
    try {
      Findings made = analysis.make(now);
      made.key = findings_key(analysis, now);
      f = std::move(made);
      progress_.say(label + ": " +
                    (f.missing.empty()   ? f.summary
                     : f.summary.empty() ? "lacks " + f.missing
                                         : f.summary + "; lacks " + f.missing));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data && e.kind() != ErrorKind::not_finite) throw;
      if (f.key.empty()) f.missing = e.what();  // earlier findings stay
      progress_.warn(label + ": failed: " + e.what());
      exit_code = e.exit_code();
    }
    return exit_code;
  }

  const AnalyseOptions& options_;
  const Subject& subject_;
  const std::string label_;
  AnalysedNetwork& network_;
  const std::string weights_;
  Progress& progress_;
  std::vector<Control> controls_;
  bool opened_ = false;
  NetworkLaboratory laboratory_;
};

// Facts of a network by which its findings are found again.
constexpr std::array kIdentity = {"weights_hash", "objective", "masks_hash"};

AnalysisFile earlier_file(const AnalyseOptions& o) {
  std::error_code ignored;
  if (!fs::exists(o.out, ignored)) return {};
  return read_analysis(o.out);
}

Facts facts_of(const Subject& s) {
  const RunSettings& r = s.results().settings;
  Facts facts = {{"arch", r.arch},
                 {"objective", r.objective},
                 {"beta", r.beta},
                 {"weights_file", r.weights_file},
                 {"weights_hash", r.weights_hash},
                 {"masks_hash", s.hash},
                 {"num_classes", r.num_classes},
                 {"input_size", r.input_size},
                 {"classes", s.count()},
                 {"runs", static_cast<int64_t>(s.runs.size())}};
  if (!r.control().empty()) facts["control"] = r.control();
  return facts;
}

// Where the file has the findings of the same masks of the same network, or else a label that is free: of another
// network, or of other masks, nothing is replaced. Returns the label.
std::string place_of(AnalysisFile& file, const Subject& s) {
  const Facts facts = facts_of(s);
  const auto same = [&](const auto& network) {
    return std::all_of(kIdentity.begin(), kIdentity.end(), [&](const char* name) {
      const auto there = network.second.facts.find(name);
      return there != network.second.facts.end() && there->second == facts.at(name);
    });
  };
  const auto found = std::find_if(file.networks.begin(), file.networks.end(), same);
  std::string label = found == file.networks.end() ? s.label : found->first;
  for (int i = 2; found == file.networks.end() && file.networks.count(label); i++) {
    label = subject_label(s.results().settings) + "_" + std::to_string(i);
  }
  file.networks[label].facts = facts;
  return label;
}

std::vector<Subject> read_subjects(const AnalyseOptions& o, Progress& progress) {
  std::vector<std::pair<std::string, Results>> files;
  for (const std::string& path : o.results) files.emplace_back(path, read_results(path));
  std::vector<std::string> notes;
  std::vector<Subject> subjects = group_subjects(std::move(files), &notes);
  for (const std::string& note : notes) progress.warn(note);
  if (subjects.empty())
    throw Error(ErrorKind::data, "no results file holds a finished class", "let nad_run finish one");
  return subjects;
}

// The weights file of each hash.
std::map<std::string, std::string> weights_by_hash(const AnalyseOptions& o, const std::vector<Subject>& subjects) {
  std::set<std::string> wanted;
  for (const Subject& s : subjects) wanted.insert(s.results().settings.weights_hash);
  std::map<std::string, std::string> found;
  for (const std::string& path : o.weights) {
    const std::string hash = file_hash(path);
    if (!wanted.count(hash)) {
      throw Error(ErrorKind::usage,
                  "--weights " + path + ": no results file was made with these weights (fnv1a " + hash + ")",
                  "give the weights file that nad_run was given");
    }
    found[hash] = path;
  }
  return found;
}

void write_csv(const std::string& out, const std::string& label, const std::string& name, const Findings& f) {
  const fs::path path = fs::path(csv_folder(out)) / label / (name + ".csv");
  std::error_code error;
  if (f.table.empty()) {
    fs::remove(path, error);  // of what is missing now
    return;
  }
  fs::create_directories(path.parent_path(), error);
  const std::string text = csv(f.table);
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  write_durably(path.string(), {bytes, bytes + text.size()}, "table");
}

// Those of the files, but for the network itself.
std::vector<Control> controls_of(const AnalysedNetwork& network, const std::vector<const AnalysisFile*>& files) {
  std::vector<Control> controls;
  for (const AnalysisFile* file : files) {
    for (const auto& [label, other] : file->networks) {
      const auto masks = other.facts.find("masks_hash"), mine = network.facts.find("masks_hash");
      const bool itself = masks != other.facts.end() && mine != network.facts.end() && masks->second == mine->second;
      if (!itself && is_control_of(other.facts, network.facts)) controls.push_back({label, &other.analyses});
    }
  }
  return controls;
}

}  // namespace

std::string csv_folder(const std::string& analysis_path) {
  return fs::path(analysis_path).replace_extension(".csv").string();
}

Analysed analyse(const AnalyseOptions& o, const std::string& command_line, Progress& progress) {
  OutputRules rules{.may_exist = true, .inputs = o.results, .try_writing = false};
  rules.inputs.insert(rules.inputs.end(), o.weights.begin(), o.weights.end());
  rules.inputs.insert(rules.inputs.end(), o.controls.begin(), o.controls.end());
  check_output(o.out, rules);
  const FileLock lock(o.out, "--out");
  rules.try_writing = true;
  check_output(o.out, rules);
  const std::vector<Subject> subjects = read_subjects(o, progress);
  const auto weights = weights_by_hash(o, subjects);
  std::vector<AnalysisFile> given;  // controls
  for (const std::string& path : o.controls) given.push_back(read_analysis(path));

  Analysed analysed;
  analysed.file = earlier_file(o);
  analysed.file.facts = {{"program", program_version("nad_analyse")}, {"command_line", command_line}};
  std::vector<const AnalysisFile*> files = {&analysed.file};
  for (const AnalysisFile& file : given) files.push_back(&file);
  const auto make_all = [&](const Subject& s, bool combined) {
    const std::string label = place_of(analysed.file, s);
    AnalysedNetwork& network = analysed.file.networks.at(label);
    const auto path = weights.find(s.results().settings.weights_hash);
    SubjectAnalyses analyses(o, s, label, network, path == weights.end() ? "" : path->second, progress);
    const int code = analyses.make_all(combined, controls_of(network, files), [&](const std::string& name) {
      write_analysis(o.out, analysed.file);
      write_csv(o.out, label, name, network.analyses.at(name));
    });
    analysed.exit_code = std::max(analysed.exit_code, code);
  };
  try {
    for (const Subject& s : subjects) make_all(s, false);
    for (const Subject& s : subjects) make_all(s, true);  // beside the others' findings
  } catch (const Stopped&) {
    throw Error(ErrorKind::interrupted,
                "interrupted by " + signal_name(stop_signal()) + ": what was made is saved in " + o.out,
                "go on with the same command");
  }
  write_analysis(o.out, analysed.file);
  return analysed;
}

}  // namespace nad
