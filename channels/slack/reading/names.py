"""Names of people, channels and groups in place of Slack's ids. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ponderd.channels.text import one_line


@dataclass(frozen=True, slots=True)
class Names:
    """What people see in place of an id. An id that is missing stays an id."""

    people: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)

    def person(self, user: str, label: str = "") -> str:
        """Such as "@Ann". `label` is what Slack called them."""
        return _called("@", self.people, user, label)

    def channel(self, channel: str, label: str = "") -> str:
        """Such as "#ops"."""
        return _called("#", self.channels, channel, label)

    def group(self, group: str, label: str = "") -> str:
        """Such as "@oncall"."""
        return _called("@", self.groups, group, label)


NO_NAMES = Names()


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids that a message mentions, in the order in which they come, each once."""

    people: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def _called(sign: str, names: Mapping[str, str], known_as: str, label: str) -> str:
    name = one_line(names.get(known_as) or label or known_as, 80).removeprefix(sign)
    return sign + name if name else ""
