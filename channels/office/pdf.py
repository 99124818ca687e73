"""PDF as text, page by page. Pure.

pypdf gives a page in two ways: as it was written, and laid out with spaces as it is seen. The
second keeps the columns of a table apart, but mixes text that stands in columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ponderd.channels.office.text import Text, UnreadableError

if TYPE_CHECKING:
    from pypdf import PageObject

PAGES = 300
"""Most pages that are read."""
LAID_OUT = 30
"""Pages that are laid out, which takes as long again as reading them."""
_WIDE = 2_000.0
"""Points. What lies further out would be reached by so many spaces."""
_SMALL = 1.0
"""Points. Smaller type would need so many spaces, too."""

_BROKEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What pypdf raises for a page that is not as it should be, besides its own errors."""

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\xa0": " "}
)
_GAP = re.compile(r"(?<=\S)   +(?=\S)")
_COLUMN = 30
"""Characters on both sides of a gap that make it the gap between columns of text."""


def read_pdf(content: bytes, enough: Callable[[], bool]) -> Text:
    """Raises `UnreadableError` for a scan, and for one that a password protects. `enough` says
    whether to stop before the next page."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    text = Text()
    empty: list[int] = []
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not _opens(reader):
            raise UnreadableError("it is protected by a password")
        count = read = len(reader.pages)
        for number, page in enumerate(reader.pages, 1):
            if number > PAGES or (number > 1 and enough()):
                read = number - 1
                break
            try:
                said = _page(page, lay_out=number <= LAID_OUT)
            except _BROKEN as error:
                text.note(f"page {number} cannot be read: {type(error).__name__}")
                continue
            if not said.strip():
                empty.append(number)
                continue
            if count > 1:
                text.add(f"--- page {number} ---")
            text.add(said)
    except DependencyError as error:
        raise UnreadableError("it is encrypted") from error
    except PyPdfError as error:
        if text.is_empty:
            raise UnreadableError("the file is damaged") from error
        text.note("the rest of the file is damaged")
        return text
    if text.is_empty:
        raise UnreadableError("a scan without text" if count else "it has no pages")
    if empty:
        pages = ", ".join(map(str, empty[:50]))
        text.note(f"without text, perhaps scanned or empty: page {pages}")
    if read < count:
        text.note(f"only the first {read} of {count} pages are read")
    return text


def _opens(reader: Any) -> bool:
    """Whether it opens without a password: many are only locked against changes."""
    return bool(reader.decrypt(""))


def _page(page: PageObject, *, lay_out: bool) -> str:
    places: list[tuple[float, float]] = []

    def visit(text: str, cm: list[float], tm: list[float], font: object, size: float) -> None:
        if text.strip():
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            scale = abs(tm[0] * cm[0] + tm[1] * cm[2]) or abs(tm[1] * cm[1]) or 1.0
            places.append((x, abs(size) * scale))

    plain = page.extract_text(visitor_text=visit).translate(_LIGATURES)
    if not (lay_out and plain.strip()) or any(
        not -_WIDE < x < _WIDE or not _SMALL < size < _WIDE for x, size in places
    ):
        return plain.strip("\n")
    laid_out = _laid_out(page)
    # Nothing may get lost in laying it out.
    if len("".join(laid_out.split())) < len("".join(plain.split())) or not _is_table(laid_out):
        return plain.strip("\n")
    return laid_out


def _laid_out(page: PageObject) -> str:
    try:
        text = page.extract_text(
            extraction_mode="layout",
            layout_mode_space_vertically=False,
            layout_mode_strip_rotated=False,
        ).translate(_LIGATURES)
    except Exception:  # it is the better of two ways, and the other one was good
        return ""
    lines = [line.rstrip() for line in text.splitlines()]
    filled = [line for line in lines if line]
    return "\n".join(_narrowed(filled))


def _narrowed(lines: list[str]) -> list[str]:
    """The lines without the margin, and with at most three blank columns in a row: what stands
    below each other still does."""
    used = {place for line in lines for place, sign in enumerate(line) if sign != " "}
    kept, blank = [], 3
    for place in range(max(used, default=-1) + 1):
        blank = 0 if place in used else blank + 1
        if blank <= 3:
            kept.append(place)
    return ["".join(line[place] for place in kept if place < len(line)) for line in lines]


def _is_table(text: str) -> bool:
    """Whether lines have gaps as between cells, and not as between columns of text."""
    gaps = [_GAP.split(line.strip()) for line in text.splitlines()]
    gapped = [parts for parts in gaps if len(parts) > 1]
    columns = [parts for parts in gapped if len(parts[0]) >= _COLUMN <= len(parts[-1])]
    return len(gapped) >= 2 and 2 * len(columns) < len(gapped)
