// Sentences that a rule makes from a test, and from nothing else (docs/METHOD.md, section 5a.8).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nad/analyse/analysis.h"

namespace nad {

struct Claim {
  std::string name;      // "specific"
  std::string sentence;  // the claim with its numbers, or "not shown: ..."
  double p = 0;          // NaN: not tested
  bool shown = false;
};

inline constexpr double kClaimLevel = 0.05;

// The five claims about one network, from its findings and those of its controls: shown where the test is significant at
// 5 % after Holm's correction over all five, those that were not tested counting too, where the claim's own condition
// holds (a network whose sub-architectures give false alarms to more than half, or know other classes' images as well as
// those classes' own do, is not specific, whatever its p is), and
// where no control reaches it: passes the same test at 5 %, uncorrected, with an effect whose interval does not lie
// below the network's. Two claims need a control with that test, because nothing in their own tests tells a network that
// knows from one that does not: falls_with_depth and stable.
// own_control: what the network itself is a control by ("shuffled labels", docs/METHOD.md 5a.6), or empty. With shuffled
// labels no claim is shown: what a network knows is brought out by the label alone, not learnt from images.
std::vector<Claim> make_claims(const std::map<std::string, Findings>& findings,
                               const std::vector<Control>& controls = {}, const std::string& own_control = "");

// Whether claims about a network are made beside another: one with random weights, of the same form and objective. With
// shuffled labels a network still knows what it knows, and the label brings it out.
bool is_control_of(const Facts& control, const Facts& network);

}  // namespace nad
