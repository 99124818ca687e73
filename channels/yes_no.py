"""Reading a yes or a no. Only a clear one counts; all else is something to think about. Pure."""

from __future__ import annotations

import re

_YES = frozenset(
    "yes|y|yes please|yep|yeah|ok|okay|sure|approve|approved|i approve|go|go ahead|do it|confirm"
    "|confirmed|lgtm|👍|ja|ja bitte|oui|si|sí".split("|")
)
_NO = frozenset(
    "no|n|nope|no thanks|deny|denied|reject|rejected|stop|cancel|don't|do not|👎|nein|non".split(
        "|"
    )
)
# Changes nothing.
_POLITE = frozenset("please|thanks|thank you|bitte|danke|merci|gracias".split("|"))


def read_yes_no(text: str) -> bool | None:
    """True or False for a clear yes or no and nothing else but a signature, otherwise None."""
    said = _said(_without_signature(text))
    if said and all(part in _YES for part in said):
        return True
    return False if said and all(part in _NO for part in said) else None


def read_first_line(text: str) -> tuple[bool | None, str]:
    """The verdict in the first line of a letter that is more than polite, and what is below it.

    People go on below their yes: with a footer, a thank you. But a yes that a later line takes
    back ("no, wait") is none. What is no verdict here is none for `read_yes_no` either: it goes
    on as a message, which must not decide another approval than the one that it answers.
    """
    first, _, rest = _without_signature(text).strip().partition("\n")
    while rest and not _said(first):
        first, _, rest = rest.strip().partition("\n")
    verdict = read_yes_no(first)
    if verdict and any(part.split()[0] in _NO or part in _NO for part in _said(rest)):
        verdict = None
    return verdict, rest.strip()


def _without_signature(text: str) -> str:
    return re.split(r"(?m)^--\s*$", text, maxsplit=1)[0]


def _said(text: str) -> list[str]:
    """The words between full stops, commas and line ends, without politeness."""
    parts = re.split(r"[.!,;\n]+", text.replace("’", "'").lower())
    words = (" ".join(part.split()) for part in parts)
    return [part for part in words if part and part not in _POLITE]
