"""Jinja's filters and tests, made to take whatever a payload holds or lacks. Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from types import GeneratorType
from typing import Any, NamedTuple, cast

from jinja2 import Environment, Undefined, pass_environment
from jinja2.filters import make_attrgetter, make_multi_attrgetter

from ponderd.channels.webhook.values import NOTHING, Elements, Flag, as_json, shown, wrapped

_OF_TEXT = frozenset(
    "capitalize center e escape forceescape indent lower replace safe striptags title trim "
    "truncate upper urlize wordcount wordwrap".split()
)
"""Filters that take text: they get objects and numbers as they are written."""
_LEFT_OUT = ("random", "xmlattr", "map", "min", "max")


class Group(NamedTuple):
    """What `groupby` makes."""

    grouper: Any
    list: list[Any]


def tolerant(environment: Environment) -> None:
    """Replace the filters and tests of an environment."""
    maps = environment.filters["map"]
    for name in _LEFT_OUT:
        del environment.filters[name]
    environment.filters.update(_OWN)
    environment.filters["map"] = maps
    environment.filters = {
        name: _filter(name, function) for name, function in environment.filters.items()
    }
    tests: dict[str, Any] = {**environment.tests, **_TESTS}
    environment.tests = {name: _test(function) for name, function in tests.items()}


def _filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    at = int(hasattr(function, "jinja_pass_arg"))  # the value comes after what Jinja passes

    @functools.wraps(function)
    def filtered(*given: Any, **named: Any) -> Any:
        arguments = list(given)
        value = arguments[at] = simple(arguments[at])
        if name in _OF_TEXT and not isinstance(value, str | Undefined):
            arguments[at] = shown(value)
        try:
            return simple(function(*arguments, **named))
        except (MemoryError, RecursionError):
            raise
        except Exception:
            if isinstance(value, Undefined):
                return NOTHING
            raise

    return filtered


def _test(function: Callable[..., Any]) -> Callable[..., Any]:
    at = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def tested(*arguments: Any) -> bool:
        try:
            return bool(function(*arguments))
        except Exception:
            if isinstance(simple(arguments[at]), Undefined):
                return False
            raise

    return tested


def simple(value: Any) -> Any:
    """What Python has for null and false, as the payload has it; marked-up text as text; what can
    be gone through once as a list."""
    if value is None or isinstance(value, bool):
        return wrapped(value)
    if isinstance(value, GeneratorType):
        return Elements(value)
    return str(value) if hasattr(value, "__html__") else value


def rows(value: Any, names: int) -> Iterable[Any]:
    """What a loop with so many names goes through. Two names take the fields of an object."""
    value = simple(value)
    if isinstance(value, Undefined):
        return ()
    if names == 1:
        return cast(Iterable[Any], iter(value))
    entries: Iterable[Any] = value.items() if isinstance(value, Mapping) else value
    return [unpacked(entry, names) for entry in entries]


def unpacked(value: Any, names: int) -> list[Any]:
    """As many values as there are names; what is missing is nothing."""
    found = list(value) if isinstance(value, list | tuple) else [value]
    return [*found, *[NOTHING] * names][:names]


def _order(value: Any, case_sensitive: bool = False) -> tuple[int, float, str]:
    """Nothing comes first, then numbers, then text."""
    value = simple(value)
    if isinstance(value, Undefined):
        return 0, 0, ""
    if isinstance(value, int | float):
        return 1, value, ""
    text = shown(value)
    return 2, 0, text if case_sensitive else text.lower()


@pass_environment
def _sort(
    environment: Environment,
    value: Any,
    reverse: bool = False,
    case_sensitive: bool = False,
    attribute: str | int | None = None,
) -> list[Any]:
    attributes = make_multi_attrgetter(environment, attribute)

    def key(entry: Any) -> list[tuple[int, float, str]]:
        return [_order(found, case_sensitive) for found in attributes(entry)]

    return sorted(value, key=key, reverse=bool(reverse))


@pass_environment
def _groupby(
    environment: Environment,
    value: Any,
    attribute: str | int,
    default: Any = None,
    case_sensitive: bool = False,
) -> list[Group]:
    find = make_attrgetter(environment, attribute, default=default)
    groups: dict[tuple[int, float, str], Group] = {}
    for entry in value:
        name = simple(find(entry))
        groups.setdefault(_order(name, case_sensitive), Group(name, [])).list.append(entry)
    return [groups[key] for key in sorted(groups)]


def _dictsort(
    value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[Any]:
    at = int(by == "value")
    return sorted(
        value.items(), key=lambda pair: _order(pair[at], case_sensitive), reverse=bool(reverse)
    )


@pass_environment
def _least(
    environment: Environment, value: Any, case_sensitive: bool = False, attribute: Any = None
) -> Any:
    return next(iter(_ranked(environment, value, case_sensitive, attribute)), NOTHING)


@pass_environment
def _greatest(
    environment: Environment, value: Any, case_sensitive: bool = False, attribute: Any = None
) -> Any:
    ranked = _ranked(environment, value, case_sensitive, attribute)
    return ranked[-1] if ranked else NOTHING


def _ranked(
    environment: Environment, value: Any, case_sensitive: bool, attribute: Any
) -> list[Any]:
    find = make_attrgetter(environment, attribute)
    there = [entry for entry in value if not isinstance(simple(find(entry)), Undefined)]
    return sorted(there, key=lambda entry: _order(find(entry), case_sensitive))


@pass_environment
def _join(environment: Environment, value: Any, d: Any = "", attribute: Any = None) -> str:
    if attribute is not None:
        value = map(make_attrgetter(environment, attribute), value)
    return shown(d).join(map(shown, value))


@pass_environment
def _attribute(environment: Environment, value: Any, name: str) -> Any:
    return environment.getattr(value, str(name))


def _format(value: Any, *arguments: Any, **named: Any) -> str:
    values = {key: wrapped(one) for key, one in named.items()} or tuple(map(wrapped, arguments))
    return str(shown(value) % values)


def _tojson(value: Any, indent: int | None = None) -> str:
    return as_json(value, indent)


def _pretty(value: Any) -> str:
    return as_json(value, 2)


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else len(list(value))


def _list(value: Any) -> Elements:
    return Elements(value)


_OWN: dict[str, Callable[..., Any]] = {
    "attr": _attribute,
    "count": _length,
    "dictsort": _dictsort,
    "format": _format,
    "groupby": _groupby,
    "join": _join,
    "length": _length,
    "list": _list,
    "max": _greatest,
    "min": _least,
    "pprint": _pretty,
    "sort": _sort,
    "string": shown,
    "tojson": _tojson,
}


def _is_missing(value: Any) -> bool:
    return value is None or isinstance(value, Undefined)


def _is_true_or_false(value: Any) -> bool:
    return isinstance(value, bool | Flag)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not _is_true_or_false(value)


_TESTS: dict[str, Callable[..., bool]] = {
    "boolean": _is_true_or_false,
    "defined": lambda value: not _is_missing(value),
    "false": lambda value: _is_true_or_false(value) and not value,
    "integer": _is_integer,
    "none": _is_missing,
    "number": lambda value: _is_integer(value) or isinstance(value, float),
    "sameas": lambda value, other: simple(value) == simple(other),
    "true": lambda value: _is_true_or_false(value) and bool(value),
    "undefined": _is_missing,
}
