#include "nad/run/beta_search.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <limits>

#include "engine/error.h"
#include "engine/parallel.h"
#include "nad/learn/class_batches.h"
#include "nad/learn/elbow.h"
#include "nad/learn/unread_steps.h"
#include "nad/run/signals.h"

namespace nad {
namespace {

constexpr size_t kShare = 20;  // one class in so many
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[128];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

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
  Search(RunSetup& setup, Learner& learner, Progress& progress);
  void learn();
  void choose();

 private:
  struct Work {  // a class in a slot; the images outlive the batches made of them
    ClassTask task;
    size_t column = 0;  // of the class in the results
    DecodedClass images;
    int64_t steps = 0;
    std::unique_ptr<ClassBatches> batches;  // empty where the slot idles
    std::vector<double> first, regular;     // [steps taken]
    std::deque<int> unread;                 // images of the batches whose losses are still on the device
    bool ended = false;                     // with the last step

    int64_t taken() const { return static_cast<int64_t>(first.size()); }
  };
  struct Stopped {};  // thrown where a stop signal is noticed

  std::vector<Work> decode(size_t begin, size_t end);
  void start(Work& work, size_t slot, size_t point);
  bool step(std::vector<Work>& group, size_t point);
  void take_losses(std::vector<Work>& group, size_t point);
  Progress::ClassStep take_loss(Work& work, size_t slot, size_t point, int64_t back);
  bool known(size_t point, size_t column) const { return !std::isnan(search_.first[at(point, column)]); }
  size_t at(size_t point, size_t column) const { return point * tasks_.size() + column; }
  void average();
  void say_curve();
  void save() { write_results(setup_.out, setup_.results); }
  static void stop_if_asked() {
    if (stop_signal()) throw Stopped{};
  }

  RunSetup& setup_;
  Learner& learner_;
  Progress& progress_;
  BetaSearch& search_;
  const std::vector<ClassTask> tasks_;
  double class_steps_left_ = 0;  // of the search and of the run after it
  UnreadSteps unread_;
};

// Takes over what an interrupted search of the same classes has found.
Search::Search(RunSetup& setup, Learner& learner, Progress& progress)
    : setup_(setup),
      learner_(learner),
      progress_(progress),
      search_(setup.results.beta_search),
      tasks_(searched_classes(setup)) {
  std::vector<int64_t> classes;
  for (const ClassTask& task : tasks_) classes.push_back(task.index);
  if (search_.classes != classes) {
    if (!search_.classes.empty())
      progress_.warn("--beta auto: the first classes are others now, the search starts anew");
    search_.beta = setup.beta_grid;
    search_.classes = classes;
    search_.first.assign(search_.beta.size() * classes.size(), kNone);
    search_.regular = search_.first;
  }
  search_.mean_first.assign(search_.beta.size(), kNone);
  search_.mean_regular = search_.distance = search_.mean_first;

  const auto steps = [&](const ClassTask& task) {
    return task.train_images > 0 ? static_cast<double>(class_steps(setup.options, task.train_images)) : 0.0;
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
    const size_t slots = static_cast<size_t>(setup_.slots);
    for (size_t begin = 0; begin < tasks_.size(); begin += slots) {
      std::vector<Work> group = decode(begin, std::min(begin + slots, tasks_.size()));
      for (size_t point = 0; point < search_.beta.size(); point++) {
        learner_.set_beta(search_.beta[point]);
        for (size_t slot = 0; slot < group.size(); slot++) start(group[slot], slot, point);
        while (step(group, point)) continue;
      }
    }
  } catch (const Stopped&) {
    save();
    const auto done =
        std::count_if(search_.first.begin(), search_.first.end(), [](double v) { return !std::isnan(v); });
    throw Error(ErrorKind::interrupted,
                "interrupted by " + signal_name(stop_signal()) +
                    format(" in the search for beta: %lld of %zu trials are saved in ", static_cast<long long>(done),
                           search_.first.size()) +
                    setup_.out,
                "go on with the same command and --resume");
  }
}

// A class without an image that can be read is left out here; it fails in the run.
std::vector<Search::Work> Search::decode(size_t begin, size_t end) {
  std::vector<Work> group;
  for (size_t column = begin; column < end; column++) {
    stop_if_asked();
    Work work;
    work.task = tasks_[column];
    work.column = column;
    try {
      work.images =
          decode_class(*setup_.source, "train", work.task.index, work.task.source, std::max(1, max_threads()),
                       [this](const std::string& line) { progress_.warn("broken image: " + line); });
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      progress_.warn("class " + class_label(work.task) + " is left out of the search for beta: " + e.what());
      continue;
    }
    work.steps = class_steps(setup_.options, static_cast<int64_t>(work.images.images.size()));
    group.push_back(std::move(work));
  }
  return group;
}

void Search::start(Work& work, size_t slot, size_t point) {
  stop_if_asked();
  if (known(point, work.column)) return;
  const uint64_t key = class_key(setup_.options.seed, work.task.index);
  learner_.assign(static_cast<int64_t>(slot), initial_gates(learner_.channels(), key), {}, key);
  work.first.clear();
  work.regular.clear();
  work.unread.clear();
  work.batches = std::make_unique<ClassBatches>(*setup_.context, learner_, work.images, work.task.index,
                                                learning_batches(setup_, work.steps, 0));
}

// One step of every class that still has some to take. False where none has.
bool Search::step(std::vector<Work>& group, size_t point) {
  stop_if_asked();
  unread_.begin();
  bool any = false, ends = false;
  int64_t interval = kLossHistory;
  for (size_t slot = 0; slot < group.size(); slot++) {
    Work& work = group[slot];
    work.ended = false;
    if (!work.batches) continue;
    work.unread.push_back(work.batches->feed(learner_, static_cast<int64_t>(slot)));
    any = true;
    ends = ends || work.taken() + static_cast<int64_t>(work.unread.size()) == work.steps;
    interval = std::min(interval, steps_between_losses(setup_, work.steps));
  }
  if (!any) return false;
  unread_.step(learner_);
  if (ends || unread_.count() >= interval) take_losses(group, point);
  return true;
}

// Waits for the device, as Run::take_losses() does.
void Search::take_losses(std::vector<Work>& group, size_t point) {
  unread_.take(learner_, [&](int64_t back, double seconds) {
    std::vector<Progress::ClassStep> steps;
    for (size_t slot = 0; slot < group.size(); slot++) {
      if (group[slot].batches) steps.push_back(take_loss(group[slot], slot, point, back));
    }
    progress_.step(steps, seconds, class_steps_left_);
  });
  if (std::any_of(group.begin(), group.end(), [](const Work& work) { return work.ended; })) save();
}

// After the last step the trial ends with its means, after a loss that is not finite without.
Progress::ClassStep Search::take_loss(Work& work, size_t slot, size_t point, int64_t back) {
  const int valid = work.unread.front();
  work.unread.pop_front();
  const std::string label = class_label(work.task) + format(" with beta %g", search_.beta[point]);
  StepLoss loss;
  try {
    loss = learner_.loss(static_cast<int64_t>(slot), back);
    work.first.push_back(loss.first);
    work.regular.push_back(loss.regular);
    if (work.taken() == work.steps) {
      search_.first[at(point, work.column)] = mean_of_last_tenth(work.first);
      search_.regular[at(point, work.column)] = mean_of_last_tenth(work.regular);
      work.ended = true;
    }
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::not_finite) throw;
    progress_.warn("class " + label + " failed and is left out of the search for beta: " + e.what());
    loss.skipped = work.ended = true;
  }
  class_steps_left_ -= work.ended ? static_cast<double>(work.steps - work.taken() + 1) : 1.0;
  if (work.ended) {
    learner_.release(static_cast<int64_t>(slot));
    work.batches.reset();
  }
  return {label, work.taken(), work.steps, loss.total, loss.skipped, loss.correct, valid};
}

