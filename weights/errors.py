"""What the parts of the converter raise, and how they put it into words."""


class BadData(Exception):
    """The input cannot be used (exit code 3). The text is one line."""


class Misfit(BadData):
    """Tensors that are not a network's. problems: how many, by which the nearest of several networks is found."""

    def __init__(self, text, problems):
        super().__init__(text)
        self.problems = problems


class WrongUsage(Exception):
    """What the command line asks for cannot be done (exit code 2). The text is one line."""


class MissingPackage(WrongUsage):
    """A Python package that this kind of file needs is not there."""


def one_line(error):
    lines = str(error).split("\n")
    return lines[0][:200] or type(error).__name__


def some(names, most=4):
    names = sorted(names)
    return ", ".join(names[:most]) + (", ... (%d in all)" % len(names) if len(names) > most else "")


def package(module, needed_for, install):
    """An optional package. Raises MissingPackage with what to install."""
    import importlib
    from signals import held
    try:
        with held():
            return importlib.import_module(module)
    except ImportError:
        raise MissingPackage("%s needs the Python package %s, which is not installed: python3 -m pip install %s"
                             % (needed_for, install, install))
