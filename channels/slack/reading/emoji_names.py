"""Slack's names of emoji as characters. Pure.

Slack's names are older than those of Unicode. Most are aliases that the library `emoji` knows;
flags, families and people by their work are made of their parts, and the rest is listed here. The
team's own emoji have no character and keep their name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import emoji

_SHORTCODE = re.compile(r":([a-z0-9_+&'-]{1,80})(?:::skin-tone-([2-6])(?:-[2-6])?)?:")
_CODEPOINTS = re.compile("[0-9a-f]{2,6}(?:-[0-9a-f]{2,6}){0,12}", re.IGNORECASE)
# Behind these a colon is no emoji: 10:30:45, std:ok:1, c:x:y, fe80::1:2.
_GLUE = re.compile(r"[A-Za-z0-9/:.@%-]")

_PEOPLE = {"man": "👨", "woman": "👩", "boy": "👦", "girl": "👧", "heart": "❤️", "kiss": "❤️\u200d💋"}

# What the library calls something else.
_NAMES = {
    name: character
    for pair in """
    simple_smile=🙂 ladybug=🐞 eject=⏏️ octagonal_sign=🛑 the_horns=🤘 spock-hand=🖖 medal=🎖️
    hand_with_index_and_middle_fingers_crossed=🤞 i_love_you_hand_sign=🤟 face_palm=🤦 email=✉️
    face_with_cowboy_hat=🤠 face_with_one_eyebrow_raised=🤨 grinning_face_with_star_eyes=🤩
    grinning_face_with_one_large_and_one_small_eye=🤪 face_with_finger_covering_closed_lips=🤫
    serious_face_with_symbols_covering_mouth=🤬 face_with_open_mouth_vomiting=🤮
    smiling_face_with_smiling_eyes_and_hand_covering_mouth=🤭 smiling_face_with_3_hearts=🥰
    shocked_face_with_exploding_head=🤯 mother_christmas=🤶 person_doing_cartwheel=🤸 juggling=🤹
    fencer=🤺 wrestlers=🤼 handball=🤾 drum_with_drumsticks=🥁 first_place_medal=🥇
    second_place_medal=🥈 third_place_medal=🥉 kiwifruit=🥝 womans_flat_shoe=🥿 giraffe_face=🦒
    zebra_face=🦓 mate_drink=🧉 person_with_headscarf=🧕 scooter=🛴 shopping_trolley=🛒
    keycap_star=*️⃣ mostly_sunny=🌤️ sun_small_cloud=🌤️ barely_sunny=🌥️ sun_behind_cloud=🌥️
    partly_sunny_rain=🌦️ rain_cloud=🌧️ snow_cloud=🌨️ lightning=🌩️ lightning_cloud=🌩️ tornado_cloud=🌪️
    knife_fork_plate=🍽️ man_and_woman_holding_hands=👫 staff_of_aesculapius=⚕️ bride_with_veil=👰
    man_with_turban=👳 guardsman=💂 ok_woman=🙆 egg=🥚 bald_person=🧑‍🦲 red_haired_person=🧑‍🦰
    curly_haired_person=🧑‍🦱 white_haired_person=🧑‍🦳 women-with-bunny-ears-partying=👯‍♀️
    men-with-bunny-ears-partying=👯‍♂️ woman-with-bunny-ears-partying=👯‍♀️
    man-with-bunny-ears-partying=👯‍♂️ woman_with_beard=🧔‍♀️ man_with_beard=🧔‍♂️ satellite=🛰️
    beetle=🪲 umbrella=☂️ snowman=☃️ male-doctor=👨‍⚕️ female-doctor=👩‍⚕️ woman-wrestling=🤼‍♀️
    man-wrestling=🤼‍♂️
    """.split()
    for name, _, character in [pair.partition("=")]
}
_FLAGS = {"england": "gbeng", "scotland": "gbsct", "wales": "gbwls"}


def with_emoji(text: str, known: Mapping[str, str] | None = None) -> str:
    """`text` with the emoji that it names. `text` is no code and no address.

    `known` are characters by name, as the event itself tells them.
    """
    last = 0  # where the emoji before ended

    def spelled(found: re.Match[str]) -> str:
        nonlocal last
        start, name = found.start(), found[1]
        glued = start > 0 and start != last and _GLUE.match(text[start - 1]) is not None
        if glued and name not in (known or {}):
            return found[0]
        tone = f":skin-tone-{found[2]}:" if found[2] else ""
        character = (known or {}).get(name) or character_of(name)
        if not character:
            return found[0]
        last = found.end()
        return toned(character, character_of(tone.strip(":"))) if tone else character

    return _SHORTCODE.sub(spelled, text)


@lru_cache(maxsize=4096)
def character_of(name: str) -> str:
    """The character of Slack's emoji `name`. Empty: one of the team's own, or none."""
    if name in _NAMES:
        return _NAMES[name]
    kind, _, rest = name.partition("-")
    if kind == "flag" and rest:
        return _flag(rest)
    if kind == "skin" and re.fullmatch("tone-[2-6]", rest):
        return chr(0x1F3FB + int(rest[-1]) - 2)
    if "-" in name and all(part in _PEOPLE for part in name.split("-")):
        return "\u200d".join(_PEOPLE[part] for part in name.split("-"))
    for tried in _other_names(name):
        found = emoji.emojize(f":{tried}:", language="alias")
        if found != f":{tried}:":
            return found
    return ""


def of_codepoints(unicode: object) -> str:
    """The character of "1f44d" or "1f44d-1f3fc", as an event spells it. Empty: it is none."""
    if not isinstance(unicode, str) or not _CODEPOINTS.fullmatch(unicode):
        return ""
    points = [int(point, 16) for point in unicode.split("-")]
    if not all(0x20 <= point <= 0x10FFFF and not 0xD800 <= point < 0xE000 for point in points):
        return ""
    return "".join(map(chr, points))


def toned(character: str, tone: str) -> str:
    """`character` in a skin tone, if there is such a one."""
    first, rest = character[0], character[1:].removeprefix("\ufe0f")
    with_tone = first + tone + rest
    return with_tone if emoji.is_emoji(with_tone) else character


def _other_names(name: str) -> list[str]:
    """What the library may call it: man-shrugging is man_shrugging, male-doctor man_doctor."""
    names = [name, name.replace("-", "_")]
    for theirs, ours in (("male", "man"), ("female", "woman")):
        for sign in "-_":
            if name.startswith(theirs + sign):
                names.append(f"{ours}_{name[len(theirs) + 1 :].replace('-', '_')}")
    names.append(re.sub("^large_([a-z]+_(?:circle|square))$", r"\1", name))
    return names


def _flag(place: str) -> str:
    if place in _FLAGS:
        tags = "".join(chr(0xE0000 + ord(letter)) for letter in _FLAGS[place])
        return f"🏴{tags}\U000e007f"
    if not re.fullmatch("[a-z]{2}", place):
        return ""
    return "".join(chr(0x1F1E6 + ord(letter) - ord("a")) for letter in place)
