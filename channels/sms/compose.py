"""A reply as text messages: plain text, in numbered pieces if it is long. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ponderd.channels.links import approval_link
from ponderd.channels.mail.out.markdown import render
from ponderd.channels.message import Reply, principal
from ponderd.channels.text import clean, one_line

LIMIT = 1_600
"""Characters that Twilio takes in one message. One outside the BMP, an emoji say, counts as two."""
MOST_PIECES = 20
"""Messages of one reply. The rest of a longer one stays in the run."""
NOTHING = "(The answer is empty.)"

_NUMBER = len(f"({MOST_PIECES}/{MOST_PIECES}) ")


def compose(reply: Reply, public_url: str | None = None, key: bytes = b"") -> list[str]:
    """The messages of a reply, the same each time. With `public_url` and the `key` of links an
    approval says where it can be decided, too.

    Only an agent's own words are Markdown: an approval shows the call as it will run.
    """
    inquiry, text = reply.inquiry, clean(reply.text).strip("\n")
    asks_approval = inquiry is not None and inquiry.kind == "approval"
    if reply.kind in ("answer", "question") and not asks_approval:
        text = render(text).plain
    if inquiry:
        choices = [one_line(choice, 1_000) for choice in inquiry.choices]
        text = "\n".join([text, *(f"- {choice}" for choice in choices)])
    if inquiry and asks_approval and public_url and key:
        by = principal("sms", reply.to.to)
        text += f"\nOr decide here: {approval_link(public_url, key, inquiry.id, by)}"
    return numbered(text.strip() or NOTHING, rest=f"The rest is in the run {reply.run_id}.")


def numbered(text: str, *, rest: str = "") -> list[str]:
    """`text` as messages, "(1/3) …" if there are several. `rest` stands in place of what is more
    than `MOST_PIECES`."""
    if size(text) <= LIMIT:
        return [text]
    pieces = list(_cut(text, LIMIT - _NUMBER))
    if len(pieces) > MOST_PIECES:
        last = next(_cut(pieces[MOST_PIECES - 1], LIMIT - _NUMBER - len(rest) - 3))
        pieces = [*pieces[: MOST_PIECES - 1], f"{last} …\n{rest}"]
    return [f"({number}/{len(pieces)}) {piece}" for number, piece in enumerate(pieces, 1)]


def size(text: str) -> int:
    """The length of `text` as Twilio counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(text: str, limit: int) -> Iterator[str]:
    """Pieces of at most `limit`, cut between lines or words where that leaves a piece at least half
    full."""
    start = 0
    while start < len(text):
        end = start + _fitting(text[start : start + limit], limit)
        if end < len(text):
            half = start + (end - start) // 2
            ends = (text.rfind(mark, half, end + 1) for mark in ("\n\n", "\n", " "))
            end = next((found for found in ends if found > start), end)
        if piece := text[start:end].rstrip():
            yield piece
        start = end + 1 if text[end : end + 1] == " " else end
        while text[start : start + 1] == "\n":
            start += 1


def _fitting(window: str, limit: int) -> int:
    """How many characters of `window` fit."""
    while size(window) > limit:  # each round drops at least half of what is too much
        window = window[: len(window) - (size(window) - limit + 1) // 2]
    return len(window)
