"""Words in a message that steer its run: /think, /think hard, /no_think, /pause, /cancel. Pure.

Where a program keeps the slash for itself, as Slack does, `!` serves instead.

/think is Qwen3's soft switch (its model card): the last one in a message counts. It stands at the
beginning or the end of a line, so that it can follow a greeting or a mail's subject. The model
never sees it, because it becomes fields of the request: a bare /no_think on a template that opens
the thought puts the answer into the thought.
"""

from __future__ import annotations

import re
from typing import Literal

from ponderd.channels.own_words import own_words

Switch = Literal["off", "on", "hard"]

_ONE = r"[/!](?:(?:no_?think)|think(?:[^\S\n]+hard(?![^\s.!?,:;]))?)[.!,:;]*(?=\s|$)"
_SEVERAL = rf"{_ONE}(?:[^\S\n]+{_ONE})*"
_SWITCHES = re.compile(
    rf"^[^\S\n]*{_SEVERAL}[^\S\n]*\n?|(?<=\s){_SEVERAL}[^\S\n]*$", re.IGNORECASE | re.MULTILINE
)
_LAST = re.compile(r".*[/!](?:(?P<off>no)_?)?think(?P<hard>\s+hard)?", re.IGNORECASE | re.DOTALL)


def switch_of(text: str) -> Switch | None:
    """Read the last switch of a text without unseen characters (`context.render.readable`)."""
    switches = _SWITCHES.findall(text)
    found = _LAST.match(switches[-1]) if switches else None
    if found is None:
        return None
    return "off" if found["off"] else "hard" if found["hard"] else "on"


def without_switch(text: str) -> str:
    """Return `text` as the model sees it."""
    # Cutting one switch can bring another to the end of its line.
    while (cut := _SWITCHES.sub("", text)) != text:
        text = cut
    return text


Command = Literal["pause", "resume", "cancel"]


_COMMAND = re.compile(r"[/!／！](pause|resume|cancel)[.!]?", re.IGNORECASE)
# A longer message is no command, whatever footer it has.
_LONGEST = 20_000


def command_of(text: str, sender: str = "") -> Command | None:
    """Read `/pause`, `/resume` or `/cancel`.

    It must stand alone, but for what letters hold around what they say (`own_words`).
    """
    # Most messages hold none, and each is looked at whenever its run is read.
    if len(text) > _LONGEST or not _COMMAND.search(text):
        return None
    # A mail in HTML may set it in bold, Slack in code.
    found = _COMMAND.fullmatch(own_words(text, sender).strip("*_`"))
    match found[1].lower() if found else None:
        case "pause":
            return "pause"
        case "resume":
            return "resume"
        case "cancel":
            return "cancel"
        case _:
            return None
