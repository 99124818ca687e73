"""Read a yes or a no. Only a clear one counts; anything else is an ordinary message. Pure.

This is the one reader for mail, Slack, terminal and API. A yes consists of nothing but phrases of
yes and politeness (`yes_no_words`), besides what letters hold around what they say (`own_words`).
Every other word makes it unclear: a condition, a doubt, a question, a delay, a taking back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from ponderd.channels.own_words import is_greeting, names_of, own_words, seen
from ponderd.channels.words.asks import (
    ADDRESSED,
    ALONE,
    ASKED,
    ASKING,
    EAST_ASKING,
    ECHOES,
    FAINT,
    HEARD,
)
from ponderd.channels.words.base import bare
from ponderd.channels.words.no import EAST_NO, NO
from ponderd.channels.words.polite import EAST_POLITE, POLITE
from ponderd.channels.words.yes import EAST_YES, IDIOMS, YES

TEXT_LIMIT = 20_000
"""Characters. A longer message is not read for a yes or no."""
OWN_LIMIT = 2_000
"""Characters of own words. A longer message is no clear yes or no."""

_KINDS = {
    **dict.fromkeys(POLITE | EAST_POLITE, ""),
    **dict.fromkeys(YES | EAST_YES, "yes"),
    **dict.fromkeys(NO | EAST_NO, "no"),
    **dict.fromkeys(IDIOMS, "?"),
}
_LONGEST = max(len(phrase.split()) for phrase in _KINDS)

# Scripts without spaces. In a longer word their phrases of one sign do not count.
_EAST = re.compile(
    "[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u1100-\u11ff\u3130-\u318f]"
)
_EAST_KINDS = {
    phrase: kind for phrase, kind in _KINDS.items() if len(phrase) > 1 and _EAST.search(phrase)
}
_EAST_LONGEST = max(map(len, _EAST_KINDS))

_MEANT = ("\u037e", "⁇", "⁈", "⁉", "‽", "؟", "՞", "¿", "፧", "⸮", "꘏", "❓", "❔")
"""Signs of a question, apart from `?` and what NFKC makes one."""
_FALTERING = re.compile(r"\.{2,}|…|‥|。{2,}|⋯")
# A face that is not merely glad, and a box or a gap to fill in.
_UNCLEAR = re.compile(
    r":-?[(/\\|\[]|:'\(|\)-?:|;-?[)D]|!=|[\[({][\s_.x*·•-]{0,20}[\])}]|(?<!\w)__+(?!\w)|(?<!\S)!\w"
)
_SMILE = re.compile(r"[:=]-?[)D]|<3|\^_?\^")
_SHORTCODE = re.compile(r":(?:skin-tone-[2-6]|[a-z0-9_+-]{1,40}):")
_STOPS = re.compile(
    r"[.!,;:()\[\]{}\n、。，；：！・·•|،؛۔।॥。、¡‚—–―]|(?:^|(?<=\s))-(?=\s)|-(?=\s*$)", re.MULTILINE
)
_QUOTES = "*_`\"'“”„«»‹›「」『』‘’‚´〝〞"
_SIGN = re.compile("([\u2190-\u2bff\U0001f000-\U0001faff])")


def read_yes_no(text: str, sender: str = "") -> bool | None:
    """True for a clear yes, False for a clear no, otherwise None.

    `sender` is whatever is known of the writer (`own_words`).
    """
    return read_verdict(text, sender)[0]


def read_verdict(text: str, sender: str = "") -> tuple[bool | None, str]:
    """Read the verdict, or None, and the remark: what the person wrote below the line of it.

    A yes holds nothing but the yes. A no may stand alone on its line above a reason.
    """
    if len(text) > TEXT_LIMIT:
        return None, ""
    own = own_words(text, sender)
    if len(own) > OWN_LIMIT:
        return None, ""
    names = names_of(sender)
    first, _, rest = own.partition("\n")
    kinds = _kinds(own, names)
    if kinds == {"yes"}:
        return True, rest.strip()
    if kinds == {"no"}:
        return False, rest.strip()
    below = _phrases(rest) if rest.strip() else None
    if _kinds(first, names) != {"no"} or below is None:
        return None, ""
    if any("yes" in _read(phrase, names) for phrase in below):
        return None, ""
    return False, rest.strip()


def leans_to_yes(text: str, sender: str = "") -> bool:
    """Whether a message that is no clear yes begins with one and asks nothing: "Yes, but …"."""
    phrases = _phrases(own_words(text[:TEXT_LIMIT], sender)[:OWN_LIMIT])
    for phrase in phrases or []:
        words = phrase.split()
        if is_greeting(phrase) or _KINDS.get(phrase) == "":
            continue
        heads = (" ".join(words[:count]) for count in range(1, min(_LONGEST, len(words)) + 1))
        return any(_KINDS.get(head) == "yes" for head in heads) or "yes" in _read(
            phrase, frozenset()
        )
    return False


def _kinds(text: str, names: frozenset[str]) -> set[str]:
    """Of which kinds the phrases of `text` are, without politeness; "?" for what is unclear."""
    phrases = _phrases(text)
    if phrases is None:
        return {"?"}
    if any(" ".join(pair) in ECHOES for pair in pairwise(phrases)):
        return {"?"}
    said = " ".join(phrases)
    if HEARD.search(said) and FAINT.issuperset(HEARD.sub(" ", said).split()):
        return {"?"}
    kinds: set[str] = set()
    for phrase in phrases:
        # What greets behind the answer may be a delay: "Yes, morning".
        kinds |= {"?"} if kinds and is_greeting(phrase) else _read(phrase, names) - {""}
    return kinds


def _phrases(text: str) -> list[str] | None:
    """The phrases of `text` as `bare` writes them. None if it asks or falters."""
    text = seen(text)
    if any(sign in text for sign in _MEANT):
        return None
    text = bare(text)
    if "?" in text or _FALTERING.search(text) or _UNCLEAR.search(text):
        return None
    codes = _SHORTCODE.findall(text)
    text = _SMILE.sub(" ", _SHORTCODE.sub(" \x00 ", text))
    text = _SIGN.sub(r" \1 ", text)
    parts = (_tidy(part) for part in _STOPS.split(text))
    named = iter(codes)
    spelled = (re.sub("\x00", lambda _: next(named), part) for part in parts)
    return [
        " ".join(part.split())
        for part in (re.sub(":skin-tone-[2-6]:", "", s) for s in spelled)
        if part.strip()
    ]


def _tidy(part: str) -> str:
    """Without quotation marks and emphasis around words."""
    return " ".join(word.strip(_QUOTES) or "" for word in part.split())


def _read(phrase: str, names: frozenset[str]) -> set[str]:
    """The kinds of a phrase: "yes", "no", "" for politeness; "?" if any of it is none of these."""
    if is_greeting(phrase) or all(word in names for word in phrase.split()):
        return {""}
    words = phrase.split()
    if _asks(words) or (words[0] in ADDRESSED and words[1:] and phrase not in _KINDS):
        return {"?"}
    made = _made_of(len(words), lambda start, end: _word_kinds(words, start, end), _LONGEST)
    # Two of them may take each other back: "don't stop".
    return {"?"} if made is None or made.count("no") > 1 else set(made)


def _asks(words: list[str]) -> bool:
    """Whether a phrase asks for an approval, or makes a condition of it: "please approve", "si
    puede"."""
    if EAST_ASKING.search("".join(words)):
        return True
    if any(word in ASKING for word in words) and any(word in ASKED for word in words):
        return True
    rest = {words[i] for i in range(len(words))} - {"si", "sí"}
    return "si" in words and not rest <= ALONE


