"""Text as it comes from outside, made safe to store and to read. Pure."""

from __future__ import annotations

import re

# C0 and C1 controls except tab and newline (escape sequences begin with one), and lone surrogates,
# which UTF-8 cannot encode.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

_PLAIN_NAME = re.compile(r"[\w.+@/=!#$%&'*?^`{|}~-]+")


def clean(text: str) -> str:
    """`text` with LF line ends, without the characters that cannot be stored or shown."""
    return _UNFIT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """`text` cleaned, put on one line and cut to `limit` characters."""
    return " ".join(clean(text).split())[:limit]


def plain_name(name: str, limit: int = 120) -> str:
    """A name that somebody may have made up, as one line of plain characters. It cannot look like
    a sentence of ours or like a person whom a channel proved: what is more than a word is quoted.
    """
    if not name or (len(name) <= limit and _PLAIN_NAME.fullmatch(name)):
        return name
    kept = "".join(char if char.isalnum() or char in "._+@/-" else " " for char in clean(name))
    return f"“{' '.join(kept.split())[:limit]}”"


def storable(result: object) -> str:
    """`result` as text that UTF-8 can encode. A file name, for one, may hold lone surrogates."""
    return str(result).encode("utf-8", "replace").decode()
