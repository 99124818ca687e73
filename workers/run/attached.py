"""How the model is told of what came with a message: files, and what was said before. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ponderd.channels.message import Attachment

_MARK = re.compile(
    r"^\[(?=(?:attached:|earlier in |file [0-9]|kept as |also to:|tag:|from ))", re.M | re.I
)


def told(files: Sequence[Attachment], first: int) -> str:
    """The lines about `files`, each ended before by a line break. The run counts its files, and
    `first` is the number of the first of these.

    What a file says is `fenced`, so nothing in it can look like the end of it.
    """
    return "".join(
        f"\n{line}" for number, file in enumerate(files, first) for line in _lines(file, number)
    )


def earlier(before: str) -> str:
    """What others said before the message, fenced as files are, and ended by a line break."""
    return f"[earlier in this thread]\n{fenced(before)}\n" if before else ""


def without_marks(text: str) -> str:
    """What a person wrote, in which nothing at the beginning of a line looks like a remark of ours
    about files, recipients or the writer."""
    return _MARK.sub("(", text)


def without_brackets(name: str) -> str:
    """A name that people choose themselves, in which nothing looks like the end of our remark."""
    return re.sub(r"[][()]", "", name).strip()


def label(file: Attachment) -> str:
    """Such as "orders.csv (text/csv, 29 bytes)"."""
    if not file.content_type:  # an old log did not say more
        return file.name
    return f"{file.name} ({file.content_type}, {file.size} bytes)"


def _lines(file: Attachment, number: int) -> Iterator[str]:
    yield f"[attached: {label(file)}]"
    if file.unread:
        yield f"[file {number} is not read: {file.unread}]"
    elif file.text_blob and not file.text:
        yield f"[file {number}: {file.length} characters, none of them here]"
    elif file.blob and not file.text:
        yield f"[kept as file {number}]"
    if file.text and file.text_blob:
        yield f"[file {number}: the first {len(file.text)} of {file.length} characters]"
    if file.text:
        yield fenced(file.text)


def fenced(text: str) -> str:
    """`text` between two lines of backticks, more than it has in a row anywhere."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"
