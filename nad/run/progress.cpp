#include "nad/run/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "nad/report/text.h"

namespace nad {
namespace {

constexpr double kSmoothing = 0.1;  // least weight of the newest step in the time per step
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kWorkLine = std::chrono::seconds(30);

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string loss_text(const Progress::ClassStep& c) { return c.skipped ? "skipped" : number("%.6f", c.loss); }

std::string bar(double share, int width) {
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
  return "[" + std::string(static_cast<size_t>(full), '=') + std::string(static_cast<size_t>(width - full), ' ') +
         "]";
}

size_t columns(std::FILE* stream) {
  winsize size{};
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

}  // namespace

std::string clock_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto total = static_cast<long long>(std::llround(std::min(seconds, 1e12)));
  char text[64];
  if (total >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", total / 60, total % 60);
  }
  return text;
}

Progress::Progress(std::FILE* stream, bool terminal, bool quiet, int64_t log_every)
    : stream_(stream), terminal_(terminal), quiet_(quiet), log_every_(log_every) {}

Progress::~Progress() { clear(); }

void Progress::say(const std::string& line) {
  if (!quiet_) print(line);
}

void Progress::warn(const std::string& line) { print(line); }

void Progress::print(const std::string& line) {
  clear();
  std::fprintf(stream_, "%s\n", one_line(line).c_str());
  std::fflush(stream_);
}

// As many of the parts, the first the most important, as fit in a line.
void Progress::draw(const std::vector<std::string>& parts) {
  const size_t room = columns(stream_) - 1;
  std::string text = one_line(parts[0]);
  text.resize(std::min(text.size(), room));
  for (size_t i = 1; i < parts.size() && text.size() + 2 + parts[i].size() <= room; i++) text += ", " + parts[i];
  std::fprintf(stream_, "\r\x1b[K%s", text.c_str());
  std::fflush(stream_);
  drawn_ = true;
}

void Progress::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stream_);
  std::fflush(stream_);
  drawn_ = false;
}

void Progress::step(const std::vector<ClassStep>& classes, double seconds, double class_steps_left) {
  if (quiet_ || classes.empty()) return;
  int images = 0;
  for (const ClassStep& c : classes) images += c.valid + c.others;
  // A plain mean of the first steps, then a sliding one. The very first step also pays for cold memory.
  steps_seen_++;
  const double weight = steps_seen_ <= 2 ? 1.0 : std::max(kSmoothing, 1.0 / static_cast<double>(steps_seen_ - 1));
  step_seconds_ += weight * (seconds - step_seconds_);
  step_images_ += weight * (images - step_images_);
  const double left = class_steps_left / static_cast<double>(classes.size()) * step_seconds_;
  const std::string pace = number("%.0f ms/step", 1000 * step_seconds_), until = "left " + clock_text(left),
                    rate = number("%.1f images/s", step_images_ / std::max(step_seconds_, 1e-9));
  const auto loss = [](const ClassStep& c) { return "loss " + loss_text(c); };
  const auto correct = [](const ClassStep& c) {
    return "correct " + std::to_string(c.correct) + "/" + std::to_string(c.valid);
  };
  const auto alarms = [](const ClassStep& c) {
    return "false alarms " + std::to_string(c.others_answered) + "/" + std::to_string(c.others);
  };
  if (terminal_) {
    const auto now = std::chrono::steady_clock::now();
    if (drawn_ && now - last_drawn_ < kRedraw) return;
    last_drawn_ = now;
    const ClassStep& c = classes[0];
    const std::string others = classes.size() > 1 ? " +" + std::to_string(classes.size() - 1) : "";
    std::vector<std::string> parts = {"class " + c.label + others + " " +
                                          bar(static_cast<double>(c.taken) / static_cast<double>(c.steps), 16) + " " +
                                          std::to_string(c.taken) + "/" + std::to_string(c.steps),
                                      until, pace, loss(c), correct(c)};
    if (c.others > 0) parts.push_back(alarms(c));
    parts.push_back(rate);
    draw(parts);
    return;
  }
  for (const ClassStep& c : classes) {
    if (c.taken % steps_between_lines(log_every_, c.steps) != 0 && c.taken != c.steps) continue;
    print("class " + c.label + ": step " + std::to_string(c.taken) + "/" + std::to_string(c.steps) + ", " + loss(c) +
          ", " + correct(c) + (c.others > 0 ? ", " + alarms(c) : "") + ", " + pace + ", " + rate + ", " + until);
  }
}

void Progress::work(const std::string& what, double share) {
  if (quiet_) return;
  const auto now = std::chrono::steady_clock::now();
  if (what != work_) {
    work_ = what;
    work_since_ = last_drawn_ = now;
  }
  if (now - last_drawn_ < (terminal_ ? std::chrono::steady_clock::duration(kRedraw) : kWorkLine)) return;
  last_drawn_ = now;
  const double spent = std::chrono::duration<double>(now - work_since_).count();
  const std::string percent = number("%.0f %%", 100 * share),
                    until = "left " + clock_text(share > 0 ? spent * (1 - share) / share : -1.0);
  if (terminal_) {
    draw({what + " " + bar(share, 16), percent, until});
  } else {
    print(what + ": " + percent + ", " + until);
  }
}

}  // namespace nad
