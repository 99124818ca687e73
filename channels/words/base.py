"""Tables of words in many languages, and the form in which words are compared. Pure."""

from __future__ import annotations

import re
import unicodedata


def bare(text: str) -> str:
    """`text` as words are compared: one form of each letter, without case; accents stay."""
    return (
        unicodedata.normalize("NFKC", text)
        .casefold()
        .replace("\u2019", "'")
        .replace("i\u0307", "i")
    )


def phrases(*tables: str) -> frozenset[str]:
    """The phrases between the `|` of tables, as `bare` writes them."""
    found = (" ".join(part.split()) for table in tables for part in bare(table).split("|"))
    return frozenset(part for part in found if part)


def words(*tables: str) -> frozenset[str]:
    """The words of tables, as `bare` writes them."""
    return frozenset(word for table in tables for word in bare(table).split())


class Turns:
    """Finds turns of phrase. Most texts hold none, and are through quickly."""

    def __init__(self, table: str) -> None:
        """`table` is an alternation as `pattern` takes it."""
        self._turns = [
            (_needle(turn), re.compile(rf"\w{{0,20}}(?:{turn})\w{{0,20}}", re.IGNORECASE))
            for turn in _alternatives("".join(map(str.strip, table.splitlines())))
        ]

    def count(self, text: str, enough: int = 1) -> int:
        """How many different ones `text` holds; no more than `enough` are looked for."""
        plain, found = bare(text), 0
        for needle, turn in self._turns:
            if needle in plain and turn.search(text):
                found += 1
                if found == enough:
                    break
        return found

    def without(self, text: str) -> str:
        """`text` without the words in which they stand."""
        plain = bare(text)
        for needle, turn in self._turns:
            if needle in plain:
                text = turn.sub(" ", text)
        return text


def _alternatives(table: str) -> list[str]:
    """Split at each `|` that stands in no group and no set."""
    found, depth, escaped = [""], 0, False
    for char in table:
        depth += 0 if escaped else (char in "([") - (char in ")]")
        if char == "|" and not depth and not escaped:
            found.append("")
        else:
            found[-1] += char
        escaped = char == "\\" and not escaped
    return [turn for turn in found if turn]


_VARIABLE = re.compile(
    r"\((?:[^()]|\([^()]*\))*\)\??|\[[^\]]*\][?*+]?(?:\{[^}]*\})?|\\.\??|.\?|[.+^$]"
)


def _needle(turn: str) -> str:
    """The longest run of letters that all texts hold in which `turn` is found."""
    return bare(max(_VARIABLE.split(turn), key=len))


def pattern(table: str) -> re.Pattern[str]:
    """A pattern of all alternatives of a table, whatever their case. Its lines are one."""
    return re.compile("".join(map(str.strip, table.splitlines())), re.IGNORECASE)
