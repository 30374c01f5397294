// Signals that ask a run to stop: SIGINT, SIGTERM and SIGHUP set a flag that the run looks at between steps, so that
// it saves before it ends. A second one ends the program at once. SIGXFSZ and SIGPIPE are ignored: a write that fails
// returns an error that is reported.
#pragma once

#include <string>

#include "engine/error.h"

namespace nad {

void catch_signals();
int stop_signal();  // the signal that came, or 0
std::string signal_name(int signal);

struct Stopped {};  // thrown where a signal is noticed; whoever can save catches it
void stop_if_asked();
// What to throw after saving. during: "in the search for beta", or empty; saved: "2 classes finished and 1 in
// progress"; out: the results file.
Error interrupted(const std::string& during, const std::string& saved, const std::string& out);

}  // namespace nad
