"""Which pieces of a reply are in Slack already, and how the others are cut. Pure.

Each piece says of itself which one it is, and by which sizes its reply was cut: what comes after it
is cut in the same way, also by a later version of ponderd.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ponderd.channels.message import Reply
from ponderd.channels.slack.out.compose import SMALL, TEXT_LIMIT, Post, compose
from ponderd.channels.slack.out.pieces import Sizes

_LIMITS = range(100, 40_001)


class Arrived:
    """`posts` are the messages of `reply`, `found` the ts of those that are there, by their number
    from 1."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._sizes = Sizes(TEXT_LIMIT)
        self.posts: list[Post] = compose(reply, self._sizes)
        self.found: dict[int, str] = {}
        self.place = ""
        """The conversation in which they stand, once Slack said so."""

    def take(self, pieces: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Learn of pieces that are there: the ts of each, and what it says of itself."""
        known = [(at, _number(which, "number", 1), which) for at, which in pieces]
        if not known:
            return
        if whole := self._whole(known):
            self.posts, self.found = [], {1: whole}
            return
        of = Counter(self._sizes_of(which) for _, _, which in known)
        # Those made smaller come after the others, and say of how many.
        sizes = max(of, key=lambda each: (each.smaller > 0, of[each]))
        before = Sizes(sizes.limit)
        self._cut(sizes)
        self.found = {}
        for at, number, which in known:
            its = self._sizes_of(which)
            if its == sizes or (its == before and number <= sizes.after):
                self.found.setdefault(number, at)

    def shrink(self, limit: int) -> bool:
        """Cut what is not there yet into pieces of `limit` characters. False: it is so already."""
        if self._sizes.smaller or self._sizes.limit <= limit:
            return False
        missing = (each for each in range(1, len(self.posts) + 1) if each not in self.found)
        after = next(missing, len(self.posts)) - 1
        self.found = {number: at for number, at in self.found.items() if number <= after}
        self._cut(Sizes(self._sizes.limit, after, limit) if after else Sizes(limit))
        return True

    def which(self, number: int) -> dict[str, int]:
        """What the piece says of itself, beside its key. Nothing if it is the only one."""
        if len(self.posts) == 1:
            return {}
        sizes = self._sizes
        smaller = {"after": sizes.after, "smaller": sizes.smaller} if sizes.smaller else {}
        return {"number": number, "total": len(self.posts), "limit": sizes.limit, **smaller}

    @property
    def receipt(self) -> str:
        """The ts of the first message or, of a question with buttons, of the one with them."""
        buttons = (number for number, post in enumerate(self.posts, 1) if post.has_buttons)
        return self.found[next(buttons, 1)]

    def _whole(self, known: list[tuple[str, int, Mapping[str, Any]]]) -> str:
        """The receipt, if an older version, which wrote no sizes, posted all of it; else ""."""
        old = {
            (_number(which, "total", 1), number): at
            for at, number, which in known
            if "limit" not in which
        }
        for total in {total for total, _ in old}:
            if all((total, number) in old for number in range(1, total + 1)):
                return old[total, total if self._reply.inquiry else 1]
        return ""

    def _cut(self, sizes: Sizes) -> None:
        self._sizes, self.posts = sizes, compose(self._reply, sizes)

    def _sizes_of(self, which: Mapping[str, Any]) -> Sizes:
        limit = _number(which, "limit", 0)
        if limit in _LIMITS:
            return Sizes(limit, _number(which, "after", 0), _number(which, "smaller", 0))
        # An older version wrote no sizes.
        usual, small = Sizes(TEXT_LIMIT), Sizes(SMALL)
        total = _number(which, "total", 1)
        is_small = len(compose(self._reply, usual)) != total == len(compose(self._reply, small))
        return small if is_small else usual


def _number(which: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = which.get(name, otherwise)
    return value if isinstance(value, int) and 0 <= value < 100_000 else otherwise
