#include "nad/run/beta_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "nad/learn/elbow.h"
#include "nad/learn/lanes.h"
#include "nad/report/text.h"
#include "nad/run/signals.h"

namespace nad {
namespace {

constexpr size_t kShare = 20;  // one class in so many
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// The first classes that have images, in the order of --classes.
std::vector<ClassTask> searched_classes(const RunSetup& setup) {
  std::vector<ClassTask> tasks;
  for (const ClassTask& task : setup.classes) {
    if (task.train_images > 0) tasks.push_back(task);
  }
  tasks.resize(std::min(tasks.size(), std::max<size_t>(1, tasks.size() / kShare)));
  return tasks;
}

class Search {
 public:
  Search(const RunSetup& setup, RunState& state, Progress& progress);
  void learn();
  void choose();

 private:
  struct Candidate {  // a class in its lane, learnt with one beta after the other
    ClassTask task;
    size_t column = 0;  // of the class in the results
    std::shared_ptr<const DecodedClass> images;
    int64_t steps = 0;
    std::vector<double> reconstruction, regularisation;  // [steps taken]

    int64_t taken() const { return static_cast<int64_t>(reconstruction.size()); }
  };

  std::vector<Candidate> decode(size_t begin, size_t end);
  void start(Candidate& c, size_t lane, size_t point);
  void learn(std::vector<Candidate>& group, size_t point);
  Progress::ClassStep record(Candidate& c, const Lanes::Taken& taken, size_t point);
  bool known(size_t point, size_t column) const { return !std::isnan(search_.reconstruction[at(point, column)]); }
  size_t at(size_t point, size_t column) const { return point * tasks_.size() + column; }
  void average();
  void say_curve();
  void save() { write_results(setup_.out, state_.results); }

