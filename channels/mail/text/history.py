"""Where a quoted mail begins in the lines of another: an attribution, a header block. Pure.

Both are found by their structure (an address, a date, a colon; labels and values) and only then by
their words. What merely looks so ("From: Berlin", "On Monday Bob wrote:") is the person's own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ponderd.channels.mail.text import history_words as words
from ponderd.channels.mail.text.subjects import bare

IsOurs = Callable[[str], bool]

_LINE_LIMIT = 700
"""Characters of a line, or of a wrapped attribution, that is looked at."""
_WRAPPED = 4
_LABELS = 8
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:：@]{1,100}@[^\s<>()\[\]\"',;:：@]{1,200}")
_BRACKETED = re.compile(
    r"[<(\[＜]\s?(?:mailto:)?[^\s<>()\[\]@]{1,100}@[^\s<>()\[\]@]{1,200}\s?[>)\]＞]"
)
_NUMERIC = re.compile(r"(?<!\d)\d{1,4}([./-])\s?\d{1,2}\1\s?\d{2,4}(?!\d)|\d\s?[月월]\s?\d{1,2}")
_YEAR = re.compile(r"(?<!\d)(?<!\d[.,])(?:19|20|25)\d\d(?!\d|[.,]\d)")
_MONTH_DAY = re.compile(
    r"(?<!\d)\d{1,2}\.?,?\s(?:de\s)?[^\W\d_]{3,}|[^\W\d_]{3,}\.?\s\d{1,2}(?!\d)"
)
_TIME = re.compile(
    r"(?<!\d)\d{1,2}(?:\s?[:.hH時点시]\s?|\s?klo?\.?\s)\d{2}(?!\d)|\d\s?[ap]\.?m\b", re.I
)
_DATE_PARTS = (_NUMERIC, _YEAR, _MONTH_DAY, _TIME)
_UNSEEN = dict.fromkeys(
    map(
        ord,
        "\xad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff",
    )
)
_COLONS = (":", "：", "﹕", "︰")
_LABEL = re.compile(r"[*_\s]*([^\W\d_][^:：﹕]{0,38}?)[*_\s]*[:：﹕][*_\s]*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of a quoted mail."""

    end: int
    """The index behind its last line."""
    ours: bool
    """Whether one of our addresses wrote the mail below it."""
    sure: bool
    """Whether it proves history by itself, without quotation marks below."""
    foreign: bool = False
    """It names another writer and another subject: a mail that was put here by hand."""


def normal(line: str) -> str:
    """A line without what cannot be seen, every blank a plain one, every digit an ASCII one."""
    if line.isascii():
        return line.strip()
    line = " ".join(line.translate(_UNSEEN).split())
    return "".join(
        str(unicodedata.decimal(sign)) if sign.isdecimal() and sign > "\x7f" else sign
        for sign in line
    )


def depth_of(line: str) -> tuple[int, str]:
    """How many times a line is quoted with ">", and the line without these marks."""
    depth = 0
    rest = line
    while depth < 50:
        stripped = rest.lstrip(" ")
        if not stripped.startswith(">"):
            break
        rest = stripped[1:]
        depth += 1
    return depth, (rest.removeprefix(" ") if depth else line)


def may_be_label(line: str) -> bool:
    """Whether a header block could begin at a line: cheap, and seldom wrong."""
    head = line[:60]
    if not any(colon in head for colon in _COLONS[:3]):
        return False
    return _LABEL.match(head.translate(_UNSEEN)) is not None


def is_forward_mark(line: str) -> bool:
    """Whether a line says in some language that a forwarded mail follows."""
    ends = line.strip()
    if not ends or len(line) >= 200 or (ends[0].isalnum() and ends[-1].isalnum()):
        return False
    return words.FORWARDED.fullmatch(normal(line)) is not None


def has_date(text: str) -> bool:
    """Whether a text holds a day of a calendar, in whichever language."""
    if _NUMERIC.search(text):
        return True
    return sum(kind.search(text) is not None for kind in _DATE_PARTS) >= 2


