"""Tell the operator what happens to mail: a log line and a counter for each."""

from __future__ import annotations

import structlog

from ponderd.channels.channel import Bounced
from ponderd.channels.message import Bounce
from ponderd.workers.control.runs import Runs
from ponderd.workers.store.contract import RunStore

log = structlog.get_logger(__name__)

COUNTERS = "mail:counters"
"""The account in which the store counts what happened: refused, bounced, delayed."""

_TTL = 10 * 365 * 24 * 3600.0


async def count(store: RunStore, outcome: str) -> None:
    """Raises `Unavailable`."""
    await store.spend({COUNTERS: {outcome: 1}}, _TTL)


async def counted(store: RunStore) -> dict[str, float]:
    """Outcome -> how often. Raises `Unavailable`."""
    [counts] = await store.spent([COUNTERS])
    return counts


def recording(runs: Runs, store: RunStore) -> Bounced:
    """Make what the mail server calls with the reports that it gets."""

    async def bounced(bounce: Bounce) -> None:
        run = await runs.bounced(bounce)
        if run is None:  # the same report again
            return
        log.warning(
            "our mail did not arrive" if bounce.permanent else "our mail is delayed",
            run=run.id,
            recipient=bounce.recipient,
            reason=bounce.reason,
            status=run.status,
            waiting_for=run.waiting_for,
        )
        await count(store, "bounced" if bounce.permanent else "delayed")

    return bounced
