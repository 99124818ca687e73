"""The replies of one run that are on their way: none of them holds the run up for long.

A reply is sent under the lease of its run, so that no other worker sends it at the same time. But
whoever holds the lease does not stand still meanwhile: after a short while the run goes on without
the reply, and what became of it is recorded when it is known.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from ponderd.channels.channel import Channel
from ponderd.channels.event_ref import EventRef
from ponderd.workers.execution.delivery import SEND_SECONDS, deliver
from ponderd.workers.execution.leases import LeasedRun, LeaseLost, record
from ponderd.workers.execution.outbox import Outbox
from ponderd.workers.execution.receivers import Receivers
from ponderd.workers.execution.slots import Slots
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Outgoing, Run
from ponderd.workers.run.undelivered import are_read_in_order, held_back

PATIENCE = 2.0
"""Seconds for which a run waits for a reply that it sends."""

Outcome = e.ReplySent | e.ReplyFailed


class Sending:
    """Sends the replies of one run under its lease. All methods raise `LeaseLost`, `Unavailable`,
    which may be `Unconfirmed`. Whatever is on its way then is given up: the next worker finds its
    intent."""

    def __init__(
        self,
        held: LeasedRun,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        receivers: Receivers,
        slots: Slots,
    ) -> None:
        self._held = held
        self._outbox = outbox
        self._channels = channels
        self._receivers = receivers
        self._slots = slots
        self._flying: dict[str, tuple[Outgoing, asyncio.Task[Outcome]]] = {}

    def __bool__(self) -> bool:
        """Whether something is on its way."""
        return bool(self._flying)

    def beside(self, run: Run) -> Run:
        """The run as it is without what is on its way: nothing is to be done about that."""
        return held_back(run, self._flying) if self._flying else run

    async def send(self, run: Run, out: Outgoing, given_up: str = "") -> Run:
        """Send it, once: its intent is written first, unless it was before. With `given_up`, do not
        try any more, and record that as the error."""
        held, key, resend = self._held, out.key, out.key is not None
        if key is None:
            key = str(EventRef(run.id, run.version))
            begin = e.ReplyStarted(
                at=held.now(),
                key=key,
                kind=out.kind,
                text=out.text,
                to=out.to,
                inquiry=out.inquiry,
            )
            if out.to is None:  # the reply waits in the run: there is nothing else to do
                return held.plan(run, begin, e.ReplySent(at=begin.at, receipt="held"))
            run, begun = await held.commit(run, [begin])
            if not begun:
                return run
        if given_up:
            lost = e.ReplyFailed(at=held.now(), error=given_up, retry_at=None, key=key)
            return await self._outbox.failed(held, run, out, lost)
        if key not in self._flying:
            await held.confirm()
            coming = deliver(self._channels, self._receivers, held, run, out, key, resend=resend)
            task = asyncio.create_task(coming)
            self._flying[key] = out, task
            first = out in run.outbox.queue or not resend
            if first or are_read_in_order(out.to):
                with self._slots.left():
                    await asyncio.wait([task], timeout=PATIENCE)
            if task.done():
                return await self._land(run, key)
            if not first:
                return run
        late = e.ReplyPutAside(
            at=held.now(),
            key=key,
            error="it is still on its way",
            retry_at=held.now() + SEND_SECONDS,
        )
        return await record(held, run, late)

    async def landed(self, run: Run) -> Run:
        """Record what became of all that has come to an end."""
        for key in [key for key, (_, task) in self._flying.items() if task.done()]:
            run = await self._land(run, key)
        return run

    async def wait(self, run: Run, until: float | None) -> Run:
        """Do nothing until something came to an end, somebody did something, or it is `until`."""
        held = self._held
        seconds = None if until is None else max(0.0, until - held.now())
        with self._slots.left():
            heard = await held.news.or_any([task for _, task in self._flying.values()], seconds)
        if heard:
            held.news.clear()
            run = await held.look(run)
        return await self.landed(run)

    async def finish(self, run: Run) -> Run:
        """Wait for all that is on its way."""
        with self._slots.left():
            for _, task in self._flying.values():
                await asyncio.wait([task])
        return await self.landed(run)

    async def _land(self, run: Run, key: str) -> Run:
        out, task = self._flying[key]
        fact = task.result()
        if isinstance(fact, e.ReplySent):
            run = await self._outbox.arrived(self._held, run, out, fact)
        else:
            run = await self._outbox.failed(self._held, run, out, fact)
        del self._flying[key]
        return run

    async def aclose(self) -> None:
        """End all that is on its way."""
        tasks = [task for _, task in self._flying.values()]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, LeaseLost):
                await task


class PostOffice:
    """What the runs of one worker share to send their replies."""

    def __init__(self, outbox: Outbox, channels: Mapping[str, Channel]) -> None:
        self._outbox = outbox
        self._channels = channels
        self._receivers = Receivers()

    def sending(self, held: LeasedRun, slots: Slots) -> Sending:
        """For a run that was claimed; close it before its lease is given back."""
        return Sending(held, self._outbox, self._channels, self._receivers, slots)
