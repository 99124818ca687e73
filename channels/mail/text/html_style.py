"""What of an HTML mail can be seen: the styles that hide text, by whichever means. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

Colour = tuple[int, int, int]

_FAR = -400.0
"""Pixels. Text that is moved so far to the left or top is outside every window."""
_TINY = 2.0
"""Pixels. Smaller letters cannot be seen."""
_ALIKE = 12
"""Steps of 255. Two colours that differ by less look the same."""

_NUMBER = re.compile(r"(-?\d{0,6}(?:\.\d{0,6})?)\s*(px|pt|em|rem|ex|ch|%|in|cm|mm|pc|vw|vh|)\s*")
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "in": 96.0, "cm": 37.8, "mm": 3.78, "pc": 16.0} | {
    "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "%": 1.0, "vw": 6.0, "vh": 6.0
}  # fmt: skip
_NAMED: dict[str, Colour] = {
    "white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250),
    "ivory": (255, 255, 240), "ghostwhite": (248, 248, 255), "whitesmoke": (245, 245, 245),
    "floralwhite": (255, 250, 240), "azure": (240, 255, 255), "mintcream": (245, 255, 250),
    "red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255), "navy": (0, 0, 128),
    "yellow": (255, 255, 0), "gray": (128, 128, 128), "grey": (128, 128, 128),
    "silver": (192, 192, 192), "orange": (255, 165, 0), "purple": (128, 0, 128),
    "lightgray": (211, 211, 211), "lightgrey": (211, 211, 211), "teal": (0, 128, 128),
    "maroon": (128, 0, 0), "lime": (0, 255, 0), "aqua": (0, 255, 255), "olive": (128, 128, 0),
    "fuchsia": (255, 0, 255), "windowtext": (0, 0, 0), "window": (255, 255, 255),
}  # fmt: skip
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]{1,60})\)")


@dataclass(frozen=True, slots=True)
class Look:
    """How the text in an element looks. What elements inside it inherit."""

    gone: bool = False
    """Nothing inside can be seen, whatever its own style."""
    invisible: bool = False
    """`visibility`, which an element inside may undo."""
    size: float = 16.0
    colour: Colour | None = (0, 0, 0)
    """None: transparent."""
    ground: Colour | None = (255, 255, 255)
    """None: unknown, such as a picture."""
    opacity: float = 1.0
    pre: bool = False
    struck: bool = False

    hides: bool = False
    """Whether text in it cannot be seen."""


def _alike(one: Colour, other: Colour) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < _ALIKE


def looked(outer: Look, tag: str, style: Mapping[str, str], attributes: Mapping[str, str]) -> Look:
    """How an element looks inside another one."""
    if outer.gone or (not style and not attributes.keys() & _PRESENTATION and tag not in _PRE):
        return outer
    if _is_gone(style, attributes):
        return replace(outer, gone=True)
    opacity = outer.opacity * _fraction(style.get("opacity", "1"))
    visibility = style.get("visibility")
    colour = style.get("-webkit-text-fill-color") or style.get("color")
    if colour is None and tag in ("font", "body", "basefont"):
        colour = attributes.get("color" if tag != "body" else "text")
    space = style.get("white-space", "")
    line = style.get("text-decoration", "") + style.get("text-decoration-line", "")
    pre = outer.pre
    if tag in _PRE or space:
        pre = space.startswith(("pre", "break")) or (tag in _PRE and not space)
    size = _size(style, outer.size)
    shown = _colour(colour, outer.colour)
    ground = _ground(style, attributes, outer.ground)
    invisible = visibility != "visible" if visibility else outer.invisible
    alike = shown is None or (ground is not None and _alike(shown, ground))
    return Look(
        gone=opacity < 0.05,
        invisible=invisible,
        size=size,
        colour=shown,
        ground=ground,
        opacity=opacity,
        pre=pre,
        struck=outer.struck or "line-through" in line,
        hides=invisible or size < _TINY or alike,
    )


_PRE = frozenset(("pre", "textarea", "listing"))
_PRESENTATION = frozenset(("hidden", "bgcolor", "background", "color", "text"))


def is_tight(style: Mapping[str, str]) -> bool:
    """Whether a paragraph follows the one above it without a gap, as lines in Outlook do."""
    sides = style.get("margin", "").split()
    if not sides:
        return False
    lengths = [*sides, style.get("margin-top", "0"), style.get("margin-bottom", "0")]
    return all((_pixels(length) or 0) < 1 for length in lengths)


def _is_gone(style: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    display = style.get("display")
    if display == "none" or ("hidden" in attributes and display is None):
        return True
    if style.get("mso-hide") == "all" and not _ground_given(style):
        return True
    if style.get("content-visibility") == "hidden" or style.get("zoom") in ("0", "0%"):
        return True
    clipped = style.get("overflow", style.get("overflow-y", "")).startswith(("hidden", "clip"))
    none = [_pixels(style.get(name)) for name in ("width", "height", "max-width")]
    if clipped and any(length is not None and abs(length) <= 1 for length in none):
        return True
    tall = _pixels(style.get("max-height"))
    if tall is not None and tall <= 1:
        return True
    if style.get("position") in ("absolute", "fixed", "relative"):
        sides = [_pixels(style.get(side)) for side in ("left", "top", "right", "bottom")]
        if any(side is not None and side <= _FAR for side in sides) or _clips(style.get("clip")):
            return True
    moved = [_pixels(style.get(name)) for name in ("text-indent", "margin-left", "margin-top")]
    if any(length is not None and length <= _FAR for length in moved):
        return True
    return _is_shaped_away(style)


_NOWHERE = re.compile(
    r"inset\(\s*(?:100|[5-9]\d)(?:\.\d+)?%\s*(?:\)|\s(?:100|[5-9]\d)%)|circle\(\s*0|ellipse\(\s*0"
    r"|polygon\(\s*0\s+0\s*,\s*0\s+0"
)
_SCALED = re.compile(r"scale[xy3]?d?\(\s*0(?:\.0*\d{0,2})?\s*[,)]|translate[xy3]?d?\(\s*-\d{3,}")


def _is_shaped_away(style: Mapping[str, str]) -> bool:
    if _NOWHERE.search(style.get("clip-path", "")) or _SCALED.search(style.get("transform", "")):
        return True
    return re.search(r"opacity\(\s*0(?:%|\.0\d?)?\s*\)", style.get("filter", "")) is not None


def _clips(value: str | None) -> bool:
    if value is None or not value.startswith("rect("):
        return False
    sides = re.findall(r"-?\d+(?:\.\d+)?", value)
    return len(sides) == 4 and all(abs(float(side)) <= 1 for side in sides)


@lru_cache(maxsize=512)
def _pixels(value: str | None) -> float | None:
    found = _NUMBER.fullmatch(value) if value and value[0] in "-.0123456789" else None
    if found is None or not any(sign.isdigit() for sign in found[1]):
        return None
    return float(found[1]) * _PIXELS[found[2]]


def _fraction(value: str) -> float:
    number = _pixels(value)
    if number is None:
        return 1.0
    return min(1.0, max(0.0, number / 100 if value.endswith("%") else number))


def _size(style: Mapping[str, str], outer: float) -> float:
    value = style.get("font-size")
    if value is None and "font" in style:
        found = re.search(r"(?:^|\s)(\d[\d.]*(?:px|pt|em|rem|%|))(?:/|\s)", style["font"][:200])
        value = found[1] if found else None
    length = _pixels(value)
    if value is None or length is None:
        return 13.0 if value else outer
    if value.endswith("%"):
        return outer * length / 100
    if value.endswith(("em", "ex", "ch")) and not value.endswith("rem"):
        return outer * length / 16
    return length


def _colour(value: str | None, outer: Colour | None) -> Colour | None:
    if not value or value in ("inherit", "currentcolor"):
        return outer
    return colour_of(value, outer)


def _ground_given(style: Mapping[str, str]) -> bool:
    value = style.get("background-color") or style.get("background") or ""
    return bool(value) and not value.startswith(("transparent", "none"))


def _ground(
    style: Mapping[str, str], attributes: Mapping[str, str], outer: Colour | None
) -> Colour | None:
    value = style.get("background-color") or style.get("background")
    picture = "url(" in (style.get("background", "") + style.get("background-image", ""))
    if picture or "gradient" in (style.get("background-image", "") + (value or "")):
        return None
    if value is None:
        value = attributes.get("bgcolor")
    if value is None:
        return None if "background" in attributes else outer
    if value.startswith(("transparent", "none", "inherit", "initial", "unset")):
        return outer
    # Of a shorthand, the colour is the first word or function.
    return colour_of(value if "(" in value else value.split()[0] if value.split() else "", outer)


@lru_cache(maxsize=512)
def colour_of(value: str, outer: Colour | None) -> Colour | None:
    """The colour that a CSS value names. None: transparent, or one that is not known."""
    value = value.strip().lower()
    if value in _NAMED:
        return _NAMED[value]
    digits = value.removeprefix("#")
    if digits != value or len(digits) == 6:
        if len(digits) in (3, 4):
            digits = "".join(digit * 2 for digit in digits)
        try:
            if len(digits) == 8 and int(digits[6:], 16) < 13:
                return None
            return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
        except ValueError:
            return outer
    found = _FUNCTION.search(value)
    if found:
        return _function(found[1], re.split(r"[\s,/]+", found[2].strip()), outer)
    return None if value == "transparent" else (128, 64, 32)


def _function(kind: str, parts: Sequence[str], outer: Colour | None) -> Colour | None:
    try:
        numbers = [float(part.rstrip("%dego")) for part in parts]
    except ValueError:
        return outer
    if len(numbers) < 3:
        return outer
    if len(numbers) > 3:
        alpha = numbers[3] / 100 if parts[3].endswith("%") else numbers[3]
        if alpha < 0.05:
            return None
    if kind == "hsl":
        light = numbers[2] / 100
        spread = min(light, 1 - light) * numbers[1] / 100
        if spread < 0.03:
            grey = round(light * 255)
            return grey, grey, grey
        return round((light - spread) * 255), round(light * 255), round((light + spread) * 255)
    scale = 2.55 if parts[0].endswith("%") else 1.0
    red, green, blue = (min(255, max(0, round(number * scale))) for number in numbers[:3])
    return red, green, blue
