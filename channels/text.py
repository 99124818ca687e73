"""Text as it comes from outside, made safe to store and to read. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

# C0 and C1 controls except tab and newline, and lone surrogates, which no UTF-8 can carry.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` with LF line ends and without characters that cannot be stored or shown."""
    return _UNFIT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """`text` cleaned, on one line and cut to `limit` characters."""
    return " ".join(clean(text).split())[:limit]


# The line above a quoted mail, in the languages of the common mail programs. It is wrapped over
# up to three lines, and matched only from the start of a line and over a bounded length, so that
# the time is linear in the text whatever it contains.
_INTRODUCTION = re.compile(
    r"(?:On\b.{4,400}?\bwrote|Am\b.{4,400}?\bschrieb(?:\b.{1,200}?)?"
    r"|Le\b.{4,400}?\ba écrit|El\b.{4,400}?\bescribió)\s?:$",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r"-{3,} ?(?:Original Message|Ursprüngliche Nachricht|Message d'origine|Mensaje original)"
    r" ?-{3,}$|_{30,}$",
    re.IGNORECASE,
)
_FROM = re.compile(r"\*?(?:From|Von|De) ?:", re.IGNORECASE)
_SENT = re.compile(
    r"\*?(?:Sent|Date|To|Gesendet|Datum|An|Envoyé|À|Enviado|Fecha|Para) ?:", re.IGNORECASE
)


def latest_reply(text: str) -> str:
    """What the writer of a mail added: `text` without the quoted history.

    Keeps everything when nothing else would remain.
    """
    lines = text.splitlines()
    kept: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        introduction = _introduction_lines(lines, position)
        if introduction:
            position += introduction
            rest = (lines[index] for index in range(position, len(lines)))
            following = next((entry for entry in rest if entry.strip()), "")
            if not following.startswith(">"):
                break  # everything below is the quoted mail
        elif _SEPARATOR.match(line) or _is_header_block(lines, position):
            break
        else:
            if not line.startswith(">"):
                kept.append(lines[position])
            position += 1
    return "\n".join(kept).strip() or text.strip()


def _introduction_lines(lines: Sequence[str], position: int) -> int:
    """How many lines from `position` on introduce a quotation; 0 for none."""
    if not lines[position].lstrip()[:3].casefold().startswith(("on", "am", "le", "el")):
        return 0
    for count in (1, 2, 3):
        joined = " ".join(line.strip() for line in lines[position : position + count])
        if _INTRODUCTION.match(joined[:700]):
            return count
    return 0


def _is_header_block(lines: Sequence[str], position: int) -> bool:
    """Outlook repeats the header of the quoted mail: From, then Sent or To close below."""
    return bool(_FROM.match(lines[position].strip())) and any(
        _SENT.match(line.strip()) for line in lines[position + 1 : position + 4]
    )
