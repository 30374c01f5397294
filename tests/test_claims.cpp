// The rules that make claims: they speak where there is something to say, and are silent over networks that know
// nothing.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "analyse_lab.h"
#include "nad/analyse/claims.h"

using namespace nad;

namespace {

Findings with_p(double p, Facts facts) {
  facts["p"] = p;
  Findings f;
  f.facts = std::move(facts);
  return f;
}

// Of a network whose every test is as clear as its random draws allow.
std::map<std::string, Findings> clear_findings() {
  std::map<std::string, Findings> found;
  found["fig4_similarity"] = with_p(0, {{"depth_p", 0.0005}, {"depth_correlation", -0.9}});
  found["table1_mistakes"] = with_p(0.0005, {{"difference", 0.05}});
  found["random_masks"] =
      with_p(1.0 / 101, {{"mean_false_alarms", 0.1}, {"mean_balanced_accuracy", 0.9}, {"own_difference_low", 0.5}});
  found["stability"] = with_p(0.0005, {{"starts", int64_t{2}}, {"starts_difference", 0.2}});
  found["fig4_hit_rate"] = with_p(0.0005, {{"mean_difference", 0.1}});
  return found;
}

// Of a network that knows nothing: made, and nothing found.
std::map<std::string, Findings> silent_findings() {
  std::map<std::string, Findings> found = clear_findings();
  for (auto& [name, f] : found) {
    f.facts["p"] = 0.5;
    f.table = {{"gate", std::vector<int64_t>{0}}};
  }
  found["fig4_similarity"].facts["depth_p"] = 0.5;
  return found;
}

// The control's findings, by name.
std::vector<Claim> beside(const std::map<std::string, Findings>& findings,
                          const std::map<std::string, Findings>& control) {
  return make_claims(findings, {{"resnet50_released_random_weights", &control}});
}

int64_t shown(const std::vector<Claim>& claims) {
  return std::count_if(claims.begin(), claims.end(), [](const Claim& c) { return c.shown; });
}

const Claim& named(const std::vector<Claim>& claims, const std::string& name) {
  return *std::find_if(claims.begin(), claims.end(), [&](const Claim& c) { return c.name == name; });
}

// Ten classes in seven layers of 100 channels. Half of a class's mask is its own choice of channels and the same in every
// run; the other half is common to all classes, and less so the deeper the layer is.
GateVectors planted_mask(int64_t class_index, uint64_t run) {
  GateVectors gates;
  for (uint64_t g = 0; g < 7; g++) {
    std::vector<float> logits;
    for (uint64_t c = 0; c < 100; c++) {
      const uint64_t own = random_key(random_key(1, static_cast<uint64_t>(class_index)), g);
      const bool common = random_uniform(random_key(2, g), c) > 0.1f + 0.12f * static_cast<float>(g);
      const bool noise =
          random_uniform(random_key(random_key(3 + run, static_cast<uint64_t>(class_index)), g), c) < 0.1f;
      const bool kept = (common ? c % 2 == 0 : random_uniform(own, c) < 0.5f) != noise;
      logits.push_back(kept ? 1.0f : -1.0f);
    }
    gates.push_back(logits);
  }
  return gates;
}

// A run for each of `seeds`, named by its place.
std::vector<std::pair<std::string, Results>> runs_of(const std::function<GateVectors(int64_t, uint64_t)>& mask,
                                                     int64_t classes, const std::vector<uint64_t>& seeds) {
  std::vector<std::pair<std::string, Results>> files;
  for (uint64_t run = 0; run < seeds.size(); run++) {
    Results r;
    r.settings.seed = seeds[run];
    r.settings.order_seed = run;
    for (int64_t c = 0; c < classes; c++) {
      r.classes[c].index = c;
      r.classes[c].finished = true;
      r.classes[c].logits = mask(c, run);
    }
    for (const std::vector<float>& gate : r.classes[0].logits) {
      r.channels.push_back(static_cast<int64_t>(gate.size()));
      r.gate_names.push_back("layer " + std::to_string(r.gate_names.size()));
    }
    files.emplace_back(std::to_string(run), std::move(r));
  }
  return files;
}

Subject subject_of(std::vector<std::pair<std::string, Results>> files, std::vector<std::string>* notes) {
  return group_subjects(std::move(files), notes).at(0);
}

Findings stability_of(const Subject& subject) {
  const AnalysisSettings settings;
  const std::map<std::string, Findings> none;
  const Study study{subject, settings, nullptr, none, [](double) {}};
  CHECK(lacking(kStability, study).empty() == (subject.runs.size() > 1));
  return subject.runs.size() > 1 ? kStability.make(study) : Findings();
}

}  // namespace

