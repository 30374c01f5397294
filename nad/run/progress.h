// Lines for people on stderr: notes, warnings, and how learning goes on. On a terminal the progress is one line that
// is redrawn; elsewhere it is a plain line every so many steps, without control characters.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace nad {

std::string clock_text(double seconds);  // "0:07", "12:34", "1:02:03"

// Steps between the plain lines of a class of `steps` steps. log_every: 0 = ten lines per class.
inline int64_t steps_between_lines(int64_t log_every, int64_t steps) {
  return log_every > 0 ? log_every : std::max<int64_t>(1, steps / 10);
}

class Progress {
 public:
  struct ClassStep {  // a class after a step
    std::string label;
    int64_t taken = 0, steps = 0;
    double loss = 0;  // total
    bool skipped = false;
    int correct = 0, valid = 0;           // of the batch's images, by the original network
    int others_answered = 0, others = 0;  // of those of other classes taken for this one, by the gated network
  };

  // terminal: redraw one line. log_every: see steps_between_lines().
  Progress(std::FILE* stream, bool terminal, bool quiet, int64_t log_every);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void say(const std::string& line);   // not when quiet
  void warn(const std::string& line);  // always
  // classes: those that took part. seconds: of this step. class_steps_left: of all classes together.
  void step(const std::vector<ClassStep>& classes, double seconds, double class_steps_left);
  // Work of which a share in [0, 1] is done; a new `what` begins anew. Elsewhere than on a terminal a line every 30 s.
  void work(const std::string& what, double share);

 private:
  void print(const std::string& line);
  void draw(const std::vector<std::string>& parts);
  void clear();

  std::FILE* stream_;
  const bool terminal_, quiet_;
  const int64_t log_every_;
  int64_t steps_seen_ = 0;
  double step_seconds_ = 0, step_images_ = 0;  // smoothed
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_drawn_{};
  std::string work_;
  std::chrono::steady_clock::time_point work_since_{};
};

}  // namespace nad
