"""Small faults that could have been typed: every one is a single expression, statement or argument that is another."""

import ast
import collections
import copy
import itertools
from typing import NamedTuple

_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}
_NAMES = {
    **{"max": "min", "maximum": "minimum", "argmax": "argmin", "any": "all", "floor": "ceil", "sum": "mean"},
    **{"min": "max", "minimum": "maximum", "argmin": "argmax", "all": "any", "ceil": "floor", "mean": "sum"},
}
# Functions that return their argument, but for what they do to a gradient or an order.
_WRAPPERS = ("stop_gradient", "sorted", "reversed", "abs")


class Fault(NamedTuple):
    """One fault: bytes `start` to `end` of a file become `after`.

    Its name says the path, the text of the line and what is changed there. It stays when lines are added above.
    """

    path: str
    line: int
    kind: str
    start: int
    end: int
    after: str
    name: str

    def applied(self, source):
        """Returns `source`, the bytes of the file, with the fault in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def faults(path, source):
    """Lists the faults that a module can have.

    Args:
        path: str, as it is to be shown.
        source: bytes, Python. Texts, messages of errors, annotations and what runs only as a program are left alone.

    Returns:
        list of `Fault`, in order of place.
    """
    lines = source.splitlines(keepends=True)
    starts = list(itertools.accumulate(map(len, lines), initial=0))
    found, names = [], collections.Counter()
    for node, kind, other in _changes(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        after = other if isinstance(other, str) else ast.unparse(other)
        name = f"{path}: {lines[node.lineno - 1].decode().strip()}: {_change(source[start:end].decode(), kind, after)}"
        names[name] += 1
        name += f" ({names[name]})" if names[name] > 1 else ""
        if isinstance(node, ast.expr) and not isinstance(node, ast.Slice):
            after = f"({after})"
        found.append(Fault(path, node.lineno, kind, start, end, after, name))
    return sorted(found, key=lambda fault: (fault.start, fault.end, fault.kind, fault.after))


def _change(before, kind, after):
    """Says in a few words what becomes of a piece of source."""
    if kind == "argument":
        kept = {keyword.arg for keyword in ast.parse(after, mode="eval").body.keywords}
        call = ast.parse(f"({before})", mode="eval").body
        (gone,) = (ast.unparse(keyword) for keyword in call.keywords if keyword.arg not in kept)
        return f"{ast.unparse(call.func)} without {gone}"
    return f"{' '.join(before.split())} -> {' '.join(after.split())}"


def _changes(node):
    """Yields (node, kind, what stands in its place): an `ast` node or text."""
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.JoinedStr | ast.Import):
                continue
            if isinstance(child, ast.If) and "__name__" in ast.dump(child.test):
                continue
            yield from _changes_of(child)
            yield from _changes(child)


def _changes_of(node):
    match node:
        case ast.Compare(ops=[op]):
            yield node, "comparison", _with(node, ops=[_COMPARISONS[type(op)]()])
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            yield node, "operator", _with(node, op=_OPERATORS[type(op)]())
        case ast.BoolOp(op=op):
            yield node, "and, or", _with(node, op=ast.And() if isinstance(op, ast.Or) else ast.Or())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield node, "sign", operand
        case ast.Constant(value=bool(value)):
            yield node, "constant", str(not value)
        case ast.Constant(value=int(value)):
            yield node, "constant", str(value + 1)
        case ast.Constant(value=float(value)):
            yield node, "constant", str(2.0 * value or 1.0)
        case ast.Slice(lower=lower, upper=upper) if lower or upper:
            bound = "upper" if upper else "lower"
            shifted = ast.BinOp(getattr(node, bound), ast.Add(), ast.Constant(1))
            yield node, "slice", _text(_with(node, **{bound: shifted}))
        case ast.If(test=test):
            yield test, "condition", ast.UnaryOp(ast.Not(), test)
        case ast.Call():
            yield from _changes_of_call(node)
        case ast.Expr(value=ast.Call()):
            yield node, "statement", "pass"
        case ast.AugAssign() | ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "statement", "pass"
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield node, "return", "return None"


def _changes_of_call(node):
    function = node.func
    name = getattr(function, "attr", getattr(function, "id", ""))
    if name in _NAMES:
        field = "attr" if isinstance(function, ast.Attribute) else "id"
        yield function, "function", _with(function, **{field: _NAMES[name]})
    if name in _WRAPPERS and len(node.args) == 1:
        yield node, "wrapper", node.args[0]
    for keyword in node.keywords:
        if keyword.arg:
            yield node, "argument", _with(node, keywords=[other for other in node.keywords if other is not keyword])


def _with(node, **fields):
    """Returns a shallow copy of a node with other fields."""
    node = copy.copy(node)
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _text(node):
    """Returns the source of a slice, which is none by itself."""
    return ast.unparse(ast.Subscript(ast.Name("x"), node))[2:-1]
