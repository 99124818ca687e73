"""The mention of us is address, not text: it is taken away, and nothing else is. Pure."""

from __future__ import annotations

import re

from ponderd.channels.slack.reading.view import US

# What sets the one apart who is spoken to, where the mention comes first: "@bot, …", "@bot: …".
# A colon that begins an emoji of the team's own, a smiley or a word is none.
_EMOJI = r":[a-z0-9_+'-]{1,80}:"
_SMILEY = r"[:;]['^o-]?(?:[)\]}]|[(\[{|/\\$*@DOPSXops3x](?!\w))"
_ADDRESSED = re.compile(
    rf"(?:(?!{_EMOJI}|{_SMILEY})[,;:]|[，；：、]|[.](?=\s+\S)"
    rf"|\s*(?:,|[;:](?!\S)|!(?=\s+\S)|[–—](?=\s)))?\s*"
)
_CLOSING = re.compile(rf"(?!{_EMOJI})[,.;:!?…)\]]|[*_~`]{{1,3}}(?=[\s.,;:!?]|\Z)")
_POSSESSIVE = re.compile("['’]s\\b")
_WRAPPED = re.compile(rf"([*_~`]){US}\1|\({US}\)|\[{US}\]")


def without_us(text: str, called: str = "") -> str:
    """`text` without the mentions of us, wherever they stand, and without blanks at its ends.

    `called` stands where somebody speaks of what is ours ("@bot's").
    """
    for _ in range(3):  # bold, italic, struck
        text = _WRAPPED.sub(US, text)
    said, *pieces = text.split(US)
    kept: list[str] = []
    front = True
    for number, piece in enumerate(pieces, 1):
        front = front and not said.strip(" \t\n*_~`")
        if number < len(pieces) and not piece.strip(" \t,"):
            continue  # another mention follows
        if front:
            said = said.rstrip(" \t") + piece[_ADDRESSED.match(piece).end() :]  # type: ignore[union-attr]
        elif called and _POSSESSIVE.match(piece):
            kept.append(said + called)
            said = piece
        else:
            before, said = _joined(said, piece)
            kept.append(before)
    return "".join([*kept, said]).strip()


def _joined(before: str, after: str) -> tuple[str, str]:
    """What stands before and behind a mention that is taken away."""
    bare, rest = before.rstrip(" \t"), after.lstrip(" \t")
    if _CLOSING.match(after) or not rest.strip():
        return bare.removesuffix(","), after
    if bare.endswith("\n"):
        return bare, rest.removeprefix("\n")
    if rest.startswith("\n") or (bare == before and rest == after):
        return bare, rest
    return bare + " ", rest
