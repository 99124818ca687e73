"""The tables of the store in memory."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, defaultdict

from ponderd.workers.store.tables import Row, RowPage


class MemoryTables:
    """Implements `Tables`."""

    def __init__(self) -> None:
        self._tables: defaultdict[str, dict[str, Row]] = defaultdict(dict)

    @abstractmethod
    def _now(self) -> float:
        """The store's time, Unix seconds. Raises `Unavailable`."""

    async def set_row(self, table: str, key: str, row: Row) -> None:
        self._now()
        self._tables[table][key] = row

    async def drop_row(self, table: str, key: str) -> None:
        self._now()
        self._tables[table].pop(key, None)

    async def rows(self, table: str, after: str, limit: int) -> RowPage:
        self._now()
        places = {f"{row.order} {key}": key for key, row in self._tables[table].items()}
        found = sorted(place for place in places if place > after)
        page = [(place, places[place]) for place in found[:limit]]
        rows = [(place, key, self._tables[table][key].value) for place, key in page]
        return RowPage(rows, len(found) - len(rows))

    async def sums(self, table: str) -> dict[str, int]:
        self._now()
        sums: Counter[str] = Counter()
        for row in self._tables[table].values():
            sums.update(row.counts)
        return {name: total for name, total in sums.items() if total}
