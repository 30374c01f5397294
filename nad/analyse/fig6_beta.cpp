// Fig. 6: reconstruction against regularisation over a grid of beta, and the elbow, from the search in the results file
// (docs/METHOD.md, section 5.6).
#include <limits>

#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/learn/elbow.h"

namespace nad {
namespace {

Findings make(const Study& study) {
  const BetaSearch& search = study.subject.results().beta_search;
  const Elbow elbow = find_elbow(search.mean_reconstruction, search.mean_regularisation);
  Findings f;
  std::vector<double> distance = elbow.distance;
  distance.resize(search.beta.size(), std::numeric_limits<double>::quiet_NaN());
  f.table = {{"beta", search.beta},
             {"reconstruction", search.mean_reconstruction},
             {"regularisation", search.mean_regularisation},
             {"distance", distance}};
  f.arrays["classes"] = {{static_cast<int64_t>(search.classes.size())},
                         {search.classes.begin(), search.classes.end()}};
  const auto classes = static_cast<int64_t>(search.classes.size()), points = static_cast<int64_t>(search.beta.size());
  f.facts["classes"] = classes;
  f.facts["points"] = points;
  f.facts["elbow"] = elbow.point ? search.beta[*elbow.point] : std::numeric_limits<double>::quiet_NaN();
  if (elbow.point) {
    f.summary = text_of("the elbow is at beta %g, of %lld values from %g to %g tried on %lld classes",
                        search.beta[*elbow.point], static_cast<long long>(points), search.beta.front(),
                        search.beta.back(), static_cast<long long>(classes));
  } else {
    f.missing = "an elbow: the curve has none, " + elbow.why;
  }
  return f;
}

}  // namespace

const Analysis kFig6Beta = {.name = "fig6_beta",
                            .about = "reconstruction against regularisation, the elbow of beta (Fig. 6)",
                            .beta_search = true,
                            .make = make};

}  // namespace nad
