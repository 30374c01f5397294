// Findings as lines for people and as JSON for programs.
#pragma once

#include <iosfwd>
#include <string>

#include "nad/store/analysis.h"

namespace nad {

// A paragraph a network, a line an analysis.
void write_analysis_text(const AnalysisFile& file, std::ostream& out);
// One document. Numbers that do not exist are null; of the arrays only the shapes are told, they are in the file.
void write_analysis_json(const AnalysisFile& file, const std::string& path, std::ostream& out);

}  // namespace nad
