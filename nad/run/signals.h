// Signals that ask a run to stop: SIGINT, SIGTERM and SIGHUP set a flag that the run looks at between steps, so that
// it saves before it ends. A second one ends the program at once. SIGXFSZ and SIGPIPE are ignored: a write that fails
// returns an error that is reported.
#pragma once

#include <string>

namespace nad {

void catch_signals();
int stop_signal();  // the signal that came, or 0
std::string signal_name(int signal);

}  // namespace nad
