#include "nad/analyse/claims.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/specificity.h"

namespace nad {
namespace {

struct Rule {
  std::string name, analysis, p;  // p: the fact that holds it
  std::string claim;              // as a sentence without its numbers
  std::string (*numbers)(const Findings&);
  bool (*holds)(const Findings&);  // what else must be true
  // 95 % interval of what the claim says there is much of; NaN where it has none.
  Interval (*effect)(const Findings&);
  bool needs_control = false;  // without one the claim is not shown
};

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Interval interval_of(const Findings& f, const std::string& name) {
  return {f.number(name + "_low"), f.number(name + "_high")};
}

// Of masks that keep nearly everything the difference of two similarities is small; so its share of what is possible.
Interval separation_of(const Findings& f) {
  const Interval difference = interval_of(f, "mean_difference");
  const double possible = 1 - f.number("mean_chance");
  return {difference.low / possible, difference.high / possible};
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> list = {
      {"falls_with_depth", "fig4_similarity", "depth_p", "similarity between classes, above chance, falls with depth",
       [](const Findings& f) { return text_of("Spearman %.3f", f.number("depth_correlation")); },
       [](const Findings& f) { return f.number("depth_correlation") < 0; },
       [](const Findings&) {
         return Interval{kNone, kNone};
       },
       true},
      {"similar_mistakes", "table1_mistakes", "p", "mistakes go to classes with similar sub-architectures",
       [](const Findings& f) {
         return text_of("Mis - Oth %.4f [%.4f, %.4f]", f.number("difference"), f.number("difference_low"),
                        f.number("difference_high"));
       },
       [](const Findings& f) { return f.number("difference") > 0; },
       [](const Findings& f) { return interval_of(f, "difference"); }},
      {"specific", "random_masks", "p", "sub-architectures of this network are specific to their classes",
       [](const Findings& f) {
         return text_of(
             "balanced accuracy %.4f, random masks %.4f, false alarms %.4f; own %.4f, through other classes' %.4f",
             f.number("mean_balanced_accuracy"), f.number("mean_random"), f.number("mean_false_alarms"),
             f.number("mean_own"), f.number("mean_swapped_own"));
       },
       // Its class, and no other: a network that is hardly changed knows all of them, whichever class it is said to be of.
       [](const Findings& f) {
         return f.number("mean_false_alarms") <= kConstantAnswer && f.number("own_difference_low") > 0;
       },
       [](const Findings& f) { return interval_of(f, "mean_balanced_accuracy"); }},
      {"stable", "stability", "p", "the class decides the sub-architecture, not only the start it was learnt from",
       [](const Findings& f) {
         return text_of("within, of other starts, %.4f, between %.4f", f.number("starts_within"),
                        f.number("starts_within") - f.number("starts_difference"));
       },
       [](const Findings& f) { return f.number("starts_difference") > 0; }, separation_of, true},
      {"looks_at_its_class", "fig4_hit_rate", "p", "sub-architectures look at their own class more than others' do",
       [](const Findings& f) {
         return text_of("own - swap %.4f [%.4f, %.4f]", f.number("mean_difference"), f.number("mean_difference_low"),
                        f.number("mean_difference_high"));
       },
       [](const Findings& f) { return f.number("mean_difference") > 0; },
       [](const Findings& f) { return interval_of(f, "mean_difference"); }},
  };
  return list;
}

const Findings* with_test(const std::map<std::string, Findings>& findings, const Rule& rule) {
  const auto found = findings.find(rule.analysis);
  return found == findings.end() || std::isnan(found->second.number(rule.p)) ? nullptr : &found->second;
}

// A statistic that is not defined, where masks keep all, is none that reaches anything; but a test of starts needs two.
bool was_made(const std::map<std::string, Findings>& findings, const Rule& rule) {
  const auto found = findings.find(rule.analysis);
  if (found == findings.end() || found->second.table.empty()) return false;
  return rule.name != "stable" || found->second.number("starts") >= 2;
}

// Whether a control has the claim's effect too, and no less of it.
bool reaches(const Findings& control, const Findings& network, const Rule& rule) {
  if (control.number(rule.p) > kClaimLevel || !rule.holds(control)) return false;
  return !(rule.effect(control).high < rule.effect(network).low);
}

// What of the controls stands against a claim that was tested, in a few words; empty where nothing does.
std::string objection(const Findings& network, const std::vector<Control>& controls, const std::string& own_control,
                      const Rule& rule) {
  if (own_control == "shuffled labels") return "its labels are shuffled: what shows is not learnt from images";
  bool tested = false;
  for (const Control& control : controls) {
    const Findings* f = with_test(*control.findings, rule);
    if (f && reaches(*f, network, rule)) {
      return control.label + " reaches it too: " + rule.numbers(*f) + text_of(", p %.4f", f->number(rule.p));
    }
    tested = tested || was_made(*control.findings, rule);
  }
  if (!rule.needs_control || tested) return "";
  return "not without a control that knows nothing, and " +
         (controls.empty() ? std::string("none is given") : "the one given lacks " + rule.analysis);
}

Findings make(const Study& study) {
  const std::vector<Claim> claims =
      make_claims(study.so_far, study.controls, study.subject.results().settings.control());
  std::vector<std::string> name, sentence;
  std::vector<double> p;
  std::vector<int64_t> shown;
  std::string list;
  for (const Claim& claim : claims) {
    name.push_back(claim.name);
    sentence.push_back(claim.sentence);
    p.push_back(claim.p);
    shown.push_back(claim.shown);
    if (claim.shown) list += (list.empty() ? ": " : ", ") + claim.name;
  }
  Findings f;
  f.table = {{"claim", name}, {"sentence", sentence}, {"p", p}, {"shown", shown}};
  const auto count = static_cast<int64_t>(std::count(shown.begin(), shown.end(), 1));
  f.facts["shown"] = count;
  f.facts["level"] = kClaimLevel;
  f.facts["controls"] = static_cast<int64_t>(study.controls.size());
  f.summary = text_of("%lld of %zu claims are shown", static_cast<long long>(count), claims.size()) + list;
  return f;
}

}  // namespace

bool is_control_of(const Facts& control, const Facts& network) {
  const auto equal = [&](const char* name) {
    const auto a = control.find(name), b = network.find(name);
    return a != control.end() && b != network.end() && a->second == b->second;
  };
  const auto what = control.find("control");
  const auto* text = what == control.end() ? nullptr : std::get_if<std::string>(&what->second);
  return text && text->find("random weights") != std::string::npos && equal("arch") && equal("objective") &&
         equal("num_classes") && equal("input_size");
}

std::vector<Claim> make_claims(const std::map<std::string, Findings>& findings, const std::vector<Control>& controls,
                               const std::string& own_control) {
  std::vector<Claim> claims;
  std::vector<std::string> objections;
  std::vector<double> p;
  for (const Rule& rule : rules()) {
    const Findings* found = with_test(findings, rule);
    claims.push_back({rule.name, "", found ? found->number(rule.p) : kNone, false});
    objections.push_back(found ? objection(*found, controls, own_control, rule) : "");
    // A claim whose condition fails is not shown, and takes no place of another's in Holm's order.
    p.push_back(!found || (rule.holds(*found) && objections.back().empty()) ? claims.back().p : 1.0);
  }
  const std::vector<bool> rejected = holm(p, kClaimLevel);
  for (size_t i = 0; i < claims.size(); ++i) {
    const Rule& rule = rules()[i];
    claims[i].shown = rejected[i];
    if (std::isnan(claims[i].p)) {
      const auto found = findings.find(rule.analysis);
      const bool lacks = found != findings.end() && !found->second.missing.empty();
      claims[i].sentence = "not shown: " + rule.claim + " (not tested, " + rule.analysis +
                           (lacks ? " lacks " + found->second.missing : " has no test") + ")";
      continue;
    }
    claims[i].sentence = (rejected[i] ? "" : "not shown: ") + rule.claim + " (" +
                         rule.numbers(findings.at(rule.analysis)) + text_of(", p %.4f", claims[i].p) +
                         (objections[i].empty() ? "" : "; " + objections[i]) + ")";
  }
  return claims;
}

const Analysis kClaims = {
    .name = "claims",
    .about = "what the findings show, after Holm's correction, and what they do not (5a.8)",
    .settings = [](const AnalysisSettings&) { return std::string("beside controls"); },
    .make = make,
    .from = {"fig4_similarity", "table1_mistakes", "random_masks", "stability", "fig4_hit_rate"}};

}  // namespace nad
