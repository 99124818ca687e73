"""Events of which it is not known yet whether they are for us, by lane, in order. Pure."""

from __future__ import annotations

from ponderd.channels.slack.receive import SlackEvent


class Held:
    """Times are in seconds, by the caller's clock."""

    def __init__(self) -> None:
        self._lanes: dict[str, dict[str, tuple[SlackEvent, float]]] = {}
        self._keys: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str, event: SlackEvent, at: float) -> None:
        """Hold an event behind those of its lane. One that is held already keeps its place."""
        self._keys.add(key)
        self._lanes.setdefault(event.lane, {}).setdefault(key, (event, at))

    def of(self, lane: str) -> list[tuple[str, SlackEvent, float]]:
        """Each event that is held there, its key, and since when."""
        return [(key, event, at) for key, (event, at) in self._lanes.get(lane, {}).items()]

    def drop(self, key: str, lane: str) -> None:
        self._keys.discard(key)
        held = self._lanes.get(lane, {})
        held.pop(key, None)
        if not held:
            self._lanes.pop(lane, None)