def _word_kinds(words: list[str], start: int, end: int) -> tuple[str, ...] | None:
    kind = _KINDS.get(" ".join(words[start:end]))
    if kind is not None:
        return (kind,)
    return _east(words[start]) if end == start + 1 else None


def _east(word: str) -> tuple[str, ...] | None:
    """The kinds of the phrases that make up a word without spaces. None: there are others."""
    if not _EAST.search(word):
        return None

    def kind(start: int, end: int) -> tuple[str, ...] | None:
        found = _EAST_KINDS.get(word[start:end])
        return None if found is None else (found,)

    return _made_of(len(word), kind, _EAST_LONGEST)


def _made_of(
    length: int, kinds: Callable[[int, int], tuple[str, ...] | None], longest: int
) -> tuple[str, ...] | None:
    """The kinds of the pieces that a sequence is made of, each once, but a no twice if there are
    more. The longest piece that leads to the end counts. None: it is not made of such pieces."""
    made: list[tuple[str, ...] | None] = [None] * length + [()]
    for start in range(length - 1, -1, -1):
        for end in range(min(length, start + longest), start, -1):
            rest = made[end]
            if rest is not None and (piece := kinds(start, end)) is not None:
                both = (*piece, *rest)
                noes = ("no",) * min(2, both.count("no"))
                made[start] = (*(kind for kind in ("?", "", "yes") if kind in both), *noes)
                break
    return made[0]