TEST_CASE("clear findings make every claim") {
  const std::vector<Claim> claims = beside(clear_findings(), silent_findings());
  CHECK(claims.size() == 5);
  CHECK(shown(claims) == 5);
  for (const Claim& claim : claims) CHECK(claim.sentence.rfind("not shown", 0) == std::string::npos);
  CHECK(named(claims, "specific").sentence.find("balanced accuracy 0.9") != std::string::npos);
}

TEST_CASE("without a network of random weights the label may be behind two of the claims") {
  const std::vector<Claim> claims = make_claims(clear_findings());
  CHECK(shown(claims) == 3);
  for (const char* name : {"falls_with_depth", "stable"}) {
    CHECK_FALSE(named(claims, name).shown);
    CHECK(named(claims, name).sentence.find("not without a control") != std::string::npos);
  }
  // One whose analysis was not made is none.
  auto control = silent_findings();
  control["stability"].table.clear();
  control["stability"].facts.clear();
  CHECK_FALSE(named(beside(clear_findings(), control), "stable").shown);
  CHECK(named(beside(clear_findings(), control), "stable").sentence.find("the one given lacks stability") !=
        std::string::npos);
  CHECK(named(beside(clear_findings(), control), "falls_with_depth").shown);
  // Nor one of which all runs have the same start, and so no test.
  control = silent_findings();
  control["stability"].facts["starts"] = int64_t{1};
  control["stability"].facts["p"] = std::nan("");
  CHECK_FALSE(named(beside(clear_findings(), control), "stable").shown);
}

TEST_CASE("what a control reaches is not shown, unless the network has clearly more of it") {
  auto findings = clear_findings(), control = silent_findings();
  const auto set = [](Findings& f, const char* name, double low, double high) {
    f.facts[std::string(name) + "_low"] = low;
    f.facts[std::string(name) + "_high"] = high;
  };
  set(findings["fig4_hit_rate"], "mean_difference", 0.08, 0.12);
  set(control["fig4_hit_rate"], "mean_difference", 0.02, 0.09);
  CHECK(named(beside(findings, control), "looks_at_its_class").shown);  // the control's p is 0.5
  control["fig4_hit_rate"].facts["p"] = 0.04;
  const Claim reached = named(beside(findings, control), "looks_at_its_class");
  CHECK_FALSE(reached.shown);
  CHECK(reached.sentence.rfind("not shown: ", 0) == 0);
  CHECK(reached.sentence.find("resnet50_released_random_weights reaches it too: own - swap") != std::string::npos);
  CHECK(shown(beside(findings, control)) == 4);
  set(control["fig4_hit_rate"], "mean_difference", 0.02, 0.07);
  CHECK(named(beside(findings, control), "looks_at_its_class").shown);
  // Similarities of masks that keep more differ by less: shares of what is possible are compared.
  set(findings["stability"], "mean_difference", 0.30, 0.40);
  findings["stability"].facts["mean_chance"] = 0.5;
  set(control["stability"], "mean_difference", 0.05, 0.08);
  control["stability"].facts["mean_chance"] = 0.9;
  control["stability"].facts["p"] = 0.0005;
  CHECK_FALSE(named(beside(findings, control), "stable").shown);
  control["stability"].facts["mean_chance"] = 0.7;
  CHECK(named(beside(findings, control), "stable").shown);
  // A fall with depth has no interval: a control's is enough.
  control["fig4_similarity"].facts["depth_p"] = 0.05;
  CHECK_FALSE(named(beside(findings, control), "falls_with_depth").shown);
  // A constant answer of the control reaches nothing.
  control["random_masks"].facts["p"] = 0.01;
  control["random_masks"].facts["mean_false_alarms"] = 0.9;
  CHECK(named(beside(findings, control), "specific").shown);
}

