"""The words of a message that carry its meaning: no greeting, closing, signature or footer. Pure.

A line is left out only if it is recognised, and if it holds no word of a doubt, a condition or an
order (`doubt_words`). Whatever is not recognised stays, so a reader of the rest is in doubt as
well. The time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ponderd.channels.words.devices import is_device_line
from ponderd.channels.words.doubts import doubts, words_of
from ponderd.channels.words.footers import is_footer
from ponderd.channels.words.letters import CLOSINGS, EAST_GREETING, GREETED, GREETINGS
from ponderd.channels.words.places import PLACES
from ponderd.channels.words.polite import EAST_POLITE, POLITE
from ponderd.channels.words.signatures import (
    ASIDE,
    COMPANY,
    CUT,
    EAST_LETTER,
    ENDS,
    LINKING,
    MAIN_STREET,
    NUMBER,
    Names,
    is_capital,
    is_initials,
    is_meant,
    is_name,
    is_signature_line,
    is_signature_part,
    key,
)

LINE_LIMIT = 400
"""Characters. A longer line is a paragraph, and no greeting or signature."""
LINES_LIMIT = 400
"""A text of more lines is no letter: all of it stays."""
PARAGRAPH_LIMIT = 4_000
"""Characters. A longer paragraph is no footer."""
# How many paragraphs are tried that turn out to be no footer. Real messages need few.
_TRIES = 20


# Marks that nobody sees: format signs, soft hyphens, variation selectors, fillers, skin tones. The
# overrides of direction stay: they turn what one reads.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202c\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U0001f3fb-\U0001f3ff\U000e0000-\U000e01ef]"
)
_BREAK = re.compile("\r\n|[\r\u0085\u2028\u2029\x0b\x0c]")

_GREETED = re.compile(r"([^,،，.!:]{1,60})[,،，.!:]\s*(?=\S)")
# What falters, asks or makes a face is no part of a letter's form.
_WAVERING = re.compile(r"[?¿؟…‥~≠<>¬]|\.\.|!=|(?:^|\s)[:;=]-?[()|/\\Pp](?![^\s.,;!])|/s$")
_ADDRESS = re.compile(r"<[^<>\s]{1,300}>|https?://\S{1,300}")
_DECORATION = frozenset("■□▪▫●○◆◇►▶→☎✆☏✉📞📱📧🌐🏢📍🖥💻📠Ⓣ─━│┃═║┄┈╌▬▁▔")
_SIGN = re.compile("[\u2190-\u24ff\u2600-\u2bff\U0001f000-\U0001faff]")
_DELIMITER = re.compile(r"\s*(?:--+|__+|—|–|―|\*\*\*+|==+|~~+|-{2,} ?)\s*")


def seen(text: str) -> str:
    """`text` as a person sees it: LF line ends, without unseen marks."""
    return _UNSEEN.sub("", _BREAK.sub("\n", text))


def own_words(text: str, sender: str = "") -> str:
    """The lines of `text` that say something, in order.

    `sender` is whatever is known of the writer: an address, a display name, or both. Their name
    alone on a line is a signature.
    """
    lines = seen(text).split("\n")
    if len(lines) > LINES_LIMIT:
        return text.strip()
    return "\n".join(_kept(lines, Names.of(sender))).strip()


def is_greeting(phrase: str) -> bool:
    """Whether `phrase` only greets: "Hi", "Hallo zusammen", "Dear Ann"."""
    phrase = phrase.strip(ENDS)
    if not phrase or len(phrase) > 60:
        return False
    if EAST_GREETING.fullmatch(phrase) and not _east_doubts(phrase):
        return True
    words = phrase.split()
    for count in range(min(len(words), 6), 0, -1):
        if key(" ".join(words[:count])) in GREETINGS:
            rest = words[count:]
            return not rest or key(" ".join(rest)) in GREETED or _is_greeted(rest)
    return key(phrase) in GREETED and len(words) > 1


def _east_doubts(phrase: str) -> bool:
    stripped = re.sub("[你您]们?好|大家好|です|ます", "", phrase)
    return doubts(stripped)


def _is_greeted(words: list[str]) -> bool:
    """Whether somebody is addressed by these words: "Ann", "Frau Dr. Example und Team"."""
    if len(words) > 5:
        return False
    if any(EAST_LETTER.search(word) for word in words):
        return is_name(" ".join(words))
    return all(
        key(word) in GREETED or key(word) in GREETINGS or key(word) in LINKING or is_capital(word)
        for word in words
    ) and not any(is_meant(word) and key(word) not in GREETED for word in words)


def _kept(lines: list[str], names: Names) -> Iterator[str]:
    """The lines that are not recognised as something around the message."""
    in_signature = named = delimited = begun = False
    after_blank = True
    footers = _Footers(lines)
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            after_blank = True
            yield ""
            i += 1
            continue
        if (after_blank or in_signature) and (taken := footers.at(i)):
            i += taken
            after_blank = True
            continue
        i += 1
        if len(line) > LINE_LIMIT or (_wavers(line) and not _DELIMITER.fullmatch(line)):
            begun, after_blank = True, False
            yield line
            continue
        stripped = line.strip().strip("*_").strip()
        while stripped and stripped[-1] in POLITE and _SIGN.fullmatch(stripped[-1]):
            stripped = stripped[:-1].strip()
        if _DELIMITER.fullmatch(line):
            in_signature, named = begun, False
            delimited = begun and line.endswith("-- ")
            after_blank = True
            continue
        if is_device_line(stripped):
            in_signature = begun
            continue
        if not begun and is_greeting(stripped):
            continue
        if not begun and (greeted := _GREETED.match(line)) and is_greeting(greeted[1]):
            line = line[greeted.end() :]
            stripped = line.strip()
        if _closes(stripped, names):
            in_signature = begun or in_signature
            named = delimited = False
            continue
        if _signs(stripped, names):
            in_signature = named = True
            continue
        if in_signature and is_signature_line(stripped, named=named, delimited=delimited):
            named = True
            continue
        if _is_polite(stripped):
            continue
        begun, after_blank = True, False
        yield line


def _wavers(line: str) -> bool:
    """Whether a line asks, falters, or shows a sign that is not merely friendly."""
    bare_line = _ADDRESS.sub("", line)
    return bool(_WAVERING.search(bare_line)) or any(
        sign not in POLITE and sign not in _DECORATION for sign in _SIGN.findall(bare_line)
    )


class _Footers:
    """Finds footers and banners in the lines of one message."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._tries = _TRIES

    def at(self, start: int) -> int:
        """How many lines from `start` on are one footer or banner. 0: none."""
        if self._tries == 0:
            return 0
        first = self._lines[start].strip()
        if len(first) <= LINE_LIMIT and _is_company_line(first):
            return 1
        paragraph, end = first, start + 1
        while end < len(self._lines) and self._lines[end].strip():
            paragraph, end = f"{paragraph}\n{self._lines[end].strip()}", end + 1
            if len(paragraph) > PARAGRAPH_LIMIT:
                break
        if len(paragraph) <= PARAGRAPH_LIMIT and is_footer(paragraph):
            return end - start
        if len(first) <= PARAGRAPH_LIMIT and is_footer(first):
            return 1
        self._tries -= 1
        return 0


