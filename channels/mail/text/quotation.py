"""The words a person wrote in a mail, apart from the mails below them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from ponderd.channels.mail.text.history import (
    Start,
    attributions,
    depth_of,
    divided_block,
    header_block,
    is_forward_mark,
    may_be_label,
)
from ponderd.channels.mail.text.relayed import relayed

LIMIT = 1_000_000
"""Characters of a text that are taken apart. What is beyond goes where the last of them went."""


@dataclass(frozen=True, slots=True)
class Thread:
    """What the header of a mail tells about the mails before it."""

    is_ours: Callable[[str], bool]
    """Whether an address is one of ours."""
    subject: str = ""
    answers_us: bool = False
    """The mail that it directly answers is ours."""
    knows_us: bool = False
    """Some mail above it is ours, so the conversation has that part of the history."""
    is_forward: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One text of a mail, taken apart."""

    text: str
    """What reaches the agent: the person's words, and history that the conversation lacks."""
    own: str
    """Only the person's own new words: a verdict or a command is read from them."""
    cut: str = ""
    """What is left out of `text`: history that the conversation has, text that relays added."""


class Kind(Enum):
    """What is known about a line before its words are looked at, from the HTML that it stood in."""

    WORDS = auto()
    SIGNATURE = auto()
    INDENTED = auto()
    """A quotation, as a person makes one too."""
    HISTORY = auto()
    """A quoted mail, for sure."""
    FORWARDED = auto()
    DIVIDER = auto()
    """The place where a mail program may begin to quote. A header block must follow."""
    BEGINNING = auto()
    """No text, but the place where a quoted mail begins, for sure."""


_DIVIDING = (Kind.DIVIDER, Kind.BEGINNING)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a mail."""

    text: str
    kind: Kind = Kind.WORDS


class _Fate(Enum):
    OWN = auto()
    KEPT = auto()
    """Kept, but not the person's new words: a signature, something forwarded."""
    HISTORY = auto()
    CUT = auto()


def read_plain(text: str, thread: Thread) -> Reading:
    """Take a plain text apart. The time is linear in its length."""
    head = text[:LIMIT]
    return take_apart([Line(line) for line in head.split("\n")], thread, text[LIMIT:])


def take_apart(lines: Sequence[Line], thread: Thread, rest: str = "") -> Reading:
    """Take the lines of a mail apart. `rest`: text behind them that is not looked at."""
    mail = _Mail(lines, thread)
    fates = mail.fates()
    cut = mail.known(fates) if thread.knows_us and not thread.is_forward else set()
    if rest:
        if len(lines) - 1 in cut:
            cut.add(len(lines))
        fates.append(fates[-1])
        lines = [*lines, Line(rest)]
    own = [i for i, fate in enumerate(fates) if fate is _Fate.OWN]
    if not any(lines[i].text.strip() for i in own):
        # Only history: then it is what the person wants to say.
        cut = set()
    cut |= {i for i, fate in enumerate(fates) if fate is _Fate.CUT}
    texts = [line.text for line in lines]
    marks = {i for i, line in enumerate(lines) if line.kind in _DIVIDING and not line.text}
    return Reading(
        text=_joined(texts, [i for i in range(len(lines)) if i not in cut and i not in marks]),
        own=_joined(texts, [i for i in own if i not in marks]),
        cut=_joined(texts, sorted(cut - marks)),
    )


def _joined(texts: Sequence[str], chosen: Sequence[int]) -> str:
    """The chosen lines. Where some were left out, no double blank line remains."""
    kept: list[str] = []
    before = -1
    for index in chosen:
        gap = index != before + 1
        before = index
        if gap and not texts[index].strip() and (not kept or not kept[-1].strip()):
            continue
        kept.append(texts[index])
    first = next((index for index, text in enumerate(kept) if text.strip()), len(kept))
    return "\n".join(kept[first:]).rstrip()


