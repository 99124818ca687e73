"""Templates of a route: Jinja in which every name is a field of the payload, what is missing is
empty, and what fails costs only itself. Pure.
"""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.utils import Cycler, Joiner, Namespace

from ponderd.channels.errors import Malformed
from ponderd.channels.text import clean, one_line
from ponderd.channels.webhook.filters import Group, rows, simple, tolerant, unpacked
from ponderd.channels.webhook.values import (
    NOTHING,
    Fields,
    HeaderFields,
    Nothing,
    shown,
    wrapped,
)

TEXT_LIMIT = 1_000_000
"""Characters of what one template makes. The rest is cut, and says so."""
_PROBLEMS = 5
"""Problems that are told of one template."""
_POWER = 10_000
"""Most bits of what ** makes of whole numbers."""

OUR_NAMES = ("payload", "headers", "query")
"""Names that no field of a payload takes."""

_FUNCTIONS = {"range": safe_range, "dict": dict, "cycler": Cycler, "joiner": Joiner,
              "namespace": Namespace}  # fmt: skip
_CALLED = "_function_"
"""Before the name of a function where it is called: the bare name is the payload's."""


class TimeIsUp(BaseException):
    """A template takes too long. Raised from outside, at any point of it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What became of a template."""

    text: str
    problems: tuple[str, ...] = ()
    """Which parts failed, and are empty."""


def check_template(source: str) -> None:
    """Raises ValueError for what is no template, or uses a filter or a test that there is not."""
    try:
        _compiled(source)
    except TemplateError as error:
        line = getattr(error, "lineno", 1) or 1
        raise ValueError(f"not a Jinja template: line {line}: {error.message}") from None
    except (RecursionError, MemoryError, SyntaxError):
        raise ValueError("not a Jinja template: it is nested too deeply") from None


def is_template(source: str) -> bool:
    """Whether anything in it is filled in."""
    return "{{" in source or "{%" in source


def as_condition(source: str) -> str:
    """The template of a condition, which may be written without {{ and }}."""
    return source if is_template(source) else "{{ (" + source + ") }}"


def holds(text: str) -> bool:
    """Whether a condition that made this text is true."""
    return text.strip().lower() not in ("", "false", "0", "no", "none", "null", "[]", "{}")


def render(source: str, variables: Mapping[str, Any]) -> Rendered:
    """Fill a template in. Raises nothing for what the payload holds or lacks; `variables` as
    `variables_of` makes them."""
    template = _compiled(source)
    environment = template.environment
    assert isinstance(environment, _Environment)
    environment.problems.clear()
    pieces, size = [], 0
    try:
        for piece in template.root_render_func(template.new_context(dict(variables))):
            pieces.append(piece[: TEXT_LIMIT + 1])
            size += len(piece)
            if size > TEXT_LIMIT:
                break
    except TimeIsUp:
        environment.note("it takes too long; what comes after is left out")
    except MemoryError:
        environment.note("it takes too much memory; what comes after is left out")
    except Exception as error:
        environment.note(f"{_reason(error)}; what comes after is left out")
    text = clean("".join(pieces))
    if len(text) > TEXT_LIMIT:
        text = (
            f"{text[:TEXT_LIMIT]}\n[… cut here: the text is longer than {TEXT_LIMIT:,} characters]"
        )
    return Rendered(text, tuple(environment.problems))


def variables_of(
    payload: Any, headers: Mapping[str, str], query: Mapping[str, str]
) -> dict[str, Any]:
    """What templates can name: the payload's fields, and the three names that are ours. Raises
    Malformed for what is nested too deeply."""
    try:
        whole = wrapped(payload)
    except RecursionError:
        raise Malformed("the payload is nested too deeply") from None
    fields = whole if isinstance(whole, Fields) else {}
    named = {name: value for name, value in fields.items() if not name.startswith(_CALLED)}
    ours = (whole, HeaderFields(headers), Fields(query))
    return {**named, **dict(zip(OUR_NAMES, ours, strict=True))}


