"""The readable text of a mail: HTML as plain text, and a reply without the mail it quotes. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

# The line above a quoted mail ("On Monday, Ana wrote:"), as common mail programs write it in
# English, German, French and Spanish, wrapped over up to three lines. It is matched only at the
# start of a line and over a bounded length, so the time stays linear whatever the text contains.
_INTRODUCTION = re.compile(
    r"(?:On\b.{4,400}?\bwrote|Am\b.{4,400}?\bschrieb(?:\b.{1,200}?)?"
    r"|Le\b.{4,400}?\ba écrit|El\b.{4,400}?\bescribió)\s?:$",
    re.IGNORECASE,
)


# What Outlook puts above a quoted mail.
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
    """The part of a mail that its writer added: `text` without the quoted mails.

    If nothing would remain, the whole text is returned.
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
                break  # not marked with ">": everything below is the quoted mail
        elif _SEPARATOR.match(line) or _is_header_block(lines, position):
            break
        else:
            if not line.startswith(">"):
                kept.append(lines[position])
            position += 1
    return "\n".join(kept).strip() or text.strip()


def _introduction_lines(lines: Sequence[str], position: int) -> int:
    """The number of lines at `position` that introduce a quotation, 0 to 3."""
    if not lines[position].lstrip()[:3].casefold().startswith(("on", "am", "le", "el")):
        return 0
    for count in (1, 2, 3):
        wrapped = lines[position : position + count]
        if wrapped[-1].rstrip().endswith(":"):
            joined = " ".join(line.strip() for line in wrapped)
            if len(joined) < 700 and _INTRODUCTION.match(joined):
                return count
    return 0


def _is_header_block(lines: Sequence[str], position: int) -> bool:
    """Whether the quoted mail's header begins here: From, then Sent or To close below (Outlook)."""
    return bool(_FROM.match(lines[position].strip())) and any(
        _SENT.match(line.strip()) for line in lines[position + 1 : position + 4]
    )


_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)|<[!?]")


_HIDDEN = ("script", "style", "title")


_BLOCKS = ("br", "p", "div", "li", "tr", "blockquote", "pre", "h1", "h2", "h3", "h4")


def text_of_html(source: str) -> str:
    """The text that a person would read in an HTML mail.

    The time is linear in the source. The parsers of the standard library and of Beautiful Soup take
    minutes over some mails of 200 KB.
    """
    # Lower case may change the length (Turkish İ), and then positions would no longer match.
    folded = source.lower() if len(source.lower()) == len(source) else source
    pieces: list[str] = []
    position = 0
    while position < len(source):
        start = source.find("<", position)
        tag = _TAG.match(source, start) if start >= 0 else None
        if tag is None:  # text up to the end, or up to and including a < that begins no tag
            stop = start + 1 if start >= 0 else len(source)
            pieces.append(" ".join(source[position:stop].split("\n")))
            position = stop
            continue
        pieces.append(" ".join(source[position:start].split("\n")))
        name = (tag[1] or "").lower()
        closing = "-->" if source.startswith("<!--", start) else ">"
        if name in _HIDDEN and not source.startswith("/", start + 1):
            closing = f"</{name}"
        elif name in _BLOCKS:
            pieces.append("\n")
        end = folded.find(closing, tag.end())
        if end < 0:
            break
        position = end + (0 if closing.startswith("</") else len(closing))
    try:
        text = html.unescape("".join(pieces))
    except ValueError:  # a character reference with too many digits for int()
        text = "".join(pieces)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
