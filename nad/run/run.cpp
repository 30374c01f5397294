#include "nad/run/run.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/parallel.h"
#include "nad/analyse/accuracy.h"
#include "nad/learn/class_batches.h"
#include "nad/run/signals.h"
#include "nad/store/file_hash.h"

namespace nad {

// The images outlive the batches made of them: members are destroyed from the last to the first.
struct Run::Work {
  ClassTask task;
  ClassResult result;
  DecodedClass images;
  std::unique_ptr<ClassBatches> batches;
  Clock::time_point since;
  double seconds_before = 0;  // of earlier runs
  std::deque<int> unread;     // images of the batches whose losses are still on the device

  int64_t taken() const { return result.taken() + static_cast<int64_t>(unread.size()); }
  bool learnt() const { return taken() == result.steps; }
  std::string label() const { return class_label(task); }
};

namespace {

uint64_t key_of(const RunSetup& setup, int64_t index) { return class_key(setup.options.seed, index); }

std::string hash_of(const DecodedClass& images) {
  uint64_t hash = kHashStart;
  for (const Image& image : images.images) {
    const int64_t size[2] = {image.width, image.height};
    hash = hash_bytes(hash, size, sizeof size);
    hash = hash_bytes(hash, image.rgb.data(), image.rgb.size());
  }
  return hexadecimal(hash);
}

bool lacks_accuracy(const RunSetup& setup, const ClassTask& task, const ClassResult& result) {
  return setup.options.eval && task.val_images > 0 && result.finished && std::isnan(result.top1_before);
}

// A class may fail alone; out of memory, a lost device or a full disk concern the whole run.
bool concerns_one_class(const Error& e) { return e.kind() == ErrorKind::data || e.kind() == ErrorKind::not_finite; }

}  // namespace

Run::Run(RunSetup& setup, Learner& learner, Progress& progress)
    : setup_(setup), learner_(learner), progress_(progress), slots_(static_cast<size_t>(setup.slots)) {
  for (const ClassTask& task : setup.classes) {
    const auto found = setup.results.classes.find(task.index);
    if (found == setup.results.classes.end() || !found->second.finished) queue_.push_back(task);
  }
}

Run::~Run() = default;

void Run::learn() {
  try {
    save();
    while (fill_slots()) {
      step();
      finish_slots();
      checkpoint_if_due();
    }
    if (unsaved_failure_) save();
    evaluate_earlier();
  } catch (const Stopped&) {
    save();
    int64_t finished = 0, started = 0;
    for (const auto& [index, result] : setup_.results.classes) {
      finished += result.finished;
      started += result.in_progress();
    }
    throw Error(ErrorKind::interrupted,
                "interrupted by " + signal_name(stop_signal()) + ": " + std::to_string(finished) +
                    " classes finished and " + std::to_string(started) + " in progress are saved in " + setup_.out,
                "go on with the same command and --resume");
  }
}

// Gives every free slot a class. False where nothing is left to do.
bool Run::fill_slots() {
  bool busy = false;
  for (size_t slot = 0; slot < slots_.size(); slot++) {
    while (!slots_[slot] && !queue_.empty()) {
      stop_if_asked();
      const ClassTask task = queue_.front();
      try {
        slots_[slot] = start(task, slot);
      } catch (const Error& e) {
        if (!concerns_one_class(e)) throw;
        fail(task, e, false);
      }
      queue_.pop_front();
    }
    busy = busy || slots_[slot];
  }
  return busy;
}

std::unique_ptr<Run::Work> Run::start(const ClassTask& task, size_t slot) {
  auto work = std::make_unique<Work>();
  work->task = task;
  work->since = Clock::now();
  if (task.source.empty())
    throw Error(ErrorKind::data, "class " + work->label() + ": there is no folder of its images");
  work->images = decode_class(*setup_.source, "train", task.index, task.source, std::max(1, max_threads()),
                              [this](const std::string& line) { progress_.warn("broken image: " + line); });

  const std::string hash = hash_of(work->images);
  const auto count = static_cast<int64_t>(work->images.images.size());
  ClassResult& result = work->result;
  const auto saved = setup_.results.classes.find(task.index);
  if (saved != setup_.results.classes.end() && saved->second.in_progress()) {
    result = saved->second;
    if (result.images_hash != hash) {
      throw Error(ErrorKind::data,
                  "class " + work->label() + ": its images are not those that it was learnt from so far",
                  "give the same images, or another --out to start anew");
    }
  } else {
    result.logits = initial_gates(learner_.channels(), key_of(setup_, task.index));
  }
  result.index = task.index;
  result.id = task.id;
  result.name = task.name;
  result.images_hash = hash;
  result.train_images = count;
  result.broken_images = work->images.broken;
  result.steps = class_steps(setup_.options, count);
  work->seconds_before = result.seconds;

  work->batches = std::make_unique<ClassBatches>(*setup_.context, learner_, work->images, task.index,
                                                 learning_batches(setup_, result.steps, result.taken()));
  learner_.assign(static_cast<int64_t>(slot), result.logits, result.sigma, key_of(setup_, task.index));
  progress_.say("class " + work->label() + " (" + task.name + "): " + std::to_string(count) + " training images, " +
                (result.taken() > 0 ? "goes on at step " + std::to_string(result.taken()) + " of " : "") +
                std::to_string(result.steps) + " steps");
  return work;
}

void Run::step() {
  stop_if_asked();
  unread_.begin();
  bool any = false, ends = false;
  int64_t interval = kLossHistory;
  for (size_t slot = 0; slot < slots_.size(); slot++) {
    if (!slots_[slot] || slots_[slot]->learnt()) continue;
    Work& work = *slots_[slot];
    work.unread.push_back(work.batches->feed(learner_, static_cast<int64_t>(slot)));
    any = true;
    ends = ends || work.learnt();
    interval = std::min(interval, steps_between_losses(setup_, work.result.steps));
  }
  if (!any) return;
  unread_.step(learner_);
  if (ends || unread_.count() >= interval) take_losses();
}

// Waits for the device. Slots change hands only between a call and the next step: all that have unread losses have
// the same number of them.
void Run::take_losses() {
  unread_.take(learner_, [this](int64_t back, double seconds) { take_losses_of_step(back, seconds); });
}

// Of the step `back` steps before the last.
void Run::take_losses_of_step(int64_t back, double seconds) {
  std::vector<Progress::ClassStep> steps;
  for (size_t slot = 0; slot < slots_.size(); slot++) {
    if (!slots_[slot] || slots_[slot]->unread.empty()) continue;
    Work& work = *slots_[slot];
    const int valid = work.unread.front();
    work.unread.pop_front();
    try {
      const StepLoss loss = learner_.loss(static_cast<int64_t>(slot), back);
      work.result.losses.push_back({loss.total, loss.first, loss.regular, loss.cross_entropy});
      work.result.correct.push_back(loss.correct);
      work.result.skipped.push_back(loss.skipped);
      steps.push_back(
          {work.label(), work.result.taken(), work.result.steps, loss.total, loss.skipped, loss.correct, valid});
    } catch (const Error& e) {
      if (!concerns_one_class(e)) throw;
      fail(work.task, Error(e.kind(), "step " + std::to_string(work.result.taken()) + ": " + e.what()), true);
      learner_.release(static_cast<int64_t>(slot));
      slots_[slot].reset();
    }
  }
  progress_.step(steps, seconds, class_steps_left());
}

void Run::finish_slots() {
  for (size_t slot = 0; slot < slots_.size(); slot++) {
    if (!slots_[slot] || !slots_[slot]->learnt()) continue;
    snapshot(slot);  // an interruption of the evaluation keeps what was learnt
    Work& work = *slots_[slot];
    try {
      if (setup_.options.eval && setup_.val_classes > 0) evaluate(work.task, work.result);
      work.result.finished = true;
      snapshot(slot);
      say_finished(work);
    } catch (const Error& e) {
      if (!concerns_one_class(e)) throw;
      fail(work.task, e, true);
    }
    learner_.release(static_cast<int64_t>(slot));
    slots_[slot].reset();
    save();
  }
}

void Run::say_finished(const Work& work) {
  const ClassResult& r = work.result;
  char text[64];
  const auto add = [&](const char* pattern, double value) {
    std::snprintf(text, sizeof text, pattern, value);
    return std::isnan(value) ? std::string() : std::string(text);
  };
  progress_.say("class " + work.label() + " is finished: " + std::to_string(r.steps) + " steps" +
                add(", loss %.6f", r.last_loss()) + add(", keeps %.1f %% of the channels", r.kept_percent()) +
                add(", Top-1 %.2f", r.top1_before) + add(" -> %.2f", r.top1_after));
  if (std::all_of(r.skipped.begin(), r.skipped.end(), [](uint8_t skipped) { return skipped; })) {
    progress_.warn("class " + work.label() +
                   ": every step was skipped, the original network classified none of its training crops correctly");
  }
}

void Run::evaluate(const ClassTask& task, ClassResult& result) {
  DecodedClass images;
  try {
    images = decode_class(*setup_.source, "val", task.index, task.source, std::max(1, max_threads()),
                          [this](const std::string& line) { progress_.warn("broken image: " + line); });
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data) throw;
    progress_.warn("class " + class_label(task) + ": its accuracies are left out: " + e.what());
    return;
  }
  const Accuracy accuracy = class_accuracy(learner_, result.logits, images, setup_.normalization,
                                           std::max(1, max_threads()), [this] { stop_if_asked(); });
  result.val_images = accuracy.images;
  result.broken_images += images.broken;
  result.top1_before = accuracy.before;
  result.top1_after = accuracy.after;
}

