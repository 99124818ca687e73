"""What the store keeps beside the logs of runs: values, ledgers, boxes, tables and accounts. A part
of `contract`, which says what holds for all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ponderd.workers.store.tables import Tables


class Beside(Tables, Protocol):
    """What every store keeps beside the logs."""

    async def remember(self, key: str, value: str, ttl: float | None) -> str:
        """Keep `value` under `key` for `ttl` seconds (None: for ever), unless `key` has a value.
        Returns the value that is kept."""

    async def recall(self, key: str) -> str | None:
        """The value that `remember` or `overwrite` keeps under `key`, or None."""

    async def overwrite(self, key: str, value: str, ttl: float | None = None) -> None:
        """Keep `value` under `key` for `ttl` seconds, or for ever, and drop what was there."""

    async def note(self, ledger: str, entries: Sequence[bytes], keep: int) -> None:
        """Append to a ledger. At least its last `keep` entries stay, and not many more."""

    async def notes(self, ledger: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """At most `limit` entries after the one with the id `after` ("": from the beginning).

        Each comes with its id, such as "1700000000000-0". Later entries have greater ids.
        """

    async def swap(
        self, key: str, expected: str | None, value: str, ttl: float | None = None
    ) -> bool:
        """Set what `recall` finds under `key` for `ttl` seconds (None: for ever), if it is
        `expected` now (None: nothing). Returns whether it was. If the store's answer is lost, it
        may have been."""

    async def put(self, box: str, key: str, value: bytes) -> None:
        """Keep `value` under `key` in a box until it is dropped."""

    async def box(self, box: str) -> dict[str, bytes]:
        """All that is in a box. Keep boxes small: it is read at once. A table may be large."""

    async def drop(self, box: str, key: str) -> None:
        """Take `key` out of a box, if it is there."""

    async def spend(
        self, amounts: Mapping[str, Mapping[str, float]], ttl: float
    ) -> dict[str, dict[str, float]]:
        """Add amounts to accounts: account -> measure -> amount. Returns the new sums.

        An account is forgotten `ttl` seconds after its last spending. One that must end earlier has
        its period in its name. If the store's answer is lost, part of this may have been added.
        """

    async def spent(self, accounts: Sequence[str]) -> list[dict[str, float]]:
        """Measure -> sum for each account, in the given order. Empty for an unknown account."""
