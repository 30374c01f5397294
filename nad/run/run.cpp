#include "nad/run/run.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/parallel.h"
#include "nad/run/image_hash.h"
#include "nad/run/others.h"
#include "nad/run/outcome.h"
#include "nad/run/signals.h"
#include "nad/store/file_hash.h"

namespace nad {

struct Run::InProgress {
  ClassTask task;
  ClassResult result;
  Clock::time_point since;
  double seconds_before = 0;  // of earlier runs

  std::string label() const { return class_label(task); }
};

namespace {

// A class may fail alone; out of memory, a lost device or a full disk concern the whole run.
bool concerns_one_class(const Error& e) { return e.kind() == ErrorKind::data || e.kind() == ErrorKind::not_finite; }

StepRecord record_of(const StepLoss& loss) {
  return {.total = loss.total,
          .reconstruction = loss.reconstruction,
          .regularisation = loss.regularisation,
          .cross_entropy = loss.cross_entropy,
          .correct = loss.correct,
          .skipped = loss.skipped,
          .specificity = loss.specificity,
          .own_answered = loss.own_answered,
          .others_answered = loss.others_answered,
          .beta = loss.beta,
          .lambda = loss.lambda};
}

}  // namespace

Run::Run(const RunSetup& setup, RunState& state, Progress& progress)
    : setup_(setup),
      state_(state),
      progress_(progress),
      evaluation_(setup, state, progress),
      lanes_(*state.context, *state.learner) {
  classes_.resize(lanes_.size());
  for (const ClassTask& task : setup.classes) {
    const auto found = state.results.classes.find(task.index);
    if (found == state.results.classes.end() || !found->second.finished) queue_.push_back(task);
  }
}

Run::~Run() = default;

void Run::learn() {
  try {
    save();
    if (!queue_.empty()) others_ = draw_others(setup_, state_, progress_);
    while (fill_lanes()) {
      stop_if_asked();
      lanes_.step();
      if (lanes_.due()) read_losses();
      finish_lanes();
      checkpoint_if_due();
    }
    if (unsaved_failure_) save();
    evaluate_earlier();
  } catch (const Stopped&) {
    save();
    int64_t finished = 0, started = 0;
    for (const auto& [index, result] : state_.results.classes) {
      finished += result.finished;
      started += result.in_progress();
    }
    throw interrupted("",
                      std::to_string(finished) + " classes finished and " + std::to_string(started) + " in progress",
                      setup_.out);
  }
}

// Gives every free lane a class. False where nothing is left to do.
bool Run::fill_lanes() {
  bool busy = false;
  for (size_t lane = 0; lane < lanes_.size(); lane++) {
    while (!classes_[lane] && !queue_.empty()) {
      stop_if_asked();
      const ClassTask task = queue_.front();
      try {
        start(task, lane);
      } catch (const Error& e) {
        if (!concerns_one_class(e)) throw;
        fail(task, e, false);
      }
      queue_.pop_front();
    }
    busy = busy || classes_[lane];
  }
  return busy;
}

void Run::start(const ClassTask& task, size_t lane) {
  auto c = std::make_unique<InProgress>();
  c->task = task;
  c->since = Clock::now();
  if (task.source_class.empty())
    throw Error(ErrorKind::data, "class " + c->label() + ": there is no folder of its images");
  const auto images = std::make_shared<DecodedClass>(decode_images_of(setup_, task, "train", progress_));
  c->result = begin(task, *images);
  const ClassResult& r = c->result;
  c->seconds_before = r.seconds;
  lanes_.start(lane, {.images = images,
                      .others = others_,
                      .batches = learning_batches(setup_, state_, r.steps, r.taken()),
                      .logits = r.logits,
                      .sigma = r.sigma,
                      .moments = r.moments,
                      .key = class_key(setup_.options.seed, task.index),
                      .read_every = steps_between_losses(setup_, state_, r.steps)});
  progress_.say("class " + c->label() + " (" + task.name + "): " + std::to_string(r.train_images) +
                " training images, " +
                (r.taken() > 0 ? "goes on at step " + std::to_string(r.taken()) + " of " : "") +
                std::to_string(r.steps) + " steps");
  classes_[lane] = std::move(c);
}

// The class as it starts, or as an earlier run saved it.
ClassResult Run::begin(const ClassTask& task, const DecodedClass& images) const {
  ClassResult result;
  const std::string hash = hexadecimal(hash_images(kHashStart, images.images));
  const auto saved = state_.results.classes.find(task.index);
  if (saved != state_.results.classes.end() && saved->second.in_progress()) {
    result = saved->second;
    if (result.images_hash != hash) {
      throw Error(ErrorKind::data,
                  "class " + class_label(task) + ": its images are not those that it was learnt from so far",
                  "give the same images, or another --out to start anew");
    }
  } else {
    const uint64_t key = class_key(setup_.options.seed, task.index);
    result.logits = first_gates(setup_.options.objective, setup_.defaults, state_.results.channels, key);
  }
  result.index = task.index;
  result.id = task.id;
  result.name = task.name;
  result.images_hash = hash;
  result.train_images = static_cast<int64_t>(images.images.size());
  result.broken_images = images.broken;
  result.steps = class_steps(state_.settings(), result.train_images);
  return result;
}

// Waits for the device.
void Run::read_losses() {
  lanes_.read([this](const std::vector<Lanes::Taken>& step, double seconds) { record(step, seconds); });
}

void Run::record(const std::vector<Lanes::Taken>& step, double seconds) {
  std::vector<Progress::ClassStep> told;
  for (const Lanes::Taken& t : step) {
    InProgress& c = *classes_[t.lane];
    ClassResult& r = c.result;
    if (t.failure) {
      fail(c.task, Error(t.failure->kind(), "step " + std::to_string(r.taken()) + ": " + t.failure->what()), true);
      leave(t.lane);
      continue;
    }
    r.history.push_back(record_of(t.loss));
    told.push_back({c.label(), r.taken(), r.steps, t.loss.total, t.loss.skipped, t.loss.correct, t.images});
    if (state_.settings().shows_others()) {
      told.back().others = static_cast<int>(state_.settings().batch);
      told.back().others_answered = t.loss.others_answered;
    }
  }
  progress_.step(told, seconds, class_steps_left());
}

void Run::finish_lanes() {
  for (size_t lane = 0; lane < lanes_.size(); lane++) {
    if (!lanes_.learnt(lane)) continue;
    snapshot(lane);  // an interruption of the evaluation keeps what was learnt
    InProgress& c = *classes_[lane];
    try {
      if (setup_.options.eval && setup_.val_classes > 0) evaluation_.evaluate(c.task, c.result);
      c.result.finished = true;
      snapshot(lane);
      say_finished(c);
    } catch (const Error& e) {
      if (!concerns_one_class(e)) throw;
      fail(c.task, e, true);
    }
    leave(lane);
    save();
  }
}

void Run::leave(size_t lane) {
  lanes_.clear(lane);
  classes_[lane].reset();
}

void Run::say_finished(const InProgress& c) {
  const ClassResult& r = c.result;
  char text[64];
  const auto add = [&](const char* pattern, double value) {
    std::snprintf(text, sizeof text, pattern, value);
    return std::isnan(value) ? std::string() : std::string(text);
  };
  progress_.say("class " + c.label() + " is finished: " + std::to_string(r.steps) + " steps" +
                add(", loss %.6f", r.last_loss()) + add(", keeps %.1f %% of the channels", r.kept_percent()) +
                add(", Top-1 %.2f", r.top1_before) + add(" -> %.2f", r.top1_after) +
                add(", false alarms %.2f %%", r.false_alarms) + (r.constant_answer() ? ": a constant answer" : ""));
  if (std::all_of(r.history.begin(), r.history.end(), [](const StepRecord& step) { return step.skipped; })) {
    progress_.warn("class " + c.label() +
                   ": every step was skipped, the original network classified none of its training crops correctly");
  }
}

// Classes that a run with --no-eval finished, when their accuracies are asked for now.
void Run::evaluate_earlier() {
  for (const ClassTask& task : setup_.classes) {
    const auto found = state_.results.classes.find(task.index);
    if (found == state_.results.classes.end() || !lacks_accuracy(setup_, task, found->second)) continue;
    stop_if_asked();
    try {
      evaluation_.evaluate(task, found->second);
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
  ClassResult& record = state_.results.classes[task.index];
  if (started || !record.in_progress()) record = ClassResult();
  record.index = task.index;
  record.id = task.id;
  record.name = task.name;
  record.error = error.what();
  record.error_code = error.exit_code();
  unsaved_failure_ = true;
}

// Copies the state of a lane into the results.
void Run::snapshot(size_t lane) {
  InProgress& c = *classes_[lane];
  const auto slot = static_cast<int64_t>(lane);
  c.result.logits = state_.learner->logits(slot);
  if (setup_.options.objective == Objective::variational) c.result.sigma = state_.learner->sigma(slot);
  if (others_) c.result.moments = c.result.finished ? Moments() : state_.learner->moments(slot);
  c.result.seconds = c.seconds_before + std::chrono::duration<double>(Clock::now() - c.since).count();
  c.result.error.clear();
  c.result.error_code = 0;
  state_.results.classes[c.task.index] = c.result;
}

void Run::save() {
  read_losses();
  for (size_t lane = 0; lane < lanes_.size(); lane++) {
    if (classes_[lane]) snapshot(lane);
  }
  write_results(setup_.out, state_.results);
  last_save_ = Clock::now();
  unsaved_failure_ = false;
}

void Run::checkpoint_if_due() {
  const double elapsed = std::chrono::duration<double>(Clock::now() - last_save_).count();
  const bool busy = std::any_of(classes_.begin(), classes_.end(), [](const auto& c) { return c != nullptr; });
  if (unsaved_failure_ || (busy && elapsed >= setup_.options.checkpoint_every)) save();
}

double Run::class_steps_left() const {
  double left = 0;
  for (const auto& c : classes_) {
    if (c) left += static_cast<double>(c->result.steps - c->result.taken());
  }
  for (const ClassTask& task : queue_) {
    if (task.train_images > 0) left += static_cast<double>(class_steps(state_.settings(), task.train_images));
  }
  return left;
}

}  // namespace nad