// Classes that a run with --no-eval finished, when their accuracies are asked for now.
void Run::evaluate_earlier() {
  for (const ClassTask& task : setup_.classes) {
    const auto found = setup_.results.classes.find(task.index);
    if (found == setup_.results.classes.end() || !lacks_accuracy(setup_, task, found->second)) continue;
    stop_if_asked();
    try {
      evaluate(task, found->second);
    } catch (const Error& e) {
      if (!concerns_one_class(e)) throw;
      progress_.warn("class " + class_label(task) + ": its accuracies are left out: " + e.what());
    }
    save();
  }
}

// started: the class took steps that are worth nothing now. Otherwise what an earlier run saved of it is kept.
// Saving waits until every slot is between two steps.
void Run::fail(const ClassTask& task, const Error& error, bool started) {
  progress_.warn("class " + std::to_string(task.index) + " failed: " + error.what());
  ClassResult& record = setup_.results.classes[task.index];
  if (started || !record.in_progress()) record = ClassResult();
  record.index = task.index;
  record.id = task.id;
  record.name = task.name;
  record.error = error.what();
  record.error_code = error.exit_code();
  unsaved_failure_ = true;
}

// Copies the state of a slot into the results.
void Run::snapshot(size_t slot) {
  Work& work = *slots_[slot];
  const auto index = static_cast<int64_t>(slot);
  work.result.logits = learner_.logits(index);
  if (setup_.learn.objective == Objective::variational) work.result.sigma = learner_.sigma(index);
  work.result.seconds = work.seconds_before + std::chrono::duration<double>(Clock::now() - work.since).count();
  work.result.error.clear();
  work.result.error_code = 0;
  setup_.results.classes[work.task.index] = work.result;
}

