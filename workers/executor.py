"""Advance one run: claim -> next_step -> perform -> commit, until there is nothing to do.

Why nothing gets lost or done twice:
- The log in the store is the truth. A worker that dies leaves a lease behind; when it expires the
  sweeper pokes the run and the next worker folds the same log.
- Every commit is compare-and-append. If somebody wrote meanwhile (a message, a pause), nothing is
  written and the missed events come back: a fact is then committed on top of them, an intent is
  thought over again. So a pause between choosing a tool and using it always wins.
- An effect is framed by two events: `ToolStarted`/`ReplyStarted` before it, the outcome after.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

import structlog
from pydantic import ValidationError

from channels.channel import Channel
from channels.errors import DeliveryFailed, ModelFailed, Unavailable
from channels.message import Reply
from workers import events as e
from workers.agent import Agent, ToolContext
from workers.answers import Rejected, interpret, schema
from workers.context import render
from workers.leases import HeldRun, LeaseLost, Leases
from workers.llm.client import Completion, ModelClient
from workers.metrics import Metrics
from workers.reducer import fold
from workers.run import Outgoing, Run
from workers.steps import CallModel, CallTool, Record, SendReply, Wait, next_step
from workers.store import Release, RunStore
from workers.thinking.policy import decide
from workers.tool_calls import call_tool, storable

log = structlog.get_logger(__name__)

MODEL_BACKOFF = (2.0, 10.0, 30.0, 120.0, 300.0)
"""Seconds until a run comes back to a model server that gave no answer, by failure."""

REPLY_BACKOFF = (2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0)
"""Seconds until a reply is sent again, by attempt; after the last one it is given up."""

UNKNOWN_RETRY = 30.0
"""Seconds until a run is looked at again whose agent or events this worker does not know."""

RECORD_SECONDS = 60.0
"""For how long a worker tries to write down what has happened while the store is away."""

RECORD_RETRY = 0.2
"""Seconds between two tries of that."""

STORED_CHARS = 20_000
"""Characters of a tool result or a model answer that are kept."""


@dataclass(frozen=True)
class Executor:
    """Everything that advancing a run needs. `draining` is set when the worker shuts down."""

    store: RunStore
    agents: Mapping[str, Agent]
    model: ModelClient
    channels: Mapping[str, Channel]
    leases: Leases
    metrics: Metrics
    data_dir: Path
    context_chars: int
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    async def advance(self, run_id: str) -> None:
        """Do all that can be done for a run now. Never raises for what the outside did wrong:
        what is left undone is still due, and the sweeper finds it."""
        structlog.contextvars.bind_contextvars(run=run_id)
        try:
            asked_at = time.monotonic()
            claim = await self.store.claim(run_id, self.leases.owner, self.leases.seconds)
            if claim is None:
                return
            async with self.leases.hold(claim, asked_at) as held:
                await self._advance(held, claim.log)
        except LeaseLost:
            log.warning("lease lost, somebody else goes on")
        except Unavailable as error:
            log.warning("run left to the sweeper", error=str(error))

    async def _advance(self, held: HeldRun, raw: tuple[bytes, ...]) -> None:
        try:
            run = fold(e.decode_all(raw))
        except (ValidationError, ValueError) as error:
            # Written by a newer version of ponderd: left to a worker that knows what it means.
            log.warning("unknown events, leaving the run alone", error=str(error)[:200])
            return await held.give_back(held.now() + UNKNOWN_RETRY)
        agent = self.agents.get(run.agent)
        if agent is None:
            log.warning("unknown agent, leaving the run alone", agent=run.agent)
            return await held.give_back(held.now() + UNKNOWN_RETRY)
        while not self.draining.is_set():
            structlog.contextvars.bind_contextvars(step=run.version)
            match next_step(run, agent, held.now()):
                case Wait(until):
                    run, idle = await held.commit(run, [], Release(until))
                    if idle:
                        return None
                case Record(event):
                    run, _ = await held.commit(run, [event])
                case CallModel():
                    run = await _record(held, run, await self._call_model(held, run, agent))
                case CallTool(call, key):
                    run = await self._use_tool(held, run, agent, call, key)
                case SendReply(outgoing):
                    run = await self._send(held, run, outgoing)
                case step:
                    assert_never(step)
        return await held.give_back(held.now())

    # -- the model ------------------------------------------------------------------------------

    async def _call_model(self, held: HeldRun, run: Run, agent: Agent) -> e.Event:
        try:
            return await self._ask(held, run, agent)
        except Exception as error:
            # Whatever it was, it counts: left to the sweeper, it would be paid for for ever.
            if not isinstance(error, ModelFailed):
                log.exception("model call failed unexpectedly")
            failures = run.effort.model_failures
            delay = MODEL_BACKOFF[failures] if failures < len(MODEL_BACKOFF) else None
            log.warning("model call failed", error=str(error), retry_in=delay)
            self.metrics.model_failed()
            retry_at = None if delay is None else held.now() + delay
            return e.ModelFailed(at=held.now(), error=storable(str(error)), retry_at=retry_at)

    async def _ask(self, held: HeldRun, run: Run, agent: Agent) -> e.Event:
        decision = decide(
            agent=agent,
            text=run.text,
            mode_before=run.effort.mode,
            rejections=run.effort.rejections,
            last_rejection=run.effort.last_rejection,
            budgets=await self.model.budgets(),
        )
        completion = await self._complete(run, agent, decision)
        call = e.ModelCall(
            model=completion.model,
            decision=decision,
            prompt_hash=completion.prompt_hash,
            seconds=completion.seconds,
            attempts=completion.attempts,
            prompt_tokens=completion.prompt_tokens,
            cached_tokens=completion.cached_tokens,
            completion_tokens=completion.completion_tokens,
            reasoning_tokens=completion.reasoning_tokens,
        )
        self.metrics.model_called(call)
        content = completion.content[:STORED_CHARS]
        answer = interpret(completion.content, agent)
        if isinstance(answer, Rejected):
            log.info("model answer rejected", reason=answer.reason, mode=decision.mode)
            return e.ModelRejected(
                at=held.now(),
                reason=answer.reason,
                detail=answer.detail,
                content=content,
                call=call,
            )
        log.info("model answered", action=answer.action, mode=decision.mode, seconds=call.seconds)
        return e.ModelAnswered(at=held.now(), choice=answer, content=content, call=call)

    async def _complete(self, run: Run, agent: Agent, decision: e.Decision) -> Completion:
        """One model call; a prompt that is too long for the model is cut and asked again."""
        limit = self.context_chars
        while True:
            try:
                return await self.model.complete(
                    render(run.turns, agent, limit_chars=limit),
                    schema=schema(agent),
                    decision=decision,
                    max_tokens=agent.limits.answer_tokens,
                )
            except ModelFailed as error:
                if not error.too_long or limit < 500:
                    raise
                limit //= 2

    # -- tools ----------------------------------------------------------------------------------

    async def _use_tool(
        self, held: HeldRun, run: Run, agent: Agent, call: e.ToolCall, key: str | None
    ) -> Run:
        if key is None:
            key = f"{run.id}:{run.version}"
            run, begun = await held.commit(run, [e.ToolStarted(at=held.now(), key=key)])
            if not begun:
                return run
        held.check()
        context = ToolContext(run_id=run.id, idempotency_key=key, data_dir=self.data_dir)
        started = time.monotonic()
        outcome: e.Event
        try:
            result = await call_tool(agent, call, context)
        except Exception as error:  # a tool may raise anything, and the agent is told
            log.info("tool failed", tool=call.tool, error=str(error))
            message = storable(str(error) or type(error).__name__)[:500]
            outcome = e.ToolFailed(at=held.now(), error=message, seconds=time.monotonic() - started)
        else:
            log.info("tool finished", tool=call.tool)
            outcome = e.ToolFinished(
                at=held.now(), result=result[:STORED_CHARS], seconds=time.monotonic() - started
            )
        return await _record(held, run, outcome)

    # -- replies --------------------------------------------------------------------------------

    async def _send(self, held: HeldRun, run: Run, outgoing: Outgoing) -> Run:
        key, resend = outgoing.key, outgoing.key is not None
        if key is None:
            key = f"{run.id}:{run.version}"
            begin = e.ReplyStarted(at=held.now(), key=key, kind=outgoing.kind, text=outgoing.text)
            if outgoing.to is None:  # it waits in the run: to begin is to have done it
                run, _ = await held.commit(run, [begin, e.ReplySent(at=begin.at, receipt="held")])
                return run
            run, begun = await held.commit(run, [begin])
            if not begun:
                return run
        return await _record(held, run, await self._deliver(held, run, outgoing, key, resend))

    async def _deliver(
        self, held: HeldRun, run: Run, outgoing: Outgoing, key: str, resend: bool
    ) -> e.Event:
        assert outgoing.to is not None
        reply = Reply(
            key=key,
            run_id=run.id,
            agent=run.agent,
            conversation=run.conversation,
            kind=outgoing.kind,
            text=outgoing.text,
            to=outgoing.to,
        )
        held.check()
        try:
            channel = self.channels.get(outgoing.to.channel)
            if channel is None:
                raise DeliveryFailed(f"channel {outgoing.to.channel} is not set up on this worker")
            receipt = await self._carry(channel, reply, resend)
        except DeliveryFailed as error:
            over = error.permanent or outgoing.attempts >= len(REPLY_BACKOFF)
            asked = min(error.retry_after or 0, REPLY_BACKOFF[-1])
            delay = 0 if over else max(REPLY_BACKOFF[outgoing.attempts], asked)
            log.warning("reply not sent", key=key, error=str(error), gives_up=over, retry_in=delay)
            retry_at = None if over else held.now() + delay
            return e.ReplyFailed(at=held.now(), error=storable(str(error)), retry_at=retry_at)
        log.info("reply sent", key=key, channel=reply.to.channel)
        return e.ReplySent(at=held.now(), receipt=storable(receipt))

    async def _carry(self, channel: Channel, reply: Reply, resend: bool) -> str:
        try:
            return await channel.send(reply, resend=resend)
        except DeliveryFailed:
            raise
        except Exception as error:
            # Left to the sweeper, it would be sent for ever.
            log.exception("reply failed unexpectedly")
            raise DeliveryFailed(f"{channel.name}: {error!r}") from error


async def _record(held: HeldRun, run: Run, fact: e.Event) -> Run:
    """Write down what has happened, on top of whatever else happened meanwhile.

    A store that is away is waited for: what a tool did, or that a reply went out, is known only
    here. If somebody else took over by then, the token says so (`LeaseLost`).
    """
    until = time.monotonic() + RECORD_SECONDS
    recorded = False
    while not recorded:
        try:
            run, recorded = await held.commit(run, [fact])
        except Unavailable as error:
            if time.monotonic() > until:
                raise
            log.warning("cannot write down what happened, trying again", error=str(error))
            await asyncio.sleep(RECORD_RETRY)
    return run
