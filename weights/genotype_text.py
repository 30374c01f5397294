"""A genotype in JSON, as the DARTS program prints it, or as a line of its genotypes.py. Parsed, never executed."""
import ast
import json

from errors import BadData, WrongUsage, one_line

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")


def _is_call(node, name):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _literal(node):
    """A literal, in which range(a, b) and Genotype(normal=...) as the DARTS program prints them may occur."""
    if _is_call(node, "range"):
        return list(range(*map(_literal, node.args)))
    if _is_call(node, "Genotype"):
        named = {k.arg: _literal(k.value) for k in node.keywords}
        return {**dict(zip(FIELDS, map(_literal, node.args))), **named}
    if isinstance(node, ast.Dict) and None not in node.keys:  # as in {**other}
        return {_literal(k): _literal(v) for k, v in zip(node.keys, node.values)}
    try:
        return ast.literal_eval(node)
    except ValueError:  # its text tells addresses in memory
        raise BadData("%s is neither a literal nor range(...) nor Genotype(...)" % one_line(ast.unparse(node)))


def _assigned(lines):
    """{name: node} of the lines NAME = Genotype(...) and OTHER = NAME; imports and the like are passed over."""
    found = {}
    for line in lines:
        if isinstance(line, ast.Assign):
            value = found.get(line.value.id) if isinstance(line.value, ast.Name) else line.value
            if _is_call(value, "Genotype"):
                found.update((target.id, value) for target in line.targets if isinstance(target, ast.Name))
    return found


def _choose(lines, name):
    """The node of the genotype that is called so, or of the only one (None)."""
    found = _assigned(lines)
    if not found and name is None and len(lines) == 1 and isinstance(lines[0], ast.Expr):
        return lines[0].value
    if not found:
        raise BadData("it holds no line NAME = Genotype(normal=..., ...)")
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        raise WrongUsage("it holds the genotypes %s: choose one by FILE:NAME" % ", ".join(found))
    return found[name]


def _json(text):
    """What the text says in JSON; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse(text, name=None):
    """The genotype of the text, or the one that is called so, not yet checked. Raises BadData and WrongUsage."""
    value = _json(text) if name is None else None
    if value is not None:
        return value
    try:
        return _literal(_choose(ast.parse(text.strip()).body, name))
    except SyntaxError as e:
        raise BadData("it is neither JSON nor Python (%s in line %s)" % (e.msg, e.lineno))
    except (ValueError, TypeError, MemoryError, RecursionError) as e:
        raise BadData("it is neither JSON nor Python (%s)" % one_line(e))
