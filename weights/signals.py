"""Signals that end the program become an exception, so that what is half written is removed on the way out."""
import contextlib
import signal

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_came, _held = [], False


class Stopped(BaseException):
    """A signal came: its argument. No Exception, so that on its way to main() nobody takes it for damaged input."""


def raise_on_signals():
    for number in NUMBERS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, _receive)


def _receive(number, _):
    _came.append(number)
    if not _held:
        let_through()


def let_through():
    """Raises Stopped if a signal came."""
    if _came:
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not end the removal
        raise Stopped(signal.Signals(_came[0]))


@contextlib.contextmanager
def held():
    """Signals wait until let_through() or the end of the block."""
    global _held
    _held = True
    try:
        yield
    finally:
        _held = False
    let_through()
