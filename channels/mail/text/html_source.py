"""The source of an HTML mail, made safe for a parser: the tags that count, and the style sheets.

Every `<` that is left begins a tag written here, so that the parser sees the same tags. What makes
parsers slow (thousands of attributes, of formatting elements left open) does not get through. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SOURCE_LIMIT = 8_000_000
"""Characters of a source that are read. Pictures may stand in it as data."""
TAG_LIMIT = 100_000
"""Tags that are read, and as many elements that open formatting elements may add."""
TEXT_LIMIT = 1_000_000
"""Characters of text that are read."""

_ATTRIBUTES = 40
_VALUE_LIMIT = 8_000
_SHEET_LIMIT = 200_000
_SPECIAL = re.compile(r"<!--|<([/]?)([A-Za-z][^\s/>]{0,60})[^\s/>]*|<[!?/]")
_ATTRIBUTE = re.compile(
    r"[\s/]*+([^\s/>=][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>]*+)))?+"
)
_NO_NAME = re.compile(r"[\s/]*+=?+")
_TAG_END = re.compile(r"[\s/]*+>")
_NAME = re.compile(r"[a-z][a-z0-9:_-]*")
_COMMENT_END = re.compile(r"--!?>")
# Their content is no text but up to their own end tag, whatever stands in it.
_RAW = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("style", "script", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
_SHOWN_RAW = {"textarea": "textarea", "xmp": "pre"}
_FORMATTING = frozenset("b big code em font i nobr s small strike strong tt u".split())
_DROPPED = frozenset("frameset frame plaintext".split())


@dataclass(frozen=True, slots=True)
class Source:
    """The parts of a source that are read."""

    html: str
    sheets: tuple[str, ...]
    """The style sheets in it."""
    whole: bool
    """Whether all of it is here."""


def tidy(source: str) -> Source:
    """Read the tags of a source. The time is linear in its length."""
    tags = _Tags(source[:SOURCE_LIMIT])
    whole = tags.read() and len(source) <= SOURCE_LIMIT
    return Source("".join(tags.out), tuple(tags.sheets), whole)


class _Tags:
    def __init__(self, source: str) -> None:
        self.source = source
        self.out: list[str] = []
        self.sheets: list[str] = []
        self._budget = TAG_LIMIT
        self._characters = TEXT_LIMIT
        self._open: dict[str, int] = {}

    def read(self) -> bool:
        """Whether all of the source was read."""
        source = self.source
        position = 0
        while position < len(source):
            found = _SPECIAL.search(source, position)
            self._text(source[position : found.start() if found else len(source)])
            if found is None:
                break
            if found[0] == "<!--":
                position = self._comment_end(found.end())
            elif found[2] is None:
                end = source.find(">", found.end())
                position = end + 1 if end >= 0 else len(source)
            else:
                position = self._tag(found)
            if self._budget <= 0 or self._characters <= 0:
                return False
        return True

    def _text(self, text: str) -> None:
        text = text[: max(self._characters, 0)]
        self._characters -= len(text)
        self.out.append(text.replace("<", "&lt;"))

    def _comment_end(self, position: int) -> int:
        if self.source.startswith((">", "->"), position):
            return self.source.index(">", position) + 1
        end = _COMMENT_END.search(self.source, position)
        return end.end() if end else len(self.source)

    def _tag(self, found: re.Match[str]) -> int:
        """Read one tag. Gives the position behind it, or behind its content if that is no text."""
        closing, name = found[1], found[2].lower()
        attributes, position = self._attributes(found.end())
        known = _NAME.match(name)
        if known is None or position is None:
            return len(self.source) if position is None else position
        name = known[0]
        if closing:
            if self._open.get(name, 0) > 0:
                self._open[name] -= 1
            if name not in _DROPPED:
                self._budget -= 1
                self.out.append(f"</{name}>")
            return position
        if name in _RAW:
            return self._raw(name, position)
        if name in _DROPPED:
            return position
        if name in _FORMATTING:
            self._open[name] = self._open.get(name, 0) + 1
        # A parser may open all of them again in every paragraph.
        self._budget -= 1 + max(0, sum(self._open.values()) - 20) // 4
        self.out.append(f"<{name}{attributes}>")
        return position

    def _attributes(self, position: int) -> tuple[str, int | None]:
        """The attributes of a tag, and the position behind it. None: the tag does not end."""
        source = self.source
        kept: list[str] = []
        while (end := _TAG_END.match(source, position)) is None:
            found = _ATTRIBUTE.match(source, position)
            if found is None:
                blank = _NO_NAME.match(source, position)
                if blank is None or blank.end() >= len(source):
                    return "", None
                position = blank.end()
                continue
            position = found.end()
            name = found[1].lower()
            value = next((part for part in found.groups()[1:] if part is not None), "")
            if len(kept) < _ATTRIBUTES and _NAME.fullmatch(name) and len(value) <= _VALUE_LIMIT:
                value = value.replace('"', "&quot;")
                kept.append(f' {name}="{value}"')
        return "".join(kept), end.end()

    def _raw(self, name: str, position: int) -> int:
        end = _RAW[name].search(self.source, position)
        stop = end.start() if end else len(self.source)
        content = self.source[position:stop]
        if name == "style" and sum(map(len, self.sheets)) + len(content) <= _SHEET_LIMIT:
            self.sheets.append(content)
            self._budget -= 1
        shown = _SHOWN_RAW.get(name)
        if shown:
            self._budget -= 2
            self.out.append(f"<{shown}>")
            self._text(content)
            self.out.append(f"</{shown}>")
        # Its end tag is read again, and closes nothing.
        return stop
