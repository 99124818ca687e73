"""The look at what is due, in all shards at once.

A sweep is a script in each shard, some hundred commands in all. But a shard in which nothing was
written since its last sweep, no run is held and none is due by now has nothing to find, unless the
server's clock was set back: then the shard's goes on only with scripts. That shows in one command
(`redis_clocks`).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from ponderd.workers.store.redis_clocks import (
    EARLY,
    Clock,
    ShardClocks,
    is_ahead,
    is_settled,
    now_in,
)

ANYWAY_SECONDS = 120.0
"""After so long a shard is swept whatever its clock says, and keeps the time."""

NOTHING_WAITS_SECONDS = 600.0
"""The same where no run waits: then nobody counts on the time that is kept."""

ANYWAY_SHARE = 10
"""Sooner where a run waits: after this part of what is left. So if the server's clock is set back,
waits grow little. But not before `SOONEST_SECONDS`."""

SOONEST_SECONDS = 5.0

SET_BACK = 100.0
"""Milliseconds by which the server's clock goes back if it is set. What is reckoned wavers."""

RunAll = Callable[[str, list[tuple[int, tuple[Any, ...]]]], Awaitable[list[Any]]]
"""Calls a script of this name in shards, each with its arguments, in one round trip."""


@dataclass(slots=True)
class _Seen:
    """A shard as its last sweep left it."""

    clock: bytes
    due: float
    """When the next run is due, ms. Infinite: none is."""
    held: bool
    settled: bool
    """Whatever was written since then shows in the clock, which is not written in each moment."""
    at: float


class DueRuns:
    """Remembers how each shard was left."""

    def __init__(self, clocks: ShardClocks, run_all: RunAll) -> None:
        self._clocks = clocks
        self._run_all = run_all
        self._seen: dict[int, _Seen] = {}
        self._server = 0.0

    async def sweep(self, limit: int, grace: int, takes_over: bool) -> list[str]:
        """As the contract says it. `grace` in ms."""
        try:
            clocks, server = await self._clocks.read()
            if server < self._server - SET_BACK:
                # Perhaps to when a shard's clock was written, which is not written anew then.
                self._seen.clear()
            self._server = server
            owing, held = self._to_sweep(clocks, server)
            shares = _shared(limit, owing) | dict.fromkeys(held, 0)
            found = await self._swept(shares, grace, takes_over, server)
            more = bool(shares)
            while more and (shares := self._left(shares, server, limit - len(found))):
                some = await self._swept(shares, grace, takes_over, server)
                found += some
                more = bool(some)
        except BaseException:
            self._seen.clear()  # nobody knows what was done
            raise
        return found

    def _left(self, swept: Collection[int], server: float, limit: int) -> dict[int, int]:
        """Those of `swept` that have more that is due, and how many runs each may give."""
        seen = ((shard, self._seen[shard]) for shard in swept)
        owing = [shard for shard, one in seen if one.due <= now_in(one.clock, server)]
        return {shard: most for shard, most in _shared(limit, owing).items() if most}

    async def _swept(
        self, shares: dict[int, int], grace: int, takes_over: bool, server: float
    ) -> list[str]:
        """Sweep these shards, each for at most so many runs."""
        calls = [
            (shard, (most, grace, int(takes_over), int(self._is_long_ago(shard, server))))
            for shard, most in shares.items()
        ]
        found: list[str] = []
        for shard, (clock, due, held, *ids) in zip(
            shares, await self._run_all("sweep", calls), strict=True
        ):
            settled = is_settled(clock, server)
            at = time.monotonic()
            self._seen[shard] = _Seen(clock, float(due or "inf"), held > 0, settled, at)
            found += [run_id.decode() for run_id in ids]
        return found

    def _to_sweep(self, clocks: list[Clock], server: float) -> tuple[list[int], list[int]]:
        """The shards in which something may be due, and others in which only runs are held."""
        owing, held = list[int](), list[int]()
        for shard, clock in enumerate(clocks):
            seen = self._seen.get(shard)
            if clock is None:  # nothing was ever written in it
                self._seen.pop(shard, None)
            elif (
                seen is None
                or clock != seen.clock
                or not seen.settled
                or seen.due <= now_in(clock, server) + EARLY
                or is_ahead(clock, server)
                or self._is_long_ago(shard, server)
            ):
                owing.append(shard)
            elif seen.held:  # the time in which leases count goes on only with a script
                held.append(shard)
        return owing, held

    def _is_long_ago(self, shard: int, server: float) -> bool:
        """Whether it is time to sweep it anyway."""
        if (seen := self._seen.get(shard)) is None:
            return False
        share = (seen.due - server) / 1000 / ANYWAY_SHARE
        longest = ANYWAY_SECONDS if math.isfinite(seen.due) else NOTHING_WAITS_SECONDS
        most = max(SOONEST_SECONDS, min(share, longest))
        return time.monotonic() - seen.at >= most


def _shared(limit: int, shards: Collection[int]) -> dict[int, int]:
    """`limit` shared out. If it is small, others get nothing each time."""
    if not shards:
        return {}
    limit = max(0, limit)
    each, rest = divmod(limit, len(shards))
    more = set(random.sample(list(shards), rest))
    return {shard: each + (shard in more) for shard in shards}
