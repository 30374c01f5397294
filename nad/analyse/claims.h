// Sentences that a rule makes from a test, and from nothing else (docs/METHOD.md, section 5a.8).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nad/store/analysis.h"

namespace nad {

struct Claim {
  std::string name;      // "specific"
  std::string sentence;  // the claim with its numbers, or "not shown: ..."
  double p = 0;          // NaN: not tested
  bool shown = false;
};

inline constexpr double kClaimLevel = 0.05;

// The five claims about one network, from its findings: shown where the test is significant at 5 % after Holm's
// correction over all five, those that were not tested counting too, and where the claim's own condition holds: a
// network whose sub-architectures give false alarms to more than half is not specific, whatever its p is.
std::vector<Claim> make_claims(const std::map<std::string, Findings>& findings);

}  // namespace nad