TEST_CASE("a control is a network with random weights, of the same form and objective") {
  const Facts network = {
      {"arch", "vgg16"}, {"objective", "paper"}, {"num_classes", int64_t{9}}, {"input_size", int64_t{32}}};
  Facts control = network;
  CHECK_FALSE(is_control_of(control, network));
  control["control"] = "shuffled labels";
  CHECK_FALSE(is_control_of(control, network));
  for (const char* what : {"random weights", "random weights, shuffled labels"}) {
    control["control"] = what;
    CHECK(is_control_of(control, network));
  }
  control["objective"] = "released";
  CHECK_FALSE(is_control_of(control, network));
}

TEST_CASE("with shuffled labels nothing is shown; random weights are judged by what they reach") {
  CHECK(shown(make_claims(clear_findings(), {}, "shuffled labels")) == 0);
  CHECK(
      named(make_claims(clear_findings(), {}, "shuffled labels"), "specific").sentence.find("shuffled: what shows") !=
      std::string::npos);
  CHECK(shown(make_claims(clear_findings(), {}, "random weights, shuffled labels")) == 3);
}

TEST_CASE("constant answers are not specific, whatever p is") {
  auto found = clear_findings();
  found["random_masks"].facts["mean_false_alarms"] = 0.8;
  const std::vector<Claim> claims = beside(found, silent_findings());
  CHECK_FALSE(named(claims, "specific").shown);
  CHECK(named(claims, "specific").sentence.rfind("not shown", 0) == 0);
  CHECK(shown(claims) == 4);
}

TEST_CASE("what other classes' sub-architectures know as well is not specific to the class") {
  auto found = clear_findings();
  for (const double low : {0.0, -0.1, std::numeric_limits<double>::quiet_NaN()}) {
    found["random_masks"].facts["own_difference_low"] = low;
    CHECK_FALSE(named(beside(found, silent_findings()), "specific").shown);
  }
}

TEST_CASE("what was not tested is not shown, and one test alone must reach a fifth of the level") {
  std::map<std::string, Findings> alone;
  alone["fig4_hit_rate"] = with_p(0.02, {{"mean_difference", 0.2}});
  CHECK(shown(make_claims(alone)) == 0);
  alone["fig4_hit_rate"].facts["p"] = 0.009;
  CHECK(shown(make_claims(alone)) == 1);
  CHECK(named(make_claims(alone), "specific").sentence.find("not tested") != std::string::npos);
  alone["random_masks"].missing = "a fifth class";
  CHECK(named(make_claims(alone), "specific").sentence.find("random_masks lacks a fifth class") != std::string::npos);
  CHECK(shown(make_claims({})) == 0);
}

TEST_CASE("planted masks: the class decides, and similarity falls with depth") {
  std::vector<std::string> notes;
  const Subject planted = subject_of(runs_of(planted_mask, 10, {0, 1}), &notes);
  REQUIRE(planted.runs.size() == 2);
  const AnalysisSettings settings;
  std::map<std::string, Findings> found;
  const Study study{planted, settings, nullptr, found, [](double) {}};
  found["fig4_similarity"] = kFig4Similarity.make(study);
  found["stability"] = kStability.make(study);
  const std::vector<Claim> claims = beside(found, silent_findings());
  CHECK(named(claims, "falls_with_depth").shown);
  CHECK(named(claims, "stable").shown);
  CHECK(shown(claims) == 2);
  const std::vector<double> separation = real_column(found["stability"], "separation");
  CHECK(separation.back() > separation.front());
}

