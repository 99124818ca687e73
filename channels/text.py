"""Text as it comes from outside, made safe to store and to read. Pure."""

from __future__ import annotations

import re

# C0 and C1 controls except tab and newline, and lone surrogates, which no UTF-8 can carry.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` with LF line ends and without characters that cannot be stored or shown."""
    return _UNFIT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """`text` cleaned, on one line and cut to `limit` characters."""
    return " ".join(clean(text).split())[:limit]


def storable(result: object) -> str:
    """Names of files, for example, may hold what no UTF-8 can."""
    return str(result).encode("utf-8", "replace").decode()
