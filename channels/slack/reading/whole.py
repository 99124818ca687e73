"""A text and the blocks beside it as one, without saying the same words twice. Pure."""

from __future__ import annotations

import re
from collections import Counter

from ponderd.channels.slack.reading.blocks import read_blocks
from ponderd.channels.slack.reading.view import View, lines, listed

_WORD = re.compile("[^\\W_]+|[\u2190-\u21ff\u2300-\u245f\u2600-\u2bff\U0001f000-\U0001faff]")
# The marks of a list are made by who shows it.
_MARK = re.compile(
    r"^[> ]*(?:\d{1,7}\.|[•◦▪▫‣*-]\ufe0e?|(?<= {4})(?:[a-z]|[ivx]{1,6})\.)\s", re.MULTILINE
)
# Slack's own words for an app that gave blocks and no text.
_NOTHING = "This content can't be displayed."


def whole(text: str, blocks: object, view: View) -> str:
    """All that `text` (read already) and `blocks` say.

    Slack writes what a person typed into both, programs write a summary into the text. The text is
    taken where it holds every word of the blocks, the blocks where they hold every word of it.
    """
    shown = read_blocks(blocks, view)
    if shown and text.strip() == _NOTHING:
        text = ""
    words, block_words = _words_of(text), _words_of("\n".join(shown))
    if block_words <= words:
        return text
    if words <= block_words:
        return "\n".join(shown)
    if all(block.get("type") == "rich_text" for block in listed(blocks)):
        shared = (words & block_words).total()
        if 5 * shared >= 4 * min(words.total(), block_words.total()):
            # The same, but for what Slack writes differently.
            return text if words.total() > block_words.total() else "\n".join(shown)
    return lines(text, *(block for block in shown if not _words_of(block) <= words))


def _words_of(text: str) -> Counter[str]:
    return Counter(_WORD.findall(_MARK.sub("", text.casefold())))