  const RunSetup& setup_;
  RunState& state_;
  Progress& progress_;
  BetaSearch& search_;
  const std::vector<ClassTask> tasks_;
  double class_steps_left_ = 0;  // of the search and of the run after it
  Lanes lanes_;
};

// Takes over what an interrupted search of the same classes has found.
Search::Search(const RunSetup& setup, RunState& state, Progress& progress)
    : setup_(setup),
      state_(state),
      progress_(progress),
      search_(state.results.beta_search),
      tasks_(searched_classes(setup)),
      lanes_(*state.context, *state.learner) {
  std::vector<int64_t> classes;
  for (const ClassTask& task : tasks_) classes.push_back(task.index);
  if (search_.classes != classes) {
    if (!search_.classes.empty())
      progress_.warn("--beta auto: the first classes are others now, the search starts anew");
    search_.beta = setup.beta_grid;
    search_.classes = classes;
    search_.reconstruction.assign(search_.beta.size() * classes.size(), kNone);
    search_.regularisation = search_.reconstruction;
  }
  search_.mean_reconstruction.assign(search_.beta.size(), kNone);
  search_.mean_regularisation = search_.distance = search_.mean_reconstruction;

  const auto steps = [&](const ClassTask& task) {
    return task.train_images > 0 ? static_cast<double>(class_steps(state.settings(), task.train_images)) : 0.0;
  };
  for (size_t column = 0; column < tasks_.size(); column++) {
    for (size_t point = 0; point < search_.beta.size(); point++) {
      if (!known(point, column)) class_steps_left_ += steps(tasks_[column]);
    }
  }
  for (const ClassTask& task : setup.classes) class_steps_left_ += steps(task);
}

void Search::learn() {
  progress_.say(format("search for beta: %zu values on %zu of %zu classes", search_.beta.size(), tasks_.size(),
                       setup_.classes.size()));
  try {
    save();
    for (size_t begin = 0; begin < tasks_.size(); begin += lanes_.size()) {
      std::vector<Candidate> group = decode(begin, std::min(begin + lanes_.size(), tasks_.size()));
      for (size_t point = 0; point < search_.beta.size(); point++) learn(group, point);
    }
  } catch (const Stopped&) {
    save();
    const std::vector<double>& trials = search_.reconstruction;
    const auto done = std::count_if(trials.begin(), trials.end(), [](double v) { return !std::isnan(v); });
    throw interrupted("in the search for beta",
                      std::to_string(done) + " of " + std::to_string(trials.size()) + " trials", setup_.out);
  }
}

// A class without an image that can be read is left out here; it fails in the run.
std::vector<Search::Candidate> Search::decode(size_t begin, size_t end) {
  std::vector<Candidate> group;
  for (size_t column = begin; column < end; column++) {
    stop_if_asked();
    Candidate c;
    c.task = tasks_[column];
    c.column = column;
    try {
      c.images = std::make_shared<DecodedClass>(decode_images_of(setup_, c.task, "train", progress_));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      progress_.warn("class " + class_label(c.task) + " is left out of the search for beta: " + e.what());
      continue;
    }
    c.steps = class_steps(state_.settings(), static_cast<int64_t>(c.images->images.size()));
    group.push_back(std::move(c));
  }
  return group;
}

void Search::start(Candidate& c, size_t lane, size_t point) {
  stop_if_asked();
  if (known(point, c.column)) return;
  c.reconstruction.clear();
  c.regularisation.clear();
  const uint64_t key = class_key(setup_.options.seed, c.task.index);
  lanes_.start(lane, {.images = c.images,
                      .batches = learning_batches(setup_, state_, c.steps, 0),
                      .logits = first_gates(setup_.options.objective, setup_.defaults, state_.results.channels, key),
                      .sigma = {},
                      .key = key,
                      .read_every = steps_between_losses(setup_, state_, c.steps)});
}

// Learns a group of classes, each in its lane, with one beta. Saves when a class is through.
void Search::learn(std::vector<Candidate>& group, size_t point) {
  state_.learner->set_beta(search_.beta[point]);
  for (size_t lane = 0; lane < group.size(); lane++) start(group[lane], lane, point);
  while (true) {
    stop_if_asked();
    if (!lanes_.step()) return;
    if (!lanes_.due()) continue;
    bool ended = false;
    lanes_.read([&](const std::vector<Lanes::Taken>& step, double seconds) {
      std::vector<Progress::ClassStep> told;
      for (const Lanes::Taken& taken : step) {
        told.push_back(record(group[taken.lane], taken, point));
        ended = ended || !lanes_.busy(taken.lane);
      }
      progress_.step(told, seconds, class_steps_left_);
    });
    if (ended) save();
  }
}

// After the last step the trial ends with its means, after a loss that is not finite without.
Progress::ClassStep Search::record(Candidate& c, const Lanes::Taken& taken, size_t point) {
  const std::string label = class_label(c.task) + format(" with beta %g", search_.beta[point]);
  StepLoss loss = taken.loss;
  if (taken.failure) {
    progress_.warn("class " + label + " failed and is left out of the search for beta: " + taken.failure->what());
    loss.skipped = true;
    class_steps_left_ -= static_cast<double>(c.steps - c.taken());
    lanes_.clear(taken.lane);
  } else {
    c.reconstruction.push_back(loss.reconstruction);
    c.regularisation.push_back(loss.regularisation);
    class_steps_left_--;
    if (c.taken() == c.steps) {
      search_.reconstruction[at(point, c.column)] = mean_of_last_tenth(c.reconstruction);
      search_.regularisation[at(point, c.column)] = mean_of_last_tenth(c.regularisation);
      lanes_.clear(taken.lane);
    }
  }
  return {label, c.taken(), c.steps, loss.total, loss.skipped, loss.correct, taken.images};
}

// The curve: means over the classes that were learnt with every beta.
void Search::average() {
  const size_t points = search_.beta.size();
  size_t used = 0;
  std::vector<double>&reconstruction = search_.mean_reconstruction, &regularisation = search_.mean_regularisation;
  reconstruction.assign(points, 0);
  regularisation.assign(points, 0);
  for (size_t column = 0; column < tasks_.size(); column++) {
    bool whole = true;
    for (size_t point = 0; point < points; point++) whole = whole && known(point, column);
    if (!whole) continue;
    used++;
    for (size_t point = 0; point < points; point++) {
      reconstruction[point] += search_.reconstruction[at(point, column)];
      regularisation[point] += search_.regularisation[at(point, column)];
    }
  }
  for (size_t point = 0; point < points; point++) {
    reconstruction[point] = used > 0 ? reconstruction[point] / static_cast<double>(used) : kNone;
    regularisation[point] = used > 0 ? regularisation[point] / static_cast<double>(used) : kNone;
  }
}

void Search::say_curve() {
  progress_.say(format("%12s %16s %16s %10s", "beta", "reconstruction", "regularisation", "distance"));
  for (size_t point = 0; point < search_.beta.size(); point++) {
    progress_.say(format("%12g %16.6g %16.6g %10.4f", search_.beta[point], search_.mean_reconstruction[point],
                         search_.mean_regularisation[point], search_.distance[point]));
  }
}

void Search::choose() {
  average();
  const Elbow elbow = find_elbow(search_.mean_reconstruction, search_.mean_regularisation);
  if (!elbow.distance.empty()) search_.distance = elbow.distance;
  say_curve();
  const double beta = elbow.point ? search_.beta[*elbow.point] : setup_.defaults.beta.value;
  if (elbow.point) {
    progress_.say(format("beta %g is the elbow of the curve", beta));
  } else {
    progress_.warn("--beta auto: the curve has no elbow, " + elbow.why +
                   format("; the default beta %g is taken", beta));
  }
  state_.results.settings.beta = beta;
  state_.learner->set_beta(beta);
  save();
}

}  // namespace

bool beta_search_due(const RunSetup& setup, const RunState& state) {
  return setup.options.beta_auto && std::isnan(state.settings().beta);
}

void search_beta(const RunSetup& setup, RunState& state, Progress& progress) {
  Search search(setup, state, progress);
  search.learn();
  search.choose();
}

}  // namespace nad
