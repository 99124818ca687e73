"""What `lua/clock.lua` does, for the store in memory."""

from __future__ import annotations

LONGEST_GAP = 1000
BUSY = 250


class ShardClock:
    """Two clocks, in ms: the time of events and waits, and the time in which leases count."""

    def __init__(self) -> None:
        self._kept: tuple[int, int, int] | None = None

    @property
    def kept(self) -> int:
        """The time of events when a script last wrote it; 0 if none did."""
        return self._kept[1] if self._kept else 0

    def read(self, server: int, idle: bool = False) -> tuple[int, int]:
        """(now, lease time) when the server's clock says `server`. `idle`: who reads it only looks,
        and nothing is held or due."""
        if self._kept is None:
            self._kept = server, server, server
            return server, server
        seen, now, lease_time = self._kept
        gap = min(max(server - seen, 0), LONGEST_GAP)
        now, lease_time = max(server, now + gap - gap // 10), lease_time + gap
        if server < seen or (server - seen >= BUSY and not (idle and now == server)):
            self._kept = server, now, lease_time
        return now, lease_time
