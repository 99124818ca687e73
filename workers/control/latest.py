"""Runs as they are now, read and folded no further back than needed."""

from __future__ import annotations

from collections import OrderedDict

from ponderd.workers.execution.snapshots import code, whole
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run
from ponderd.workers.store.contract import RunStore

KEPT = 64
"""Runs that a daemon remembers: of these it reads only what is new."""


class Latest:
    """The runs that were read last."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, tuple[Run, bytes]] = OrderedDict()

    async def read(self, store: RunStore, run_id: str) -> Run | None:
        """None if the store does not have the run. Raises `Unavailable` of the store, and
        `pydantic.ValidationError` for events that only a newer ponderd knows."""
        # Many read one run at once: each begins where the last one ended.
        before, last = self._runs.get(run_id, (None, b""))
        tail = await store.latest(run_id, code(), before.version if before else 0, last)
        if not tail.log:
            self._runs.pop(run_id, None)
            return None
        if before and tail.known and not tail.snapshot:
            run: Run | None = before
            rest = tail.log[1:]
        else:
            run, rest = await whole(store, run_id, tail)
        run = fold(e.decode_all(rest), run)
        self._runs[run_id] = run, tail.log[-1]
        self._runs.move_to_end(run_id)
        if len(self._runs) > KEPT:
            self._runs.popitem(last=False)
        return run
