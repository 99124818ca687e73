"""Record what became of a reply, and keep what depends on that.

Three things depend on it: the message in Slack that a reply became finds its run again, operators
see what did not arrive, and people see that nothing is being done any more.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog

from ponderd.channels.errors import Unavailable
from ponderd.channels.event_ref import EventRef
from ponderd.workers.execution.delivery_list import list_deliveries
from ponderd.workers.execution.leases import LeasedRun, record
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.progress import Progress
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import reduce
from ponderd.workers.run.state import Outgoing, Run
from ponderd.workers.run.undelivered import find
from ponderd.workers.store.asking import add_asking, note_asked
from ponderd.workers.store.contract import RECEIPT_TTL, RunStore, receipt_key

log = structlog.get_logger(__name__)


class Outbox:
    """What a worker records the outcomes of replies with. Raises `LeaseLost`, `Unavailable`."""

    def __init__(
        self,
        store: RunStore,
        channels: Collection[str],
        progress: Progress,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._channels = channels
        self._progress = progress
        self._metrics = metrics

    async def arrived(self, held: LeasedRun, run: Run, out: Outgoing, fact: e.ReplySent) -> Run:
        about = _named_by(run, out, fact.key)
        if out.kind == "question" and out.to and out.to.channel == "slack":
            try:  # first: as soon as the run waits, somebody may answer
                asked = out.inquiry.id if out.inquiry else fact.key
                await note_asked(self._store, run.id, asked, fact.receipt)
            except Unavailable as error:
                log.warning("when this was asked is not remembered", error=str(error))
        resent = find(run, fact.key) is not None
        run = await record(held, run, fact)
        self._progress.done(out.to)
        if out.trouble or resent:
            await self._list(run)
        if out.to and out.to.channel == "slack":
            place = fact.place or out.to.to
            try:
                name = receipt_key("slack", f"{place}:{fact.receipt}")
                await self._store.remember(name, about, RECEIPT_TTL)
                if out.kind == "question" and place.startswith("D"):
                    await add_asking(self._store, f"slack:{place}", run.id)
            except Unavailable as error:
                log.warning("a reply to this message will find no run", error=str(error))
        return run

    async def failed(self, held: LeasedRun, run: Run, out: Outgoing, fact: e.ReplyFailed) -> Run:
        channel = out.to.channel if out.to and out.to.channel in self._channels else "other"
        passes = "passing" if fact.retry_at is not None else "permanent"
        self._metrics.delivery_failed(channel, "mendable" if fact.mendable else passes)
        if fact.retry_at is None:
            # A worker that dies after the last attempt must not leave it unseen.
            await self._list(reduce(run, fact))
        facts: list[e.Event] = [fact]
        queue = run.outbox.queue
        if fact.retry_at is not None and queue and queue[0].key == fact.key:  # nothing waits for it
            aside = e.ReplyPutAside(
                at=fact.at, key=fact.key, error=fact.error, retry_at=fact.retry_at
            )
            facts = [aside, fact]
        run = await record(held, run, *facts)
        # Whoever tidied the list meanwhile saw the run as it was before.
        await self._list(run)
        return run

    async def _list(self, run: Run) -> None:
        """Let operators see what of the run is undelivered."""
        try:
            await list_deliveries(self._store, run)
        except Unavailable as error:
            log.warning("the list of deliveries is out of date", error=str(error))


def _named_by(run: Run, out: Outgoing, key: str) -> str:
    """The event that a reaction to this reply is about: of an answer the model call, which it
    rates; otherwise the intent to send it, which nobody can rate."""
    begun = EventRef.parse(key)
    if begun is None or (out.kind == "answer" and not out.late):
        return str(EventRef(run.id, run.chosen_by))
    return str(EventRef(run.id, begun.version + 1))
