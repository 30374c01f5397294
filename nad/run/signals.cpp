#include "nad/run/signals.h"

#include <csignal>

namespace nad {
namespace {

// A handler can reach nothing but static storage: the one exception to "no globals".
volatile std::sig_atomic_t received = 0;

extern "C" void remember(int signal) { received = signal; }

void set_action(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

void catch_signals() {
  // SA_RESETHAND: the next signal of the same kind has its default effect.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;  // nohup, or a shell's background job
    set_action(signal, remember, SA_RESETHAND | SA_RESTART);
  }
  for (const int signal : {SIGXFSZ, SIGPIPE}) set_action(signal, SIG_IGN, 0);
}

int stop_signal() { return received; }

std::string signal_name(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
  }
  return "signal " + std::to_string(signal);
}

void stop_if_asked() {
  if (stop_signal()) throw Stopped{};
}

Error interrupted(const std::string& during, const std::string& saved, const std::string& out) {
  return Error(ErrorKind::interrupted,
               "interrupted by " + signal_name(stop_signal()) + (during.empty() ? "" : " " + during) + ": " + saved +
                   " are saved in " + out,
               "go on with the same command and --resume");
}

}  // namespace nad