def attributions(lines: Sequence[str], is_ours: IsOurs) -> dict[int, Start]:
    """The attribution lines ("On …, Ana <ana@…> wrote:") by the index of their first line.

    `lines` are without marks of quotation. One may be wrapped over up to four lines.
    """
    found: dict[int, Start] = {}
    for last, line in enumerate(lines):
        if _ends_attribution(line) and (start := _attribution(lines, last, is_ours)):
            found[start[0]] = start[1]
    return found


def _ends_attribution(line: str) -> bool:
    tail = normal(line[-60:]).rstrip("*_->= ")
    if not tail or len(line) > _LINE_LIMIT:
        return False
    if tail.endswith(_COLONS):
        return True
    return "@" in line and any(verb.end() == len(tail) for verb in words.WROTE.finditer(tail))


def _attribution(lines: Sequence[str], last: int, is_ours: IsOurs) -> tuple[int, Start] | None:
    first, text = last, normal(lines[last])
    while last - first < _WRAPPED - 1 and first > 0:
        above = normal(lines[first - 1])
        if (
            not above
            or len(above) + len(text) > _LINE_LIMIT
            or above.endswith((*_COLONS, "?", "!"))
        ):
            break
        joined = f"{above} {text}"
        if not _goes_on(above, text):
            if last - first == _WRAPPED - 2 or not _lacks(text):
                break
            # Perhaps the line above that: "On Nov 21, 2014," / "at 10:18," / "John <…> wrote:".
            higher = normal(lines[first - 2]) if first > 1 else ""
            if not (higher and words.OPENING.match(higher) and _goes_on(higher, joined)):
                break
        first, text = first - 1, joined
    if len(text) > _LINE_LIMIT:
        return None
    return _judged(first, last, text, is_ours)


def _lacks(text: str) -> bool:
    return not (has_date(text) and _ADDRESS.search(text))


def _goes_on(above: str, text: str) -> bool:
    """Whether a line is the first half of the attribution in the line below it."""
    if words.OPENING.match(text):
        return False
    if words.OPENING.match(above) and any(kind.search(above) for kind in _DATE_PARTS):
        return True
    date_missing = not has_date(text) and has_date(above)
    address_missing = not _ADDRESS.search(text) and _BRACKETED.search(above) is not None
    return date_missing or address_missing


def _judged(first: int, last: int, text: str, is_ours: IsOurs) -> tuple[int, Start] | None:
    text = text.strip("*_-=> ")
    colon = text.endswith(_COLONS)
    addresses = _ADDRESS.findall(text)
    day = has_date(text)
    you = words.YOU_WROTE.fullmatch(text) is not None and day
    ours = you or any(is_ours(address.strip("*_.")) for address in addresses)
    bracketed = _BRACKETED.search(text)
    moment = _TIME.search(text) is not None
    wrote = words.WROTE.search(text) is not None
    head = text[:60]
    dated_first = has_date(head) or (words.OPENING.match(head) is not None and day)
    name_last = (
        moment
        and bracketed is not None
        and has_date(text[: bracketed.start()])
        and len(text) - bracketed.end() <= 40
        and len(text) <= 300
    )
    sure = (
        you
        or (ours and (wrote or (day and moment and (bracketed is not None or dated_first))))
        or (bool(addresses) and wrote and (day or moment or bracketed is not None))
        or (name_last and colon)
        or (wrote and day and moment)
    )
    hinted = wrote or (bool(addresses) and day) or (_NUMERIC.search(head) is not None and moment)
    if not (sure or (colon and (hinted or ours))):
        return None
    return first, Start(last + 1, ours, sure)