void Run::save() {
  take_losses();
  for (size_t slot = 0; slot < slots_.size(); slot++) {
    if (slots_[slot]) snapshot(slot);
  }
  write_results(setup_.out, setup_.results);
  last_save_ = Clock::now();
  unsaved_failure_ = false;
}

void Run::checkpoint_if_due() {
  const double elapsed = std::chrono::duration<double>(Clock::now() - last_save_).count();
  const bool busy = std::any_of(slots_.begin(), slots_.end(), [](const auto& work) { return work != nullptr; });
  if (unsaved_failure_ || (busy && elapsed >= setup_.options.checkpoint_every)) save();
}

void Run::stop_if_asked() const {
  if (stop_signal()) throw Stopped{};
}

double Run::class_steps_left() const {
  double left = 0;
  for (const auto& work : slots_) {
    if (work) left += static_cast<double>(work->result.steps - work->taken());
  }
  for (const ClassTask& task : queue_) {
    if (task.train_images > 0) left += static_cast<double>(class_steps(setup_.options, task.train_images));
  }
  return left;
}

std::vector<Learner::Timing> Run::profile(int repeats) {
  slots_.resize(1);
  queue_.assign(setup_.classes.begin(), setup_.classes.end());
  while (!queue_.empty() && !slots_[0]) {
    const ClassTask task = queue_.front();
    queue_.pop_front();
    slots_[0] = start(task, 0);
  }
  // Every slot learns the same images: the cost of a step does not depend on what they show.
  slots_[0]->batches->feed(learner_, 0);
  for (int64_t slot = 0; slot < setup_.slots; slot++) {
    learner_.assign(slot, slots_[0]->result.logits, {}, key_of(setup_, slots_[0]->task.index));
    slots_[0]->batches->repeat(learner_, slot);
  }
  learner_.step();
  std::vector<std::vector<Learner::Timing>> runs;
  for (int i = 0; i < repeats; i++) runs.push_back(learner_.timed_step());
  std::vector<Learner::Timing> medians = runs.at(0);
  for (size_t k = 0; k < medians.size(); k++) {
    std::vector<double> seconds;
    for (const auto& run : runs) seconds.push_back(run[k].seconds);
    std::nth_element(seconds.begin(), seconds.begin() + static_cast<int64_t>(seconds.size() / 2), seconds.end());
    medians[k].seconds = seconds[seconds.size() / 2];
  }
  return medians;
}

bool all_finished(const RunSetup& setup) {
  return std::all_of(setup.classes.begin(), setup.classes.end(), [&](const ClassTask& task) {
    const auto found = setup.results.classes.find(task.index);
    return found != setup.results.classes.end() && found->second.finished &&
           !lacks_accuracy(setup, task, found->second);
  });
}

Failures failures(const RunSetup& setup) {
  Failures found;
  for (const ClassTask& task : setup.classes) {
    const auto result = setup.results.classes.find(task.index);
    if (result == setup.results.classes.end() || result->second.error.empty()) continue;
    found.count++;
    found.exit_code = std::max(found.exit_code, static_cast<int>(result->second.error_code));
  }
  return found;
}

}  // namespace nad
