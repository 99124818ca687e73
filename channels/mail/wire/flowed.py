"""Text whose lines its program may break anywhere (RFC 3676, format=flowed). Pure."""

from __future__ import annotations

_SIGNATURE = "-- "


def unflow(text: str, *, delsp: bool = False) -> str:
    """`text` with every paragraph on one line, as its writer typed it.

    `delsp`: the blank at the end of a broken line is no part of the text (Apple Mail; languages
    without blanks). Quotations keep one `>` a level, and a blank behind them.
    """
    lines: list[str] = []
    pieces: list[str] = []
    depth = 0
    for line in text.replace("\r\n", "\n").split("\n"):
        bare = line.lstrip(">")
        level = len(line) - len(bare)
        content = bare.removeprefix(" ")
        is_signature = content == _SIGNATURE
        # A paragraph ends at another depth and at a signature, even after a soft break.
        if pieces and (level != depth or is_signature):
            lines.append(_quoted("".join(pieces).rstrip(" "), depth))
            pieces = []
        depth = level
        if content.endswith(" ") and not is_signature:
            pieces.append(content[:-1] if delsp else content)
        else:
            lines.append(_quoted("".join([*pieces, content]), depth))
            pieces = []
    if pieces:
        lines.append(_quoted("".join(pieces).rstrip(" "), depth))
    return "\n".join(lines)


def _quoted(content: str, depth: int) -> str:
    return f"{'>' * depth} {content}" if depth and content else ">" * depth + content