def header_block(
    lines: Sequence[str], first: int, is_ours: IsOurs, subject: str, *, divided: bool
) -> Start | None:
    """The header block ("From: … / Sent: … / Subject: …") that begins at a line, if one does.

    `divided`: a line across the mail, or the structure of HTML, stands above it.
    """
    labels: list[tuple[str, str]] = []
    position = first
    gap = False
    while position < len(lines) and len(labels) < _LABELS and position - first < 30:
        line = normal(lines[position][:_LINE_LIMIT])
        found = _LABEL.fullmatch(line)
        label = " ".join(found[1].casefold().split()) if found else ""
        if found and len(label.split()) <= 4 and not found[2].startswith("//"):
            if gap and label not in words.SENT | words.OTHER | words.FROM:
                break
            labels.append((label, found[2].strip()))
        elif not line and labels and not gap and position + 1 < len(lines):
            gap = True
            position += 1
            continue
        elif labels and not gap and _continues(lines[position], line):
            labels[-1] = (labels[-1][0], f"{labels[-1][1]} {line}"[:_LINE_LIMIT])
        else:
            break
        gap = False
        position += 1
    if gap:
        position -= 1
    if len(labels) < (1 if divided else 2):
        return None
    return _judged_block(labels, position, is_ours, subject, divided)


def _continues(raw: str, line: str) -> bool:
    """Whether a line is the wrapped rest of the value above it."""
    return bool(line) and (line.startswith("<") or raw[0] in " \t" or bool(_BRACKETED.search(line)))


def _judged_block(
    labels: Sequence[tuple[str, str]], end: int, is_ours: IsOurs, subject: str, divided: bool
) -> Start | None:
    names = [label for label, _ in labels]
    at = next((index for index, name in enumerate(names) if name in words.FROM), None)
    author = labels[at][1] if at is not None else labels[0][1]
    addresses = [address.strip("*_.") for address in _ADDRESS.findall(author)]
    ours = any(map(is_ours, addresses))
    dated = any(has_date(value) for _, value in labels if not _ADDRESS.search(value))
    timed = any(has_date(value) and _TIME.search(value) for _, value in labels)
    wanted = bare(subject).casefold()
    titles = [bare(value).casefold() for name, value in labels if name in words.SUBJECT]
    titles = titles or [bare(value).casefold() for _, value in labels[1:]]
    same = bool(wanted) and wanted in titles
    known = sum(name in words.SENT or name in words.OTHER for name in names)
    others = words.OTHER - words.FROM
    sender = at is not None or not (words.NEVER_FROM.match(names[0]) or names[0] in others)
    sure = (
        (at is not None and bool(addresses) and (dated or same) and known >= 1)
        or (at is not None and known >= 3 and timed and (same or divided or not wanted))
        or (at is not None and known >= 2 and same and (timed or divided))
        or (ours and sender and (dated or same or divided))
        or (sender and bool(addresses) and timed and len(labels) >= 4)
        or (sender and bool(addresses) and same and len(labels) >= 3)
        or (divided and sender and (bool(addresses) or at is not None) and (dated or same))
        or (divided and at is not None and bool(addresses) and known >= 1)
        or (divided and timed and same and len(labels) >= 4)
    )
    if not sure:
        return None
    titled = any(name in words.SUBJECT for name in names)
    foreign = bool(addresses) and not ours and titled and bool(wanted) and not same
    return Start(end, ours, sure=True, foreign=foreign)


def divided_block(lines: Sequence[str], first: int, is_ours: IsOurs, subject: str) -> Start | None:
    """The quoted mail that begins with a line across the mail, if one does at this line."""
    if lines[first].lstrip()[:1].isalnum():
        return None
    line = normal(lines[first][:200])
    if not (words.RULED.fullmatch(line) or words.ORIGINAL.fullmatch(line)):
        return None
    below = first + 1
    while below < len(lines) and below - first < 4 and not lines[below].strip():
        below += 1
    block = header_block(lines, below, is_ours, subject, divided=True)
    if block is None and words.ORIGINAL.fullmatch(line):
        return Start(first + 1, ours=False, sure=True)
    return block
