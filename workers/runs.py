"""The public verbs: accept, message, pause, resume, cancel, show, list. Used by the daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from channels.errors import Conflict as RunConflict
from channels.errors import Malformed, NotFound
from channels.message import Accepted, Trigger
from workers import events as e
from workers.agent import Agent
from workers.leases import projection
from workers.reducer import fold, reduce
from workers.run import Run, Status
from workers.store import (
    Admission,
    Conflict,
    Head,
    NewMessage,
    RunStore,
    conversation_key,
    new_run_id,
    shard_of,
)

Poke = Callable[[str], None]


class UsageView(BaseModel):
    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int


class RunSummary(BaseModel):
    """A run as lists show it. Times are ISO 8601 in UTC."""

    id: str
    agent: str
    agent_version: str
    status: Status
    waiting_for: str | None
    channel: str
    conversation: str
    version: int
    created_at: datetime
    updated_at: datetime


class RunView(RunSummary):
    """A run as `GET /runs/{id}` shows it. `reply` is the text of its last answer."""

    reply: str | None
    output: dict[str, Any] | None
    usage: UsageView
    error: str | None


class RunPage(BaseModel):
    runs: list[RunSummary]
    cursor: str | None


class Runs:
    """`poke` tells the workers of a run; it must not fail."""

    def __init__(self, store: RunStore, agents: Mapping[str, Agent], poke: Poke) -> None:
        self._store = store
        self._agents = agents
        self._poke = poke

    async def accept(self, agent: str, trigger: Trigger) -> Accepted:
        """Store a trigger for an agent. Once this returns, it cannot get lost.

        Raises `NotFound` for an unknown agent and `Unavailable`.
        """
        if agent not in self._agents:
            known = ", ".join(sorted(self._agents))
            raise NotFound(f"there is no agent {agent!r}; known agents: {known}")
        now = time.time()
        answered = await self._store.head(trigger.run_id) if trigger.run_id else None
        if answered and answered.agent == agent:
            return await self._append(answered.id, _received(trigger, now), trigger.keys)
        if trigger.run_id:  # the proof was for another run, and vouches for nothing in this one
            trigger = trigger.model_copy(update={"authentic": False})
        key = conversation_key(agent, trigger.channel, trigger.source, trigger.conversation)
        launched = e.RunLaunched(
            at=now,
            run_id=new_run_id(key),
            agent=agent,
            agent_version=self._agents[agent].version,
            channel=trigger.channel,
            conversation=trigger.conversation,
            source=trigger.source,
        )
        return await self._admit(launched, trigger.keys, _received(trigger, now))

    async def message(
        self, run_id: str, text: str, *, sender: str, keys: tuple[str, ...] = ()
    ) -> Accepted:
        """Write to a run; its answer goes to where the conversation already lives."""
        run = await self._load(run_id)
        received = e.MessageReceived(
            at=time.time(), text=text, sender=sender, authentic=True, reply_to=run.reply_to
        )
        return await self._append(run_id, received, keys)

    async def pause(self, run_id: str, by: str) -> RunView:
        def event(run: Run, now: float) -> e.Event | None:
            _must_not_be_over(run, "paused")
            return None if run.paused else e.RunPaused(at=now, by=by)

        return await self._signal(run_id, event)

    async def resume(self, run_id: str, by: str) -> RunView:
        def event(run: Run, now: float) -> e.Event | None:
            _must_not_be_over(run, "resumed")
            return e.RunResumed(at=now, by=by) if run.paused else None

        return await self._signal(run_id, event)

    async def cancel(self, run_id: str, by: str, reason: str = "") -> RunView:
        def event(run: Run, now: float) -> e.Event | None:
            if run.over is Status.CANCELLED:
                return None
            _must_not_be_over(run, "cancelled")
            return e.RunCancelled(at=now, by=by, reason=reason)

        return await self._signal(run_id, event)

    async def show(self, run_id: str) -> RunView:
        return view(await self._load(run_id))

    async def version(self, run_id: str) -> int:
        """Number of events; cheap, for those who watch a run. Raises `NotFound`."""
        _check_id(run_id)
        head = await self._store.head(run_id)
        if head is None:
            raise NotFound(f"there is no run {run_id}")
        return head.version

    async def events(self, run_id: str) -> tuple[e.Event, ...]:
        _check_id(run_id)
        log = await self._store.load(run_id)
        if not log:
            raise NotFound(f"there is no run {run_id}")
        return e.decode_all(log)

    async def list_runs(
        self, *, status: str | None, agent: str | None, limit: int, cursor: str | None
    ) -> RunPage:
        if status is not None and status not in Status.__members__:
            raise Malformed(f"status is one of {', '.join(Status)}, not {status}")
        page = await self._store.list_runs(status=status, agent=agent, limit=limit, cursor=cursor)
        return RunPage(runs=[_summary(head) for head in page.heads], cursor=page.cursor)

    async def same_request(self, key: str, digest: str, ttl: float) -> None:
        """Raises `Conflict` if `key` was used with another request before."""
        if await self._store.remember(key, digest, ttl) != digest:
            raise RunConflict("this Idempotency-Key was used with another request")

    async def _append(
        self, run_id: str, received: e.MessageReceived, keys: tuple[str, ...]
    ) -> Accepted:
        """Write to a run that is there: it is found by the conversation it was launched with."""
        launched = (await self.events(run_id))[0]
        assert isinstance(launched, e.RunLaunched)
        return await self._admit(launched, keys, received)

    async def _admit(
        self, launched: e.RunLaunched, keys: tuple[str, ...], received: e.MessageReceived
    ) -> Accepted:
        admission = await self._store.admit(
            NewMessage(
                run_id=launched.run_id,
                conversation_key=conversation_key(
                    launched.agent, launched.channel, launched.source, launched.conversation
                ),
                keys=keys,
                agent=launched.agent,
                agent_version=launched.agent_version,
                channel=launched.channel,
                conversation=launched.conversation,
                launched=e.encode(launched),
                received=e.encode(received),
            )
        )
        if admission.poke:
            self._poke(admission.run_id)
        return Accepted(run_id=admission.run_id, duplicate=admission.outcome == "duplicate")

    async def _load(self, run_id: str) -> Run:
        return fold(await self.events(run_id))

    async def _signal(self, run_id: str, decide: Callable[[Run, float], e.Event | None]) -> RunView:
        """Append what `decide` says of the run as it is when it is written."""
        run = await self._load(run_id)
        while (event := decide(run, time.time())) is not None:
            after = reduce(run, event)
            match await self._store.signal(run_id, run.version, e.encode(event), projection(after)):
                case Conflict(missed):
                    run = fold(e.decode_all(missed), run)
                case Admission(poke=poke):
                    if poke:
                        self._poke(run_id)
                    return view(after)
        return view(run)


def view(run: Run) -> RunView:
    return RunView(
        id=run.id,
        agent=run.agent,
        agent_version=run.agent_version,
        status=run.status,
        waiting_for=run.waits_for,
        channel=run.channel,
        conversation=run.conversation,
        version=run.version,
        created_at=_utc(run.created_at),
        updated_at=_utc(run.updated_at),
        reply=run.reply,
        output=run.output,
        usage=UsageView(
            model_calls=run.usage.model_calls,
            prompt_tokens=run.usage.prompt_tokens,
            completion_tokens=run.usage.completion_tokens,
            reasoning_tokens=run.usage.reasoning_tokens,
        ),
        error=run.error,
    )


def _summary(head: Head) -> RunSummary:
    return RunSummary(
        id=head.id,
        agent=head.agent,
        agent_version=head.agent_version,
        status=Status(head.status),
        waiting_for=head.waiting_for or None,
        channel=head.channel,
        conversation=head.conversation,
        version=head.version,
        created_at=_utc(head.created_at),
        updated_at=_utc(head.updated_at),
    )


def _received(trigger: Trigger, now: float) -> e.MessageReceived:
    return e.MessageReceived(
        at=now,
        text=trigger.text,
        sender=trigger.sender,
        authentic=trigger.authentic,
        reply_to=trigger.reply_to,
        attachments=tuple(
            f"{file.name} ({file.content_type}, {file.size} bytes)" for file in trigger.attachments
        ),
    )


def _must_not_be_over(run: Run, done: str) -> None:
    if run.over:
        raise RunConflict(f"run {run.id} is {run.over}; it cannot be {done} any more")


def _check_id(run_id: str) -> None:
    try:
        shard_of(run_id)
    except ValueError:
        raise NotFound(f"there is no run {run_id}") from None


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
