"""Read a yes or a no. Only a clear one counts; anything else is an ordinary message. Pure."""

from __future__ import annotations

import re

from ponderd.channels.message import without_signature

_YES = frozenset(
    "yes|y|yes please|yep|yeah|ok|okay|sure|approve|approved|i approve|go|go ahead|do it|confirm"
    "|confirmed|lgtm|👍|ja|ja bitte|oui|si|sí".split("|")
)
_NO = frozenset(
    "no|n|nope|no thanks|deny|denied|reject|rejected|stop|cancel|don't|do not|👎|nein|non".split(
        "|"
    )
)
# Politeness changes no answer.
_POLITE = frozenset("please|thanks|thank you|bitte|danke|merci|gracias".split("|"))


def read_yes_no(text: str) -> bool | None:
    """True for a clear yes, False for a clear no, otherwise None. A signature is ignored."""
    phrases = _said(without_signature(text))
    if phrases and all(part in _YES for part in phrases):
        return True
    return False if phrases and all(part in _NO for part in phrases) else None


def read_first_line(text: str) -> tuple[bool | None, str]:
    """Read the verdict in a mail's first line. Returns it, or None, and the text below that line.

    Lines that hold only politeness are skipped. People go on below their yes, with a footer or a
    thank you. But a yes that a later line takes back ("no, wait") does not count.
    If this finds no verdict, `read_yes_no` must find none either: the mail then goes to the run as
    a message, and a message must not decide another approval than the one it answers.
    """
    first, _, rest = without_signature(text).strip().partition("\n")
    while rest and not _said(first):
        first, _, rest = rest.strip().partition("\n")
    verdict = read_yes_no(first)
    if verdict and any(part.split()[0] in _NO or part in _NO for part in _said(rest)):
        verdict = None
    return verdict, rest.strip()


def _said(text: str) -> list[str]:
    """The phrases between full stops, commas and line ends, in lower case, without politeness."""
    parts = re.split(r"[.!,;\n]+", text.replace("’", "'").lower())
    words = (" ".join(part.split()) for part in parts)
    return [part for part in words if part and part not in _POLITE]
