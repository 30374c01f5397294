// nad_analyse at work: which analyses are due for which networks, each saved as soon as it is made.
#pragma once

#include <string>

#include "nad/run/analyse_options.h"
#include "nad/run/progress.h"
#include "nad/store/analysis.h"

namespace nad {

struct Analysed {
  AnalysisFile file;  // what the analysis file holds now
  int exit_code = 0;  // of analyses that failed while others were made
};

// Reads the results, makes what is due, and writes the analysis file after each and the CSVs beside it. Throws
// Error(usage) for an output that cannot be, Error(data) for files that cannot be read, Error(interrupted) after a stop
// signal: what is made is saved.
Analysed analyse(const AnalyseOptions& options, const std::string& command_line, Progress& progress);

// Where the CSVs of an analysis file lie: A.h5 has A.csv/<network>/<analysis>.csv.
std::string csv_folder(const std::string& analysis_path);

}  // namespace nad
