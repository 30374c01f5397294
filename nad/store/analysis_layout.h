// The fixed names of an analysis file (weights/FORMAT.md, "Analysis"): what its writer and its reader go by.
#pragma once

#include "nad/store/analysis.h"

namespace nad {

inline constexpr int64_t kAnalysisVersion = 1;
inline constexpr const char *kAnalysisKind = "nad analysis", *kNetworks = "networks", *kTable = "table",
                            *kColumns = "columns", *kKey = "key", *kSummary = "summary", *kMissing = "missing";

}  // namespace nad
