"""The style sheets and style attributes of an HTML mail: which declarations an element has. Pure.

Selectors of tags, classes, ids and attributes are known, also inside each other. Rules with others
hide nothing here, nor do those for print or for narrow screens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_RULES = 2_000
_TESTS = 3_000_000
"""Comparisons of elements with rules. A mail that needs more is not meant to be read."""

_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?", re.IGNORECASE)


def _without_comments(sheet: str) -> str:
    kept: list[str] = []
    position = 0
    while (start := sheet.find("/*", position)) >= 0:
        kept.append(sheet[position:start])
        end = sheet.find("*/", start + 2)
        if end < 0:
            return "".join(kept)
        position = end + 2
    return "".join((*kept, sheet[position:]))


def _without_escapes(source: str) -> str:
    """With the letters that stand as escapes (CSS Syntax, section 4.3.7), so that none is missed.

    What is no letter stays: `display:none\\9` hides nothing but in old browsers.
    """
    return _ESCAPE.sub(_letter, source) if "\\" in source else source


def _letter(escape: re.Match[str]) -> str:
    code = int(escape[1], 16)
    letter = chr(code) if code < 128 else ""
    return letter if letter.isalpha() or letter == "-" else escape[0]


@lru_cache(maxsize=1024)
def declarations(source: str) -> Mapping[str, tuple[str, bool]]:
    """The declarations of a style attribute or rule: value, and whether it is important."""
    found: dict[str, tuple[str, bool]] = {}
    for entry in _without_escapes(_without_comments(source)).split(";")[:100]:
        name, colon, value = entry.partition(":")
        if colon:
            value = " ".join(value.lower().split())
            bare = re.sub(r"\s*!\s*important$", "", value)
            name = name.strip().lower()
            if not (name in found and found[name][1] and bare == value):
                found[name] = (bare, bare != value)
    return found


@dataclass(frozen=True, slots=True)
class _Rule:
    weight: tuple[int, int, int]
    chain: tuple[_Compound, ...]
    """The element itself last, before it those that it must stand in."""
    style: Mapping[str, tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class _Compound:
    tag: str
    names: frozenset[str]
    """Ids with "#", classes with "."."""
    attributes: tuple[tuple[str, str, str], ...] = ()

    def fits(self, tag: str, names: frozenset[str], attributes: Mapping[str, str]) -> bool:
        if (self.tag not in ("", "*", tag)) or not self.names <= names:
            return False
        return all(_has(attributes.get(name), how, to) for name, how, to in self.attributes)


def _has(value: str | None, how: str, to: str) -> bool:
    if value is None:
        return False
    match how:
        case "=":
            return value == to
        case "~=":
            return to in value.split()
        case "*=":
            return to in value
        case "^=":
            return value.startswith(to)
        case "$=":
            return value.endswith(to)
    return True


Place = tuple[str, frozenset[str], Mapping[str, str]]
"""An element as rules see it: its tag, its names ("#id", ".class"), its attributes."""


class Sheets:
    """The rules of the style sheets in a mail."""

    def __init__(self, sheets: Iterable[str]) -> None:
        self._by_key: dict[str, list[_Rule]] = {}
        self._tests = _TESTS
        rules = [rule for sheet in sheets for rule in _rules(sheet)][:_RULES]
        for rule in rules:
            last = rule.chain[-1]
            key = min(last.names, default=last.tag if last.tag != "*" else "")
            self._by_key.setdefault(key, []).append(rule)

    def __bool__(self) -> bool:
        return bool(self._by_key)

    @property
    def exhausted(self) -> bool:
        """Whether there were so many elements and rules that the rest is taken for hidden."""
        return self._tests < 0

    def style(self, path: Sequence[Place], inline: str) -> Mapping[str, str]:
        """The style of the last element of a path, with its style attribute."""
        own = declarations(inline) if inline else {}
        tag, names, _ = path[-1]
        keys = [key for key in (*names, tag, "") if key in self._by_key] if self._by_key else []
        if not keys:
            return {name: value for name, (value, _) in own.items()} if own else {}
        found = [rule for key in keys for rule in self._by_key[key][:50]]
        self._tests -= sum(1 if len(rule.chain) == 1 else len(path[-40:]) for rule in found)
        if self.exhausted:
            return {"display": "none"}
        fitting = [rule for rule in found if _fits(rule.chain, path)]
        plain: dict[str, str] = {}
        important: dict[str, str] = {}
        for rule in sorted(fitting, key=lambda rule: rule.weight):
            _lay(rule.style, plain, important)
        _lay(own, plain, important)
        return plain | important


def _lay(
    style: Mapping[str, tuple[str, bool]], plain: dict[str, str], important: dict[str, str]
) -> None:
    for name, (value, is_important) in style.items():
        (important if is_important else plain)[name] = value


def _fits(chain: Sequence[_Compound], path: Sequence[Place]) -> bool:
    if not chain[-1].fits(*path[-1]):
        return False
    above = list(chain[:-1])
    for place in reversed(path[-40:-1]):
        if not above:
            return True
        if above[-1].fits(*place):
            above.pop()
    return not above


_SIMPLE = re.compile(
    r"(?P<tag>[a-zA-Z][\w-]*|\*)?(?P<rest>(?:[.#][\w\\:-]{1,80}|\[[^\]]{1,80}\])*)"
)
_PART = re.compile(
    r"([.#][\w-]{1,80})|\[\s*([\w-]+)\s*(?:([~*^$]?=)\s*[\"']?([^\"'\]]*)[\"']?\s*)?\]"
)


def _rules(sheet: str) -> Iterable[_Rule]:
    sheet = _without_comments(sheet).replace("<!--", " ").replace("-->", " ")
    position = order = 0
    while (brace := sheet.find("{", position)) >= 0 and order < _RULES:
        head = sheet[position:brace].rpartition(";")[2].rpartition("}")[2].strip()
        if head.startswith("@"):
            query = head.lower().removeprefix("@media").strip()
            if head.lower().startswith("@media") and query in ("screen", "all", "only screen", ""):
                position = brace + 1  # its rules hold for everybody
            else:
                position = _block_end(sheet, brace)
            continue
        end = sheet.find("}", brace)
        if end < 0:
            return
        style = declarations(sheet[brace + 1 : end][:4_000])
        for selector in head.split(",")[:50]:
            order += 1
            chain = _chain(selector)
            if chain:
                yield _Rule(_weight(chain, order), chain, style)
        position = end + 1


def _block_end(sheet: str, brace: int) -> int:
    depth = 0
    for found in re.compile(r"[{}]").finditer(sheet, brace):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.end()
    return len(sheet)


def _chain(selector: str) -> tuple[_Compound, ...]:
    """The parts of a selector. Empty for one with pseudo-classes and the like: it hides nothing."""
    parts = selector.replace(">", " ").split()[:6]
    chain = [_compound(part) for part in parts]
    return tuple(part for part in chain if part) if all(chain) else ()


def _compound(part: str) -> _Compound | None:
    found = _SIMPLE.fullmatch(part)
    if found is None:
        return None
    names: set[str] = set()
    attributes: list[tuple[str, str, str]] = []
    for name, attribute, how, to in _PART.findall(found["rest"]):
        if name:
            names.add(name.lower())
        else:
            attributes.append((attribute.lower(), how, to))
    return _Compound((found["tag"] or "").lower(), frozenset(names), tuple(attributes))


def _weight(chain: Sequence[_Compound], order: int) -> tuple[int, int, int]:
    ids = sum(name.startswith("#") for part in chain for name in part.names)
    classes = sum(len(part.names) + len(part.attributes) for part in chain) - ids
    tags = sum(part.tag not in ("", "*") for part in chain)
    return ids, classes * 100 + tags, order
