"""Advance one run: claim -> next_step -> perform -> commit, until there is nothing to do.

Why nothing gets lost or done twice:

- The log in the store is the truth. A worker that dies leaves a lease behind. When it expires,
  another worker's sweeper finds the run, and advances it from the same log.
- Every commit is compare-and-append. If somebody else has written (a message, a pause), nothing is
  written, and the missed events come back. A fact is then committed on top of them; an intent is
  decided again. So a pause between choosing a tool and using it always wins.
- Two events frame each effect: `ToolStarted` or `ReplyStarted` before it, the outcome after it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import assert_never

import structlog

from ponderd.channels.blobs import Blobs
from ponderd.channels.channel import Channel
from ponderd.channels.errors import Unavailable
from ponderd.channels.event_ref import EventRef
from ponderd.workers.agents.agent import Agent, ToolContext
from ponderd.workers.agents.files import Files
from ponderd.workers.execution.approval_policy import decided
from ponderd.workers.execution.escapes import Escapes
from ponderd.workers.execution.fleet import Fleet
from ponderd.workers.execution.late_results import LateResults
from ponderd.workers.execution.leases import LeasedRun, LeaseLost, Leases, Unconfirmed
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.model_call import ModelCalls
from ponderd.workers.execution.outbox import Outbox
from ponderd.workers.execution.progress import THINKING, Progress
from ponderd.workers.execution.sending import PostOffice
from ponderd.workers.execution.slots import Slots
from ponderd.workers.execution.snapshots import Snapshots, code
from ponderd.workers.execution.spending import record_spending
from ponderd.workers.execution.stranded import advance_without_agent, pin, strand
from ponderd.workers.execution.tool_call import objection, run_tool
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.reduce import fold, reduce
from ponderd.workers.run.state import Run
from ponderd.workers.steps.limits import accounts, reached
from ponderd.workers.steps.next_step import (
    AskApproval,
    AskPolicy,
    CallModel,
    CallTool,
    Record,
    SendReply,
    UseDraft,
    Wait,
    begins_with_commit,
    next_step,
)
from ponderd.workers.store.contract import Release, RunStore, Tail
from ponderd.workers.thinking.outcomes import FROM_OUTSIDE

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Executor:
    """Everything that advancing a run needs. `draining` is set when the worker shuts down."""

    store: RunStore
    agents: Mapping[str, Agent]
    model: ModelCalls
    channels: Mapping[str, Channel]
    leases: Leases
    data_dir: Path
    blobs: Blobs | None = None
    fleet: Fleet = field(default_factory=Fleet)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    metrics: Metrics = field(default_factory=Metrics)
    notify_allow: tuple[str, ...] = ()  # as PONDERD_NOTIFY_ALLOW lists it

    @cached_property
    def _progress(self) -> Progress:
        return Progress(self.channels)

    @cached_property
    def late(self) -> LateResults:
        """What comes of tools for which nobody waits any more."""
        return LateResults(self.store)

    @cached_property
    def snapshots(self) -> Snapshots:
        """What it goes on from instead of whole logs."""
        return Snapshots(self.store, self.metrics)

    @cached_property
    def _post(self) -> PostOffice:
        outbox = Outbox(self.store, self.channels, self._progress, self.metrics)
        return PostOffice(outbox, self.channels)

    @cached_property
    def _escapes(self) -> Escapes:
        return Escapes(self.store, self.metrics)

    async def advance(self, run_id: str, slots: Slots | None = None) -> None:
        """Do all that can be done for a run now. What is left undone is due for a sweeper.
        `slots`: where the caller took the slot that this holds."""
        structlog.contextvars.bind_contextvars(run=run_id)
        try:
            asked_at = time.monotonic()
            seconds = self.leases.seconds
            claim = await self.store.claim(run_id, self.leases.owner, seconds, code())
            if claim is None:
                return
            async with self.leases.hold(claim, claim.asked_at or asked_at) as held:
                try:
                    await self._advance(held, claim.tail, slots or Slots(1))
                except BaseException as error:  # else it would be tried again, uncounted, for ever
                    await self._escapes.count(held, error)
        except LeaseLost:
            log.warning("lease lost, another worker goes on")
        except Unavailable as error:
            if isinstance(error, Unconfirmed):
                self.metrics.unconfirmed()
            log.warning("run left to the sweeper", error=str(error))

    async def _advance(self, held: LeasedRun, tail: Tail, slots: Slots) -> None:
        before, events = await self.snapshots.open(held.id, tail)
        try:
            run = self._fold(before, e.decode_all(events))
        except Exception as error:
            await strand(self.store, held, tail.version, "events")
            return await self._escapes.leave_alone(held, error)
        self._escapes.understood(run.id)
        agent = self.agents.get(run.agent)
        if agent is None:
            async with aclosing(self._post.sending(held, slots)) as sends:
                fleet, draining = self.fleet, self.draining
                return await advance_without_agent(held, run, self.store, fleet, sends, draining)
        shown, usage = False, run.usage
        async with aclosing(self._post.sending(held, slots)) as sends:
            while not self.draining.is_set():
                structlog.contextvars.bind_contextvars(step=run.version)
                run = await sends.landed(run)
                step = next_step(sends.beside(run), agent, held.now(), held.deaths)
                rests = isinstance(step, CallModel) and self.model.outage.rests(run, held.now())
                step = Wait(rests) if rests else step
                works = isinstance(step, CallModel | CallTool | AskPolicy | UseDraft)
                shown |= works
                moved = works and agent.version != run.agent_version
                if held.owes and (moved or not begins_with_commit(step, agent, bool(sends))):
                    run, as_known = await held.commit(run)
                    if not (as_known and works) or self.draining.is_set():
                        continue  # what others wrote counts, and the time by now
                if moved:
                    pinned = await pin(held, run, self.agents[run.agent], self.store, self.fleet)
                    if isinstance(pinned, float):
                        await sends.finish(run)
                        return await held.give_back(held.now() + pinned)
                    if isinstance(pinned, Agent):
                        agent = pinned
                        continue
                    step = Record(pinned)
                if isinstance(step, AskPolicy):
                    step = await decided(self.model.code, step, agent)
                match step:
                    case Wait(until) if sends:
                        run = await sends.wait(run, until)
                    case Wait(until):
                        run, idle = await held.commit(run, [], Release(until))
                        if idle:
                            if shown or run.paused:
                                self._progress.done(run.message.reply_to)
                            if shown:
                                used = run.usage.since(usage)
                                log.info("run advanced", status=run.status.value, **used)
                            return None
                    case Record(event):
                        run, written = await held.commit(run, [event])
                        if written:
                            self.metrics.recorded(event)
                    case AskApproval(request):
                        run = await self._ask_approval(held, run, agent, request)
                    case CallModel():
                        run = await self._call_model(held, run, agent)
                    case UseDraft(otherwise):
                        fact = await self.model.draft(run, agent, held.now()) or otherwise
                        run, _ = await held.commit(run, [fact])
                    case CallTool(call, key):
                        run = await self._use_tool(held, run, agent, call, key)
                    case SendReply(outgoing, given_up):
                        run = await sends.send(run, outgoing, given_up)
                    case _:
                        assert_never(step)
            run, _ = await held.commit(run)
            await sends.finish(run)
        return await held.give_back(held.now())

    def _fold(self, run: Run | None, events: tuple[e.Event, ...]) -> Run:
        """Go on from `run`, and show the observer what others appended since a worker had it."""
        known = len(events)
        while known and isinstance(events[known - 1], FROM_OUTSIDE):
            known -= 1
        run = fold(events[:known], run)
        for event in events[known:]:
            self.leases.observe(run, event)
            run = reduce(run, event)
        return run

    async def _call_model(self, held: LeasedRun, run: Run, agent: Agent) -> Run:
        scopes = accounts(run, agent, held.now())
        spent = await self.store.spent(list(scopes.values())) if scopes else []
        if limit := reached(run, agent, dict(zip(scopes, spent, strict=True)), held.now()):
            log.warning("limit reached", scope=limit.scope, measure=limit.measure, used=limit.used)
            draft = await self.model.draft(run, agent, held.now())
            run, _ = await held.commit(run, [draft or limit])
            return run
        self._progress.doing(run.message.reply_to, THINKING)
        fact = await self.model.call(held, run, agent)
        return await record_spending(held, run, agent, fact, self.store)

    async def _ask_approval(
        self, held: LeasedRun, run: Run, agent: Agent, request: e.ApprovalRequested
    ) -> Run:
        """Ask for approval, unless the tool's own check already refuses the call."""
        assert run.work.call is not None
        refused = await self._objection(held, run, agent, run.work.call)
        run, _ = await held.commit(run, [refused or request])
        return run

    async def _objection(
        self, held: LeasedRun, run: Run, agent: Agent, call: ToolCall
    ) -> e.ToolFailed | None:
        context = self._context(run, str(EventRef(run.id, run.version)))
        problem = await objection(agent, call, context, self.model.code)
        return None if problem is None else e.ToolFailed(at=held.now(), error=problem, seconds=0)

    async def _use_tool(
        self, held: LeasedRun, run: Run, agent: Agent, call: ToolCall, key: str | None
    ) -> Run:
        # The approved arguments may be other ones than were asked for, and time has passed.
        again = key is None and run.work.approved
        if again and (refused := await self._objection(held, run, agent, call)):
            run, _ = await held.commit(run, [refused])
            return run
        async with self.model.code.place_for(agent.tool(call.tool)) as place:
            if key is None:
                await held.confirm()  # with replicas away, nothing is begun that one must ask about
                held.check()  # once it is written down, an effect that never began looks unknown
                key = str(EventRef(run.id, run.version))
                intent: e.Event = e.ToolStarted(at=held.now(), key=key)
            else:
                intent = e.ToolRepeated(at=held.now(), key=key)
            run, begun = await held.commit(run, [intent])
            if not begun:
                return run
            await held.confirmed()
            held.check()
            self._progress.doing(run.message.reply_to, f"calls {call.tool}…")
            context, follow = self._context(run, key), partial(self.late.follow, run.id, key, call)
            times = run.work.begun
            outcome = await run_tool(agent, call, context, held.now, place, follow, times)
        log.debug("tool called", tool=call.tool, outcome=outcome.type)
        return await record_spending(held, run, agent, outcome, self.store)

    def _context(self, run: Run, key: str) -> ToolContext:
        get = self.blobs.get if self.blobs else None
        files = Files(run.files, get, run.files_gone)
        return ToolContext(run.id, key, self.data_dir, files, self.notify_allow)
