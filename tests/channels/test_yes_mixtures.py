"""A doubt anywhere, in any language and dress, and nothing is approved; nothing else stands in the
way of a yes.

1,000 mixtures each; `MIXTURES=100000 pytest tests/channels/test_yes_mixtures.py` tries more.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponderd.channels.yes_no import read_yes_no
from tests.channels.letters import (
    APPROVALS,
    BANNERS,
    CLOSINGS,
    DOUBTS,
    FOOTERS,
    GREETINGS,
    SIGNATURES,
    UNSEEN,
)

ANN = "Ann Example <ann@team.test>"
MIXTURES = int(os.environ.get("MIXTURES", "1000"))
_many = settings(
    max_examples=MIXTURES, database=None, suppress_health_check=[*HealthCheck], deadline=None
)

# Where the doubt (D) stands, beside the yes (Y), a greeting (G), a closing (C), a name with what is
# below it (S), a footer (F) and a banner (B).
PLACES = [
    "Y D", "Y, D", "Y. D", "Y; D", "Y - D", "Y (D)", "Y… D", "Y\nD", "Y\n\nD", "D, Y", "D. Y",
    "D\nY", "D\n\nY", "G\n\nY, D\n\nC\nS", "G\nD\n\nY\n\nC\nS", "G\n\nY\n\nD\n\nC\nS",
    "G D\n\nY", "Hi D,\n\nY", "B D\n\nY", "B\nD\n\nY", "Y\n\nC\nS\n\nPS: D", "Y\n\nC\nS\nP.S. D",
    "Y\n\nC\nD", "Y\n\nC D", "Y\n\nC, D", "Y\n\nC\nS\nD", "Y\n\nS\nD\n\nF", "Y\n-- \nS\nD",
    "Y\n--\nD", "Y\n__\nS\n\nD", "Y\n\nS | D", "Y\n\nS, D", "Y\n\nC\nS\nHead of D",
    "Y\n\nC\nS\nTel. D", "Y\n\nF D", "Y\n\nF, D", "Y\n\nF\nD", "Y\n\nD\nF", "Y\n\nF\n\nD",
    "Y\n\nS\n\nF\nD. F", "Y\n\nConfidential: D", "Y\n\nThis message is confidential, D.",
    "Y\n\nCAUTION: D", "Y\n\nSent from my iPhone, D", "Y\n\nSent from D", "Y\n\nC\n\nD\n\nS",
    "G, D\nY", "Y\n\n* D", "Y\n> D", "**Y** *D*", "\"Y\", D", "Y 🙂 D", "Y\n\nNote: D\nS",
]  # fmt: skip

DRESSES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "title case": str.title,
    "capital": lambda text: text[:1].upper() + text[1:],
    "full width": lambda text: "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text
    ),
    "bold": lambda text: f"**{text}**",
    "quoted": lambda text: f'"{text}"',
    "with a stop": lambda text: f"{text}.",
}


def marked(text: str, mark: str) -> str:
    """With an unseen mark behind each second character."""
    return "".join(char + mark * (i % 2) for i, char in enumerate(text))


def letter(place: str, pieces: dict[str, str]) -> str:
    return "".join(
        pieces.get(char, char) if alone(place, i) else char for i, char in enumerate(place)
    )


def alone(place: str, i: int) -> bool:
    """Whether the character stands for a piece and is no part of a word."""
    around = place[max(0, i - 1) : i] + place[i + 1 : i + 2]
    return place[i].isupper() and not any(
        char.isalpha() or (char == "." and place[i] in "PS") for char in around
    )


@_many
@given(
    place=st.sampled_from(PLACES),
    approval=st.sampled_from(APPROVALS),
    doubt=st.sampled_from(DOUBTS),
    dress=st.sampled_from(sorted(DRESSES)),
    mark=st.sampled_from(UNSEEN),
    around=st.tuples(*map(st.sampled_from, (GREETINGS, CLOSINGS, SIGNATURES, FOOTERS, BANNERS))),
)
def test_a_doubt_anywhere_approves_nothing(
    place: str, approval: str, doubt: str, dress: str, mark: str, around: tuple[str, ...]
) -> None:
    said = marked(DRESSES[dress](doubt), mark)
    pieces = dict(zip("GCSFB", around, strict=True), Y=approval, D=said)
    pieces["S"] = pieces["S"].replace("|", "\n")
    assert read_yes_no(letter(place, pieces), ANN) is not True


def plain_letter(
    approval: str, greeting: str, closing: str, signature: str, footer: str, banner: str
) -> str:
    parts = [banner, greeting, approval, f"{closing}\n{signature}".strip(), footer]
    return "\n\n".join(part for part in parts if part).replace("|", "\n")


@_many
@given(
    approval=st.sampled_from(APPROVALS),
    greeting=st.sampled_from(["", *GREETINGS]),
    closing=st.sampled_from(["", *CLOSINGS]),
    signature=st.sampled_from(["", *SIGNATURES]),
    footer=st.sampled_from(["", *FOOTERS]),
    banner=st.sampled_from(["", "", "", *BANNERS]),
    mark=st.sampled_from(UNSEEN),
)
def test_a_yes_is_one_whatever_stands_around_it(
    approval: str, greeting: str, closing: str, signature: str, footer: str, banner: str, mark: str
) -> None:
    text = plain_letter(marked(approval, mark), greeting, closing, signature, footer, banner)
    assert read_yes_no(text, ANN) is True


@pytest.mark.parametrize("place", PLACES)
def test_a_place_holds_a_yes_and_a_doubt(place: str) -> None:
    made = letter(place, {"Y": "<yes>", "D": "<doubt>"})
    assert made.count("<yes>") == made.count("<doubt>") == 1
