"""What the store in memory keeps beside the logs."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from ponderd.workers.store.memory_tables import MemoryTables


class MemoryBeside(MemoryTables):
    """Implements `Beside`."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, tuple[str, float]] = {}
        self._accounts: dict[str, tuple[dict[str, float], float]] = {}
        self._ledgers: defaultdict[str, list[tuple[str, bytes]]] = defaultdict(list)
        self._noted = 0
        self._boxes: defaultdict[str, dict[str, bytes]] = defaultdict(dict)

    async def remember(self, key: str, value: str, ttl: float | None) -> str:
        now = self._now()
        kept = self._recall(key, now)
        if kept is None:
            self._kept[key] = (value, math.inf if ttl is None else now + ttl)
        return value if kept is None else kept

    async def recall(self, key: str) -> str | None:
        return self._recall(key, self._now())

    async def overwrite(self, key: str, value: str, ttl: float | None = None) -> None:
        now = self._now()
        self._kept[key] = (value, math.inf if ttl is None else now + ttl)

    async def swap(
        self, key: str, expected: str | None, value: str, ttl: float | None = None
    ) -> bool:
        now = self._now()
        if self._recall(key, now) != expected:
            return False
        self._kept[key] = (value, math.inf if ttl is None else now + ttl)
        return True

    async def put(self, box: str, key: str, value: bytes) -> None:
        self._now()
        self._boxes[box][key] = value

    async def box(self, box: str) -> dict[str, bytes]:
        self._now()
        return dict(self._boxes[box])

    async def drop(self, box: str, key: str) -> None:
        self._now()
        self._boxes[box].pop(key, None)

    async def note(self, ledger: str, entries: Sequence[bytes], keep: int) -> None:
        kept = self._ledgers[ledger]
        for entry in entries:
            self._noted += 1
            kept.append((f"{self._now() * 1000:.0f}-{self._noted}", entry))
        del kept[: max(0, len(kept) - keep)]

    async def notes(self, ledger: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        self._now()
        number = int(after.partition("-")[2] or 0)
        kept = self._ledgers[ledger]
        return [note for note in kept if int(note[0].partition("-")[2]) > number][:limit]

    async def spend(
        self, amounts: Mapping[str, Mapping[str, float]], ttl: float
    ) -> dict[str, dict[str, float]]:
        now = self._now()
        spent = {}
        for account, measures in amounts.items():
            sums, expires = self._accounts.get(account, ({}, 0.0))
            kept = Counter(sums if expires > now else {})
            kept.update(measures)
            self._accounts[account] = (dict(kept), now + ttl)
            spent[account] = {measure: float(kept[measure]) for measure in measures}
        return spent

    async def spent(self, accounts: Sequence[str]) -> list[dict[str, float]]:
        now = self._now()
        found = [self._accounts.get(account, ({}, 0.0)) for account in accounts]
        return [dict(sums) if expires > now else {} for sums, expires in found]

    def _recall(self, key: str, now: float) -> str | None:
        value, expires = self._kept.get(key, ("", 0.0))
        return value if expires > now else None