class _Generator(CodeGenerator):
    """Writes the code of a template so that each step of an expression may fail alone."""

    def _guarded(self, visit: Callable[..., None], node: Any, frame: Frame, what: str) -> None:
        self.write("environment.guard(lambda: ")
        visit(node, frame)
        self.write(f", {node.lineno!r}, {what!r})")

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:
        self._guarded(super().visit_Filter, node, frame, f"filter {node.name}")

    def visit_Test(self, node: nodes.Test, frame: Frame) -> None:
        self._guarded(super().visit_Test, node, frame, f"test {node.name}")

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        def visit(node: nodes.Call, frame: Frame) -> None:
            CodeGenerator.visit_Call(self, node, frame, forward_caller=forward_caller)

        self._guarded(visit, node, frame, "call")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if not isinstance(node.arg, nodes.Slice):
            return super().visit_Getitem(node, frame)
        return self._guarded(super().visit_Getitem, node, frame, "[ ]")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        if len(node.ops) > 1:
            return self._guarded(super().visit_Compare, node, frame, "comparison")
        [operand] = node.ops
        self.write(f"environment.compare({operand.op!r}, ")
        self.visit(node.expr, frame)
        self.write(", ")
        self.visit(operand.expr, frame)
        self.write(f", {node.lineno!r})")
        return None

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Generator
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])
    intercepted_unops = frozenset(["+", "-"])

    _PYTHONS: ClassVar = (LoopContext, Namespace, Cycler, Joiner, Macro, Group)

    def __init__(self) -> None:
        # Not optimized: what is constant in a template would be computed when it is read, in the
        # daemon. Nothing passes `finalize`, so that it is not called then, either.
        super().__init__(undefined=Nothing, finalize=_finalize, optimized=False, cache_size=0)
        self.globals = {_CALLED + name: function for name, function in _FUNCTIONS.items()}
        tolerant(self)
        self.filters |= {"_rows": rows, "_unpacked": unpacked, "_simple": simple}
        self.filters["_method"] = self._method
        self.problems: list[str] = []

    def note(self, problem: str) -> None:
        problem = one_line(problem)
        if len(self.problems) < _PROBLEMS and problem not in self.problems:
            self.problems.append(problem)

    def guard(self, compute: Callable[[], Any], line: int, what: str) -> Any:
        try:
            return compute()
        except Exception as error:
            where = f"line {line}: " if line else ""
            self.note(f"{where}{what}: {_reason(error)}")
            return NOTHING

    def compare(self, name: str, left: Any, right: Any, line: int) -> Any:
        left, right = simple(left), simple(right)
        try:
            return _COMPARISONS[name](left, right)
        except TypeError as error:
            if not isinstance(left, Undefined) and not isinstance(right, Undefined):
                self.note(f"line {line}: comparison: {error}")
            return name == "notin"

    def joined(self, parts: tuple[Any, ...]) -> str:
        return "".join(map(shown, parts))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        left, right = simple(left), simple(right)
        if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
            return shown(left) + shown(right)
        if operator == "%" and isinstance(left, str):
            values = tuple(map(wrapped, right)) if isinstance(right, tuple) else right
            return self.guard(lambda: left % values, 0, "%")
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return NOTHING
        whole = isinstance(left, int) and isinstance(right, int)
        if operator == "**" and whole and left.bit_length() * right > _POWER:
            self.note("**: the number is too large")
            return NOTHING
        compute = self.binop_table[operator]
        return self.guard(lambda: compute(left, right), 0, operator)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        return self.guard(lambda: self.unop_table[operator](simple(arg)), 0, operator)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, HeaderFields):
            return obj.header(attribute)
        if isinstance(obj, Mapping):
            return obj.get(attribute, NOTHING)
        return super().getattr(obj, attribute) if isinstance(obj, self._PYTHONS) else NOTHING

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, HeaderFields):
            return obj.header(str(argument))
        if isinstance(obj, Mapping):
            return obj.get(argument, obj.get(str(argument), NOTHING))
        if not isinstance(obj, list | tuple | str) or not isinstance(argument, int):
            return NOTHING
        return obj[argument] if -len(obj) <= argument < len(obj) else NOTHING

    def _method(self, obj: Any, name: str) -> Any:
        """What `obj.name(…)` calls: a value of a payload is no function, so it is Python's."""
        obj = simple(obj)
        if isinstance(obj, Undefined):
            return NOTHING
        found = super().getattr(obj, name)
        if isinstance(found, Undefined):
            raise ValueError(f"there is no {name}() here")
        return found

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        assigned = {found.name for found in tree.find_all(nodes.Name) if found.ctx != "load"}
        assigned |= {found.name for found in tree.find_all(nodes.Macro)}
        for node in tree.find_all(_OTHER_FILES):
            raise TemplateSyntaxError("there are no other templates and no blocks", node.lineno)
        for kind, known in ((nodes.Filter, self.filters), (nodes.Test, self.tests)):
            for found in tree.find_all(kind):
                if found.name not in known or found.name.startswith("_"):
                    what = f"there is no {kind.__name__.lower()} {found.name!r}"
                    raise TemplateSyntaxError(what, found.lineno)
        _rewrite(tree, _FUNCTIONS.keys() - assigned)
        return tree


_OTHER_FILES = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport, nodes.Block)

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}


@pass_context
def _finalize(context: Context, value: Any) -> str:
    return shown(value)


def _rewrite(node: nodes.Node, functions: set[str]) -> None:
    """Change a template so that names are the payload's, and loops take what there is."""
    for field, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            setattr(node, field, _rewritten(value, functions))
        elif isinstance(value, list):
            setattr(node, field, [
                _rewritten(one, functions) if isinstance(one, nodes.Node) else one for one in value
            ])  # fmt: skip
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        node.node = _filtered(node.node, "_simple")
    elif isinstance(node, nodes.For):
        node.iter = _filtered(node.iter, "_rows", _names(node.target))
    elif isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Tuple):
        node.node = _filtered(node.node, "_unpacked", _names(node.target))


def _rewritten(node: nodes.Node, functions: set[str]) -> nodes.Node:
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
        if node.node.name in functions:
            node.node.name = _CALLED + node.node.name
    elif isinstance(node, nodes.Name) and node.ctx == "load" and node.name == "self":
        whole = nodes.Name("payload", "load", lineno=node.lineno)
        return nodes.Getitem(whole, nodes.Const("self"), "load", lineno=node.lineno)
    called = node.node if isinstance(node, nodes.Call) else None
    _rewrite(node, functions)
    if isinstance(node, nodes.Call) and isinstance(called, nodes.Getattr):
        node.node = _filtered(called.node, "_method", called.attr)
    return node


def _names(target: nodes.Node) -> int:
    return len(target.items) if isinstance(target, nodes.Tuple) else 1


def _filtered(node: nodes.Node, name: str, *given: Any) -> nodes.Filter:
    arguments = [nodes.Const(argument, lineno=node.lineno) for argument in given]
    return nodes.Filter(node, name, arguments, [], None, None, lineno=node.lineno)


def _reason(error: BaseException) -> str:
    return one_line(str(error)) or type(error).__name__


@functools.lru_cache(maxsize=1000)
def _compiled(source: str) -> Any:
    with warnings.catch_warnings():  # Python's, about code that Jinja made of `none[1:]`
        warnings.simplefilter("ignore")
        return _ENVIRONMENT.from_string(source)


_ENVIRONMENT = _Environment()
