"""The values of a payload as templates meet them: what is missing is empty, and all of it is
written as JSON writes it. Pure.
"""

from __future__ import annotations

import json
import math
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import GeneratorType
from typing import Any, Self

from jinja2 import Undefined


class WrittenFloat(float):
    """A number that is written as its sender wrote it: 1.0, 0.10, 1e3."""

    written: str

    def __new__(cls, digits: str) -> Self:
        number = super().__new__(cls, digits)
        number.written = digits
        return number

    def __str__(self) -> str:
        return self.written

    __repr__ = __str__

    def __format__(self, how: str) -> str:
        return format(float(self), how) if how else self.written

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.written,)


class Flag(int):
    """true or false."""

    def __str__(self) -> str:
        return "true" if self else "false"

    __repr__ = __str__

    def __format__(self, how: str) -> str:
        return format(str(self), how)


class Nothing(Undefined):
    """What is missing or null: the empty text, the empty list, the empty object. Nothing of it is
    there, it is not smaller and not greater than anything, and to reckon with it gives nothing."""

    __slots__ = ()

    def __str__(self) -> str:
        return ""

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Undefined) or other == ""

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash("")

    def _never(self, other: object) -> bool:
        return False

    def _nothing(self, *_: object) -> Nothing:
        return self

    def _other(self, other: object) -> Any:
        return other

    def __format__(self, how: str) -> str:
        return ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> Nothing:  # type: ignore[override]
        return self

    def __int__(self) -> int:  # type: ignore[override]
        raise ValueError("nothing is no number")  # so that the filter `int` takes its default

    def __float__(self) -> float:  # type: ignore[override]
        raise ValueError("nothing is no number")

    def __getitem__(self, key: object) -> Nothing:  # type: ignore[override]
        return self

    def __contains__(self, key: object) -> bool:
        return False

    def items(self) -> tuple[()]:
        return ()

    keys = values = items
    __lt__ = __le__ = __gt__ = __ge__ = _never  # type: ignore[assignment]
    # So that the filters `sum` and `join` pass over it.
    __add__ = __radd__ = _other
    __sub__ = __rsub__ = __mul__ = __rmul__ = _nothing  # type: ignore[assignment]
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _nothing  # type: ignore[assignment]
    __mod__ = __rmod__ = __pow__ = __rpow__ = _nothing  # type: ignore[assignment]
    __neg__ = __pos__ = __abs__ = __round__ = _nothing  # type: ignore[assignment]


NOTHING = Nothing()


class Fields(dict[str, Any]):
    """An object."""

    def __str__(self) -> str:
        return as_json(self)

    __repr__ = __str__

    def __format__(self, how: str) -> str:
        return format(str(self), how)


class HeaderFields(Fields):
    """The headers of a request: in any case, and with _ for - where a name must have it."""

    def header(self, name: str) -> Any:
        lower = name.lower()
        return self.get(lower, self.get(lower.replace("_", "-"), NOTHING))


class Elements(list[Any]):
    """A list."""

    def __str__(self) -> str:
        return as_json(self)

    __repr__ = __str__

    def __format__(self, how: str) -> str:
        return format(str(self), how)


def wrapped(value: Any) -> Any:
    """A JSON value as templates meet it."""
    match value:
        case None:
            return NOTHING
        case bool():
            return Flag(value)
        case Fields() | Elements():
            return value
        case dict():
            return Fields((str(key), wrapped(inner)) for key, inner in value.items())
        case list() | tuple():
            return Elements(map(wrapped, value))
        case _:
            return value


def shown(value: Any) -> str:
    """A value as text. What is no value, such as a function, is empty."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return str(Flag(value))
    if isinstance(value, int | float):
        return str(value)
    return as_json(value) if isinstance(value, _CONTAINERS) else ""


_CONTAINERS = (
    Mapping, list, tuple, set, range, KeysView, ItemsView, ValuesView, GeneratorType,
)  # fmt: skip


def as_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON, numbers as they were written. Raises ValueError if it holds itself."""
    out: list[str] = []
    _write(value, out, None if indent is None else " " * indent, "\n", 0)
    return "".join(out)


def _write(value: Any, out: list[str], step: str | None, newline: str, depth: int) -> None:
    if depth > 500:
        raise ValueError("a value is nested too deeply")
    if isinstance(value, str):
        out.append(json.dumps(str(value), ensure_ascii=False))
    elif isinstance(value, bool):
        out.append(str(Flag(value)))
    elif isinstance(value, float) and not math.isfinite(value):
        out.append("null")
    elif isinstance(value, int | float):
        out.append(str(value))
    elif isinstance(value, _CONTAINERS):
        _write_all(value, out, step, newline, depth)
    else:
        out.append("null")


def _write_all(value: Any, out: list[str], step: str | None, newline: str, depth: int) -> None:
    is_object = isinstance(value, Mapping)
    opened, closed = "{}" if is_object else "[]"
    inner = newline + step if step is not None else ""
    between, colon = ("," + inner, ": ") if step is not None else (",", ":")
    out.append(opened)
    first = True
    for entry in value.items() if is_object else value:
        out.append(inner if first else between)
        first = False
        if is_object:
            key, entry = entry
            out.append(json.dumps(shown(key), ensure_ascii=False) + colon)
        _write(entry, out, step, inner, depth + 1)
    out.append(closed if first or step is None else newline + closed)
