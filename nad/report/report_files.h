// What a report is made of: the networks that some results files and analysis files speak of.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nad/analyse/subject.h"
#include "nad/report/report_pictures.h"
#include "nad/store/analysis.h"

namespace nad {

struct ReportNetwork {
  std::string label;               // as the analysis file calls it
  Facts facts;                     // arch, objective, ...
  std::optional<Subject> subject;  // where a results file speaks of it
  std::map<std::string, Findings> analyses;
};

struct Report {
  std::string title, program;
  std::vector<std::string> remarks;  // of whoever asked for the report
  std::vector<std::string> files;
  std::vector<ReportNetwork> networks;
  std::vector<ReportPicture> pictures;
};

// Results files, analysis files, pictures and folders of pictures in any order. Findings belong to the results of the same weights, objective and
// beta and, where the analysis file says its masks_hash, of the same masks; others are a network of their own. What no
// analysis file holds and the results alone settle is made here. notes: a line about each thing that was left out or
// stands by itself. Throws Error(data) where a file is none of these, or no network is left.
Report read_report(const std::vector<std::string>& paths, std::vector<std::string>* notes);

}  // namespace nad