// The curve: means over the classes that were learnt with every beta.
void Search::average() {
  const size_t points = search_.beta.size();
  size_t used = 0;
  std::vector<double>&first = search_.mean_first, &regular = search_.mean_regular;
  first.assign(points, 0);
  regular.assign(points, 0);
  for (size_t column = 0; column < tasks_.size(); column++) {
    bool whole = true;
    for (size_t point = 0; point < points; point++) whole = whole && known(point, column);
    if (!whole) continue;
    used++;
    for (size_t point = 0; point < points; point++) {
      first[point] += search_.first[at(point, column)];
      regular[point] += search_.regular[at(point, column)];
    }
  }
  for (size_t point = 0; point < points; point++) {
    first[point] = used > 0 ? first[point] / static_cast<double>(used) : kNone;
    regular[point] = used > 0 ? regular[point] / static_cast<double>(used) : kNone;
  }
}

void Search::say_curve() {
  progress_.say(format("%12s %14s %14s %10s", "beta", "first", "regular", "distance"));
  for (size_t point = 0; point < search_.beta.size(); point++) {
    progress_.say(format("%12g %14.6g %14.6g %10.4f", search_.beta[point], search_.mean_first[point],
                         search_.mean_regular[point], search_.distance[point]));
  }
}

void Search::choose() {
  average();
  const Elbow elbow = find_elbow(search_.mean_first, search_.mean_regular);
  if (!elbow.distance.empty()) search_.distance = elbow.distance;
  say_curve();
  const double beta = elbow.point ? search_.beta[*elbow.point] : setup_.learn.beta;
  if (elbow.point) {
    progress_.say(format("beta %g is the elbow of the curve", beta));
  } else {
    progress_.warn("--beta auto: the curve has no elbow, " + elbow.why +
                   format("; the default beta %g is taken", beta));
  }
  setup_.learn.beta = setup_.settings.beta = setup_.results.settings.beta = beta;
  learner_.set_beta(beta);
  save();
}

}  // namespace

bool beta_search_due(const RunSetup& setup) { return setup.options.beta_auto && std::isnan(setup.settings.beta); }

void search_beta(RunSetup& setup, Learner& learner, Progress& progress) {
  Search search(setup, learner, progress);
  search.learn();
  search.choose();
}

}  // namespace nad
