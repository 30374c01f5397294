"""What the parts of the converter raise, and how they put it into words."""


class BadData(Exception):
    """The input cannot be used (exit code 3). The text is one line."""


class WrongUsage(Exception):
    """What the command line asks for cannot be done (exit code 2). The text is one line."""


def one_line(error):
    lines = str(error).split("\n")
    return lines[0][:200] or type(error).__name__


def some(names, most=4):
    names = sorted(names)
    return ", ".join(names[:most]) + (", ... (%d in all)" % len(names) if len(names) > most else "")