TEST_CASE("a run given twice is no other run, and runs that share their start make no claim") {
  std::vector<std::string> notes;
  auto files = runs_of(planted_mask, 10, {0, 1, 1});
  const Subject both = subject_of({files[0], files[1]}, &notes);
  CHECK(notes.empty());
  // The file again, and its masks under other settings: each said, neither counted.
  auto renamed = files[1];
  renamed.second.settings.order_seed = 9;
  const Subject twice = subject_of({files[0], files[1], files[0], renamed}, &notes);
  CHECK(twice.runs.size() == 2);
  CHECK(notes.size() == 2);
  CHECK(twice.runs_hash == both.runs_hash);
  CHECK(stability_of(subject_of({files[0], files[0]}, &notes)).table.empty());

  const Findings shared = stability_of(subject_of({files[1], files[2]}, &notes));
  CHECK(shared.number("mean_within") > shared.number("mean_between"));
  CHECK(std::isnan(shared.number("p")));
  CHECK(shared.missing.find("another seed") != std::string::npos);
  CHECK_FALSE(named(beside({{"stability", shared}}, silent_findings()), "stable").shown);

  // Of three runs with two starts the first of each is tested.
  const Findings mixed = stability_of(subject_of({files[0], files[1], files[2]}, &notes)), two = stability_of(both);
  CHECK(mixed.number("starts") == 2);
  CHECK(mixed.number("p") == two.number("p"));
  CHECK(mixed.number("starts_within") == two.number("mean_within"));
  CHECK(mixed.number("mean_within") != two.number("mean_within"));
  // Which start a run had is part of what was analysed.
  files[1].second.settings.seed = 7;
  CHECK(subject_of({files[0], files[1]}, &notes).runs_hash != both.runs_hash);
  CHECK(subject_of({files[0], files[1]}, &notes).hash == both.hash);
}

TEST_CASE("ten networks that know nothing make at most one claim") {
  int64_t networks_with_claims = 0;
  for (uint64_t network = 0; network < 10; network++) {
    SmallLab lab(std::vector<int64_t>(10, 5), 10);  // random weights
    lab.settings.seed = network;
    lab.settings.draws = 100;
    lab.settings.composites = 150;  // each class is in sixty
    for (uint64_t run = 0; run < 2; run++) {
      Results& r = run == 0 ? lab.subject.runs[0] : lab.subject.runs.emplace_back(lab.subject.runs[0]);
      r.settings.seed = run;
      for (auto& [c, result] : r.classes) {
        result.logits = initial_gates(r.channels, class_key(100 + 2 * network + run, c));
        for (std::vector<float>& gate : result.logits) {
          for (float& logit : gate) logit += 1;
        }
      }
    }
    for (const Analysis* a :
         {&kFig4Similarity, &kTable1Mistakes, &kRandomMasks, &kStability, &kFig4HitRate, &kClaims}) {
      CHECK(lacking(*a, lab.study()).empty());
      lab.so_far[a->name] = a->make(lab.study());
    }
    MESSAGE(lab.so_far["claims"].summary);
    networks_with_claims += lab.so_far["claims"].number("shown") > 0;
    // The tests were made, or silence would mean nothing.
    for (const char* name : {"table1_mistakes", "random_masks", "stability", "fig4_hit_rate"}) {
      CAPTURE(std::string(name));
      if (std::string(name) != "table1_mistakes") CHECK_FALSE(std::isnan(lab.so_far[name].number("p")));
    }
  }
  CHECK(networks_with_claims <= 1);
}
