"""When mails look like those of a program that answers each of our answers. Pure.

Autoresponders that know no rules write the same again and again, with another number or date in
it, and at once. People say something else, or ask, and read the answer first.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

ALIKE = 4
"""Mails that say the same and are answered within an hour. With the answer that set it off, a
program gets five."""
QUICK = 60.0
"""Seconds after our answer in which a person hardly writes the next mail five times an hour."""
THREAD_HOURLY = 100
"""Mails of one sender in one thread that are taken within an hour."""

_LIMIT = 20_000
_QUOTED = re.compile(r"^[ \t]{0,20}>.*$", re.MULTILINE)
_SUBJECT = re.compile(r"Subject: [^\n]*\n")
_TOKENS = re.compile(r"[\w#-]+")
_WORDS = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")

# A count such as "item 3" may be a person's. In these words it is not.
_NOTICES = re.compile(
    r"\b(?:auto|automatic|automatically|automated|away|holidays?|vacation|out of office|ticket|"
    r"(?:your|the) (?:request|enquiry|case)|received|thank you for|we (?:got|will)|get back to you|"
    r"automatisch\w*|urlaub|abwesen\w*|eingegangen|vielen dank für|automatique\w*|absent\w*|"
    r"bien reçu|automátic\w*|recibido|vacaciones|automatic[oa]\w*|ricevuto|ferie)\b"
    r"|автомат|в отпуске|自动|自動|已收到|收到您|休假|受け付け|受信し|자동|접수"
)

Suspicion = Literal["loop", "loop if quick", ""]


@dataclass(frozen=True, slots=True)
class Likeness:
    """By what the texts of two mails are compared."""

    same: str
    """Equal for equal texts."""
    alike: str
    """Equal for texts that differ in numbers, dates and ids at most."""
    words: int
    asks: bool
    counts: bool
    """It has small numbers, in words that a person might use."""


def likeness(text: str) -> Likeness:
    """Compare the text of a mail, not its subject, nor what it quotes."""
    said = _QUOTED.sub("", _SUBJECT.sub("", text[:_LIMIT], count=1)).casefold()
    same = " ".join(said.split())
    alike = _TOKENS.sub(_without_numbers, same)
    unspaced = len(_UNSPACED.findall(alike))
    spaced = len(_WORDS.findall(_UNSPACED.sub(" ", alike)))
    return Likeness(
        same=hashlib.sha256(same.encode("utf-8", "replace")).hexdigest()[:32],
        alike=hashlib.sha256(alike.encode("utf-8", "replace")).hexdigest()[:32],
        words=spaced + unspaced // 2,
        asks="?" in said or "？" in said,
        counts=not _NOTICES.search(same) and any(map(_is_small, _TOKENS.findall(same))),
    )


def suspicion(mail: Likeness, *, same: int, alike: int, in_thread: bool) -> Suspicion:
    """What a mail is suspected of, if within an hour `same` and `alike` mails came, it included.

    Outside a thread of ours people may repeat themselves, above all in few words.
    """
    if same > ALIKE and in_thread:
        return "loop" if mail.words >= 3 else "loop if quick"
    if same > ALIKE and mail.words >= 3 and not mail.asks:
        return "loop if quick"
    if alike > ALIKE and mail.words >= 3 and not mail.asks and not mail.counts:
        return "loop if quick"
    return ""


def _is_small(token: str) -> bool:
    return len(token) <= 2 and token.isdigit()


def _without_numbers(token: re.Match[str]) -> str:
    return "0" if any(map(str.isdigit, token[0])) else token[0]
