"""Tell whether somebody asks again for what they asked before. Pure."""

from __future__ import annotations

import re

from ponderd.workers.run.chat_commands import without_switch

ALIKE = 0.7
"""Two questions are the same if they share this part of all their words."""

SEEN = 4000
"""How many characters of a text are compared."""

_WORD = re.compile(r"\w+")
_CORRECTION = re.compile(
    r"\W*(?:(?:no|nope|sorry|hm+),?\s+)?(?:(?:that|this|it)(?:'s| is| was)?\s+"
    r"(?:wrong|incorrect|not (?:right|correct|true|what i))|"
    r"(?:wrong|incorrect|falsch)(?:\W*$|[.,!:;]|\s+(?:answer|number|result)\b)|"
    r"not what i\b|try (?:it )?again\b|"
    r"you (?:got|have) (?:it|that) wrong|i meant\b|das (?:ist falsch|stimmt nicht)|"
    r"c'est faux|no es correcto)",
    re.IGNORECASE,
)
"""In the languages in which quoted mail is recognised, too."""


def repeats(before: str, now: str) -> bool:
    """Whether `now` asks for the same as `before`, or says that the answer was wrong."""
    now = without_switch(now)
    if _CORRECTION.match(now):
        return True
    words, others = _words(before), _words(now)
    if any(word[0].isdigit() for word in words ^ others):
        return False  # the same about other numbers is another question
    return len(others) > 1 and len(words & others) >= ALIKE * len(words | others)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(without_switch(text)[:SEEN].lower()))
