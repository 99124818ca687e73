"""An address header cut into its tokens, in linear time, however broken it is. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple


class Token(NamedTuple):
    kind: str
    """"text", "quoted", "comment", "angle", "group" (all before a colon), ",", ";" or "end"."""
    text: str
    """What stands within the marks; of text, all with its blanks."""


_SPECIAL = re.compile(r'["(<,;:=]')
# An encoded word is one piece, whatever stands in it.
_WORD = re.compile(r"=\?[^?\s]{1,80}\?[bBqQ]\?[^?]{0,300}\?=")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ANGLE = re.compile(r'<((?:[^<>"]|"(?:[^"\\<>]|\\.)*")*)>', re.DOTALL)


def tokens(text: str) -> list[Token]:
    """The tokens of `text`. A mark that is never closed is text."""
    found = _tokens(text, with_comments=True)
    return found if found is not None else _tokens(text, with_comments=False) or []


def _tokens(text: str, *, with_comments: bool) -> list[Token] | None:
    """None if a comment is never closed."""
    found: list[Token] = []
    has_groups = ";" in text
    plain = 0  # where the text begins that is not yet a token
    position = 0
    unquoted = len(text) + 1  # from here on, no quotation mark is closed

    def flush(end: int) -> None:
        if end > plain:
            found.append(Token("text", text[plain:end]))

    while special := _SPECIAL.search(text, position):
        at = special.start()
        match special[0]:
            case "=":
                word = _WORD.match(text, at)
                position = word.end() if word else at + 1
                continue
            case '"':
                quoted = _QUOTED.match(text, at) if at < unquoted else None
                if quoted is None:
                    unquoted = min(unquoted, at)
                    position = at + 1
                    continue
                token, end = Token("quoted", re.sub(r"\\(.)", r"\1", quoted[1])), quoted.end()
            case "(":
                if not with_comments:
                    position = at + 1
                    continue
                end = _end_of_comment(text, at)
                if end < 0:
                    return None
                token = Token("comment", text[at + 1 : end - 1])
            case "<":
                angle = _ANGLE.match(text, at)
                if angle is None:
                    position = at + 1
                    continue
                token, end = Token("angle", angle[1]), angle.end()
            case ":":
                if not has_groups or text.find("@", plain, at) >= 0:
                    position = at + 1
                    continue
                token, end = Token("group", ""), at + 1
            case mark:
                token, end = Token(mark, ""), at + 1
        flush(at)
        found.append(token)
        position = plain = end
    flush(len(text))
    return found


_COMMENT_MARK = re.compile(r"[()\\]")


def _end_of_comment(text: str, start: int) -> int:
    """The place behind the comment that begins at `start`. -1 if it does not end."""
    depth, position = 0, start
    while mark := _COMMENT_MARK.search(text, position):
        position = mark.end() + (mark[0] == "\\")
        depth += {"(": 1, ")": -1, "\\": 0}[mark[0]]
        if depth == 0:
            return mark.end()
    return -1