def _is_company_line(line: str) -> bool:
    """ "Registered in England No. 1234567. VAT No. GB123456"."""
    line = MAIN_STREET.sub("", line)
    if _wavers(line) or doubts(COMPANY.sub(" ", NUMBER.sub(" ", line))):
        return False
    # Each sentence speaks of the company: "… No. 1234567. Draft" does not.
    return COMPANY.search(line) is not None and all(
        COMPANY.search(part) or is_signature_part(part)
        for part in re.split(r"(?<=\w{4})[.!](?:\s|$)", line)
        if part.strip(ENDS)
    )


def _is_polite(line: str) -> bool:
    parts = [part for part in map(key, re.split(r"[.!,，。！、]", line)) if part]
    return bool(parts) and all(part in POLITE or part in EAST_POLITE for part in parts)


def _closes(line: str, names: Names) -> bool:
    """Whether a line closes: "Best regards,", perhaps with the name behind it."""
    if key(line) in CLOSINGS:
        return True
    if len(line) > 80:
        return False
    words = line.split()
    for count in range(min(len(words) - 1, 6), 0, -1):
        if key(" ".join(words[:count])) in CLOSINGS:
            rest = " ".join(words[count:]).strip(ENDS)
            known = key(rest) in CLOSINGS or key(rest) in GREETED
            return known or names.signs(rest) or is_name(rest) or _is_origin(rest)
    parts = [key(part) for part in re.split(r"[.!,，。！、/|]", line) if part.strip()]
    return len(parts) > 1 and all(part in CLOSINGS or part in POLITE for part in parts)


def _is_origin(rest: str) -> bool:
    """Whether this says where greetings come from: "aus Berlin"."""
    found = re.fullmatch(r"(?:aus|from|de|desde|da|uit|från|fra|z) (\S{3,30}(?: \S{3,30})?)", rest)
    return found is not None and all(key(word) in PLACES for word in found[1].split())


def _signs(line: str, names: Names) -> bool:
    """Whether a line is surely a signature wherever it stands: the sender's name, or initials."""
    parts = [part.strip(ENDS + "()\"'") for part in CUT.split(ASIDE.sub("", line)) if part.strip()]
    if not parts or not (names.signs(parts[0]) or is_initials(parts[0])):
        return False
    return all(is_signature_part(part) or names.signs(part) for part in parts[1:])


def names_of(sender: str) -> frozenset[str]:
    """What the sender is called, word by word, as `words_of` writes words."""
    return frozenset(
        word for word in words_of(sender.partition("@")[0]) if word in Names.of(sender).known
    )