# Blocks of labels that are tried as a header: a mail of a megabyte could hold 200,000.
_TRIES = 2_000
# Lines in which a person's own ">" means greater than, or a prompt.
_OWN_MARK = re.compile(
    r"\s{0,3}>(?:>>\s|\s?=?\s?[-+$€£¥]?\d[\d.,]*\s?(?:%|[^\s\d.)]|\s[^\d\W])"
    r"|\s?(?:npm|npx|yarn|pnpm|node|git|cd|ls|docker|kubectl|pip3?|python3?|sudo|curl|ssh|make|"
    r"cargo|go|mvn|gradle|ping|ipconfig|cat|echo|select)\s)",
    re.IGNORECASE,
)


# The end of a line that was wrapped inside "<ana@team.test>".
_CUT_ADDRESS = re.compile(r"<[^\s<>@]{1,64}@[^\s<>@]{1,128}\Z")


class _Mail:
    """The lines of one mail, and what becomes of each."""

    def __init__(self, lines: Sequence[Line], thread: Thread) -> None:
        self.lines = lines
        self.thread = thread
        self.depths: list[int] = []
        self.bare: list[str] = []
        for line in lines:
            depth, text = depth_of(line.text)
            if depth == 1 and self.bare and _CUT_ADDRESS.search(self.bare[-1][-200:]):
                depth, text = self.depths[-1], line.text.lstrip("> ")  # it was wrapped before ">"
            self.depths.append(depth)
            self.bare.append(text)
        self.attributions = {
            first: start
            for first, start in attributions(self.bare, thread.is_ours).items()
            if len(set(self.depths[first : start.end])) == 1
        }
        self._tries = _TRIES

    def fates(self) -> list[_Fate]:
        fates = [
            _Fate.KEPT if line.kind in (Kind.SIGNATURE, Kind.FORWARDED) else _Fate.OWN
            for line in self.lines
        ]
        self._find_history(fates)
        words = [
            line.text if fate is _Fate.OWN else ">"
            for line, fate in zip(self.lines, fates, strict=True)
        ]
        added = relayed(words)
        said = (i for i in range(len(fates)) if i not in added and self._is_meant(i, fates[i]))
        if any(self.lines[i].text.strip() for i in said):
            for index in added:
                fates[index] = _Fate.CUT
        # Otherwise the person speaks of a banner.
        return fates

    def _is_meant(self, index: int, fate: _Fate) -> bool:
        """Whether the person wrote a line, or forwards it."""
        forwards = fate is _Fate.KEPT and self.lines[index].kind is not Kind.SIGNATURE
        return fate is _Fate.OWN or forwards

    def _find_history(self, fates: list[_Fate]) -> None:
        starts = self._starts()
        last = max(starts, default=-1)
        count = len(self.lines)
        position = 0
        quoting = False
        while position < count:
            stop = self._quoted_until(position)
            if self._is_forward(position, stop):
                fates[position:] = [_Fate.KEPT] * (count - position)
                return
            start = starts.get(position)
            if stop > position:
                if quoting or not self._is_own_quotation(position, stop, last):
                    fates[position:stop] = [_Fate.HISTORY] * (stop - position)
                    quoting = quoting or self.lines[position].kind is Kind.HISTORY
                position = stop
            elif start is None:
                position += 1
            else:
                below = self._next_with_text(start.end)
                stop = self._quoted_until(below)
                if start.foreign and self.thread.knows_us:
                    fates[position:] = [_Fate.KEPT] * (count - position)
                    return
                if stop == below and start.sure:
                    fates[position:] = [_Fate.HISTORY] * (count - position)
                    return
                if stop > below:
                    fates[position:stop] = [_Fate.HISTORY] * (stop - position)
                    quoting = True
                position = max(stop, start.end)

    def _starts(self) -> dict[int, Start]:
        """Where quoted mails begin in the lines that are not quoted with ">" themselves."""
        found: dict[int, Start] = {}
        for index, line in enumerate(self.lines):
            if self.depths[index] or line.kind not in (Kind.WORDS, *_DIVIDING):
                continue
            if line.kind is Kind.WORDS and not line.text.strip():
                continue
            start = self.start_at(index)
            if start is not None:
                found[index] = start
                if start.sure and not self._is_quoted(self._next_with_text(start.end)):
                    break
        return found

    def start_at(self, index: int) -> Start | None:
        thread = self.thread
        if index in self.attributions:
            return self.attributions[index]
        if self._tries <= 0:
            return None
        if self.lines[index].kind in _DIVIDING:
            self._tries -= 1
            below = index + 1
            while below < min(index + 8, len(self.lines)) and not self.lines[below].text.strip():
                below += 1
            block = header_block(self.bare, below, thread.is_ours, thread.subject, divided=True)
            if block is None and any(
                line.kind is Kind.BEGINNING for line in self.lines[index:below]
            ):
                return Start(below, ours=False, sure=True)
            return block
        text = self.bare[index]
        start = divided_block(self.bare, index, thread.is_ours, thread.subject)
        if start is None and may_be_label(text):
            self._tries -= 1
            start = header_block(self.bare, index, thread.is_ours, thread.subject, divided=False)
        return start

    def _is_forward(self, position: int, stop: int) -> bool:
        """Whether a forwarded mail begins here, or at the top of the quotation up to `stop`."""
        if stop == position:
            return is_forward_mark(self.bare[position])
        top = [self.bare[index] for index in range(position, min(stop, position + 6))]
        return any(map(is_forward_mark, [text for text in top if text.strip()][:3]))

    def _is_quoted(self, index: int) -> bool:
        if index >= len(self.lines):
            return False
        return self.depths[index] > 0 or self.lines[index].kind is Kind.HISTORY

    def _quoted_until(self, position: int) -> int:
        """The index behind the quotation that begins at a line. The same index: none does."""
        stop = position
        while self._is_quoted(stop):
            stop += 1
        return stop

    def _next_with_text(self, index: int) -> int:
        while index < len(self.lines) and not self.lines[index].text.strip():
            index += 1
        return index

    def _is_own_quotation(self, position: int, stop: int, last_start: int) -> bool:
        """Whether the person wrote or chose lines that are quoted without an attribution."""
        kind = self.lines[position].kind
        if kind is Kind.HISTORY or any(i in self.attributions for i in range(position, stop)):
            return False
        if kind is Kind.INDENTED and self._begins_with_header(position, stop):
            return False
        if kind is Kind.INDENTED or last_start > position:
            return True
        if not (self.thread.answers_us or self.thread.knows_us):
            return True
        above = position - 1
        while above >= 0 and not self.lines[above].text.strip():
            above -= 1
        if above >= 0 and self.lines[above].text.rstrip().endswith((":", "：")):
            return True
        return all(_OWN_MARK.match(self.lines[i].text[:80]) for i in range(position, stop))

    def _begins_with_header(self, position: int, stop: int) -> bool:
        """Whether the header block of a mail stands at the top of a quotation."""
        thread = self.thread
        top = self.bare[position : min(stop, position + 40)]
        for index, line in enumerate(top[:6]):
            if may_be_label(line):
                divided = index > 0
                block = header_block(top, index, thread.is_ours, thread.subject, divided=divided)
                return block is not None
            if line.strip():
                return divided_block(top, index, thread.is_ours, thread.subject) is not None
        return False

    def known(self, fates: Sequence[_Fate]) -> set[int]:
        """The lines of the history that the conversation has.

        If we wrote the mail above, that is all of it. If people went on without us, it begins with
        the first mail that we wrote.
        """
        history = [index for index, fate in enumerate(fates) if fate is _Fate.HISTORY]
        if self.thread.answers_us:
            return set(history)
        self._tries = _TRIES
        behind = 0
        for index in history:
            start = self.start_at(index) if index >= behind else None
            if start is None or not start.ours:
                behind = start.end if start else behind
                continue
            below = self._next_with_text(start.end)
            depth = self.depths[index]
            marked = below < len(self.lines) and self.depths[below] > depth
            return set(range(index, start.end)) | {
                later
                for later in history
                if later >= index and self.depths[later] >= depth + marked
            }
        return set()
