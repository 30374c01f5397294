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
};

const std::vector<Rule>& rules() {
  static const std::vector<Rule> list = {
      {"falls_with_depth", "fig4_similarity", "depth_p", "similarity between classes, above chance, falls with depth",
       [](const Findings& f) { return text_of("Spearman %.3f", f.number("depth_correlation")); },
       [](const Findings& f) { return f.number("depth_correlation") < 0; }},
      {"similar_mistakes", "table1_mistakes", "p", "mistakes go to classes with similar sub-architectures",
       [](const Findings& f) {
         return text_of("Mis - Oth %.4f [%.4f, %.4f]", f.number("difference"), f.number("difference_low"),
                        f.number("difference_high"));
       },
       [](const Findings& f) { return f.number("difference") > 0; }},
      {"specific", "random_masks", "p", "sub-architectures of this network are specific to their classes",
       [](const Findings& f) {
         return text_of("balanced accuracy %.4f, random masks %.4f, false alarms %.4f",
                        f.number("mean_balanced_accuracy"), f.number("mean_random"), f.number("mean_false_alarms"));
       },
       [](const Findings& f) { return f.number("mean_false_alarms") <= kConstantAnswer; }},
      {"stable", "stability", "p", "the class decides the sub-architecture, not only the start it was learnt from",
       [](const Findings& f) {
         return text_of("within, of other starts, %.4f, between %.4f", f.number("starts_within"),
                        f.number("starts_within") - f.number("starts_difference"));
       },
       [](const Findings& f) { return f.number("starts_difference") > 0; }},
      {"looks_at_its_class", "fig4_hit_rate", "p", "sub-architectures look at their own class more than others' do",
       [](const Findings& f) {
         return text_of("own - swap %.4f [%.4f, %.4f]", f.number("mean_difference"), f.number("mean_difference_low"),
                        f.number("mean_difference_high"));
       },
       [](const Findings& f) { return f.number("mean_difference") > 0; }},
  };
  return list;
}

Findings make(const Study& study) {
  const std::vector<Claim> claims = make_claims(study.so_far);
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
  f.summary = text_of("%lld of %zu claims are shown", static_cast<long long>(count), claims.size()) + list;
  return f;
}

}  // namespace

std::vector<Claim> make_claims(const std::map<std::string, Findings>& findings) {
  std::vector<Claim> claims;
  std::vector<double> p;
  for (const Rule& rule : rules()) {
    const auto found = findings.find(rule.analysis);
    const double value =
        found == findings.end() ? std::numeric_limits<double>::quiet_NaN() : found->second.number(rule.p);
    claims.push_back({rule.name, "", value, false});
    // A claim whose condition fails is not shown, and takes no place of another's in Holm's order.
    p.push_back(std::isnan(value) || rule.holds(found->second) ? value : 1.0);
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
                         rule.numbers(findings.at(rule.analysis)) + text_of(", p %.4f)", claims[i].p);
  }
  return claims;
}

const Analysis kClaims = {
    .name = "claims",
    .about = "what the findings show, after Holm's correction, and what they do not (5a.8)",
    .make = make,
    .from = {"fig4_similarity", "table1_mistakes", "random_masks", "stability", "fig4_hit_rate"}};

}  // namespace nad
