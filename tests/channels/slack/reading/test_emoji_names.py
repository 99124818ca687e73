import pytest

from ponderd.channels.slack.reading.emoji_names import character_of, of_codepoints, with_emoji
from tests.services.cpu import in_linear_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":+1:", "👍"),
        (":thumbsup: :-1: :x: :white_check_mark:", "👍 👎 ❌ ✅"),
        (":wave::skin-tone-3:", "👋🏼"),
        (":handshake::skin-tone-2-5:", "🤝🏻"),
        (":x::skin-tone-3:", "❌"),  # there is no such one
        (":tada::tada:", "🎉🎉"),
        (":flag-de: :flag-scotland: :us:", "🇩🇪 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🇺🇸"),
        (":man-shrugging: :woman-facepalming:", "🤷‍♂️ 🤦‍♀️"),
        (":man-woman-girl-boy: :woman-heart-woman:", "👨‍👩‍👧‍👦 👩‍❤️‍👩"),
        (":male-technologist: :female-doctor:", "👨‍💻 👩‍⚕️"),
        (":large_green_circle: :large_yellow_square: :large_blue_circle:", "🟢 🟨 🔵"),
        (":octagonal_sign: :simple_smile: :spock-hand:", "🛑 🙂 🖖"),
        (":warning:disk full", "⚠️disk full"),
        ("はい:+1:", "はい👍"),
        (":party-parrot: :flag-zzz: :flag-1:", ":party-parrot: :flag-zzz: :flag-1:"),
        ("10:30:45 10:100:45", "10:30:45 10:100:45"),
        ("std:ok:1 fe80::100:2 a@b:key:c", "std:ok:1 fe80::100:2 a@b:key:c"),
        (": :: ::: :a", ": :: ::: :a"),
    ],
)
def test_slacks_names_become_characters(text: str, expected: str) -> None:
    assert with_emoji(text) == expected


def test_what_the_event_tells_comes_first() -> None:
    known = {"ship": "🚢", "shipped": "📦"}
    assert with_emoji("a:ship: :shipped: b:tada:", known) == "a🚢 📦 b:tada:"


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("1f44d", "👍"),
        ("1f44d-1f3fc", "👍🏼"),
        ("zz", ""),
        ("d800", ""),
        ("7fffffff", ""),
        ("110000", ""),
        ("0a", ""),
        (5, ""),
        (None, ""),
    ],
)
def test_codepoints(points: object, expected: str) -> None:
    assert of_codepoints(points) == expected


def test_every_name_is_looked_up_once() -> None:
    character_of.cache_clear()
    with_emoji(":rocket: " * 1_000)
    assert character_of.cache_info().misses == 1


@pytest.mark.parametrize("piece", [":", "::", ":a", ":+1:", ":skin-tone-2", ":x::skin-tone-3"])
def test_in_linear_time(piece: str) -> None:
    with in_linear_time():
        with_emoji(piece * 200_000)
