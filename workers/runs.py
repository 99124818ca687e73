"""The public verbs: accept, message, decide, pause, resume, cancel, fork, show, list. Used by the
daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from channels.errors import Conflict as RunConflict
from channels.errors import Forbidden, Malformed, NotFound, Unavailable
from channels.message import Accepted, Decided, Trigger, Verdict, principal
from workers import events as e
from workers.agent import Agent
from workers.approval import digest, may_decide, refused_text, replace_arguments
from workers.archive import Archive
from workers.forks import forked
from workers.leases import projection
from workers.prompts import find_prompt
from workers.reducer import fold, reduce
from workers.run import Run, Status
from workers.store import (
    Admission,
    Conflict,
    NewMessage,
    RunStore,
    conversation_key,
    new_run_id,
    shard_of,
)
from workers.versions import pinned, recorded_version
from workers.views import (
    ApprovalView,
    PromptView,
    RunPage,
    RunView,
    approval_view,
    summary,
    view,
)

Poke = Callable[[str], None]


class Runs:
    """`poke` tells the workers of a run; it must not fail. Runs that expired are read from the
    `archive`."""

    def __init__(
        self,
        store: RunStore,
        agents: Mapping[str, Agent],
        poke: Poke,
        archive: Archive | None = None,
    ) -> None:
        self._store = store
        self._agents = agents
        self._poke = poke
        self._archive = archive

    async def accept(self, agent: str, trigger: Trigger) -> Accepted:
        """Store a trigger for an agent. Once this returns, it cannot get lost.

        Raises `NotFound` for an unknown agent and `Unavailable`.
        """
        if agent not in self._agents:
            known = ", ".join(sorted(self._agents))
            raise NotFound(f"there is no agent {agent!r}; known agents: {known}")
        now = time.time()
        answered = await self._store.head(trigger.run_id) if trigger.run_id else None
        if answered and (trigger.agent is None or answered.agent == agent):
            return await self._append(answered.id, trigger.keys, _received(trigger, now))
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
            at=time.time(),
            text=text,
            sender=sender,
            via="api",
            authentic=True,
            reply_to=run.reply_to,
        )
        return await self._append(run_id, keys, received)

    async def event(
        self, run_id: str, name: str, payload: str, by: str, keys: tuple[str, ...] = ()
    ) -> Accepted:
        """Tell a run of something that it waits for, or will: what comes before is not lost."""
        happened = e.EventReceived(at=time.time(), name=name, payload=payload, by=by)
        return await self._append(run_id, keys, happened)

    async def pause(self, run_id: str, by: str) -> RunView:
        def event(run: Run, now: float) -> e.Event | None:
            _must_not_be_over(run, "paused")
            return None if run.paused else e.RunPaused(at=now, by=by)

        return await self._signal(run_id, event)

    async def resume(self, run_id: str, by: str, *, adopt_version: bool = False) -> RunView:
        """`adopt_version`: go on with the agent as it is today, not as it was at the beginning."""

        def adopt(run: Run, now: float) -> e.Event | None:
            _must_not_be_over(run, "resumed")
            today = self._agents[run.agent].version if run.agent in self._agents else ""
            if not today or today == run.agent_version:
                return None
            return e.VersionAdopted(at=now, agent_version=today, by=by)

        def event(run: Run, now: float) -> e.Event | None:
            _must_not_be_over(run, "resumed")
            return e.RunResumed(at=now, by=by) if run.paused else None

        if adopt_version:
            await self._signal(run_id, adopt)
        return await self._signal(run_id, event)

    async def cancel(self, run_id: str, by: str, reason: str = "") -> RunView:
        def event(run: Run, now: float) -> e.Event | None:
            if run.over is Status.CANCELLED:
                return None
            _must_not_be_over(run, "cancelled")
            return e.RunCancelled(at=now, by=by, reason=reason)

        return await self._signal(run_id, event)

    # -- approvals ------------------------------------------------------------------------------

    async def approval(self, approval_id: str) -> ApprovalView:
        """Raises `NotFound`."""
        run_id, _, version = approval_id.rpartition(":")
        events = await self.events(run_id) if version.isdecimal() and len(version) < 8 else ()
        launched = events[0] if events else None
        agent = self._agents.get(launched.agent) if isinstance(launched, e.RunLaunched) else None
        approvers = agent.approvals.approvers if agent else ()
        found = approval_view(events, int(version), approvers) if events else None
        if found is None:
            raise NotFound(f"there is no approval {approval_id}")
        return found

    async def approvals(self) -> list[ApprovalView]:
        """All that are open, oldest first; at most those of the newest 500 runs that wait."""
        found = []
        for status in (Status.WAITING, Status.PAUSED):
            page = await self._store.list_runs(status=status, agent=None, limit=500, cursor=None)
            for head in page.heads:
                run = fold(await self.events(head.id)) if head.waiting_for == "approval" else None
                if run and run.approval:
                    found.append(await self.approval(run.approval.id))
        return sorted(found, key=lambda approval: approval.asked_at)

    async def decide(
        self,
        approval_id: str,
        *,
        approve: bool,
        by: str,
        remark: str = "",
        arguments: dict[str, Any] | None = None,
        digest: str | None = None,
    ) -> ApprovalView:
        """Answer an approval; the first answer counts, and its repetition changes nothing.

        `by` is a `principal`. `arguments`: the tool is to be called with these instead. `digest`:
        only if it is still the one of the call that was looked at. Raises `NotFound`, `Conflict`
        (it says who decided), `Forbidden`, `Malformed`.
        """
        asked = await self.approval(approval_id)
        agent = self._agents.get(asked.agent)
        if arguments is not None and approve and agent and asked.tool:
            arguments = _checked(agent, asked.tool, arguments)

        def event(run: Run, now: float) -> e.Event | None:
            if run.approval is None or run.approval.id != approval_id:
                return None
            if digest not in (None, run.approval.bound_to):
                raise RunConflict("this is not the call that you looked at; look again")
            return self._answer(run, approve, by, remark, arguments, now)

        await self._signal(asked.run_id, event)
        decided = await self.approval(approval_id)
        done = "approved" if approve else "denied"
        same_arguments = not approve or arguments in (None, decided.arguments)
        if (decided.status, decided.decided_by) != (done, by.lower()) or not same_arguments:
            who = f" by {decided.decided_by}" if decided.decided_by else ""
            raise RunConflict(f"this was already {decided.status}{who}: {decided.text}")
        return decided

    async def verdict(self, verdict: Verdict) -> Decided:
        """What a button, a link or a mail said. Implements `channels.channel.Decide`."""
        if await self._is_question(verdict.prompt):
            return await self._answer_question(verdict)
        decided = await self.decide(
            verdict.prompt,
            approve=verdict.choice == "approve",
            by=verdict.by,
            remark=verdict.remark,
        )
        return Decided(text=f"{decided.status.capitalize()} by {decided.decided_by}.")

    async def _is_question(self, prompt: str) -> bool:
        run_id, _, version = prompt.rpartition(":")
        events = await self.events(run_id)
        index = int(version) - 1 if version.isdecimal() and len(version) < 8 else -1
        asked = events[index] if 0 <= index < len(events) else None
        return isinstance(asked, e.ModelAnswered) and isinstance(asked.choice, e.Question)

    async def _answer_question(self, verdict: Verdict) -> Decided:
        run_id, _, version = verdict.prompt.rpartition(":")
        channel, _, person = verdict.by.partition(":")

        def event(run: Run, now: float) -> e.Event | None:
            if run.question is None or run.question.id != verdict.prompt:
                return None
            if run.over or run.inbox:  # a message may be quicker than the record of the question
                return None
            return e.MessageReceived(
                at=now,
                text=verdict.choice,
                sender=person,
                via=channel,
                authentic=True,
                reply_to=run.reply_to,
            )

        await self._signal(run_id, event)
        answer = _first_answer(await self.events(run_id), int(version))
        if answer is None:
            raise RunConflict("this question is not open")
        by, text = answer
        if (by, text) != (verdict.by.lower(), verdict.choice):
            raise RunConflict(f"this question was already answered by {by}: {text}")
        return Decided(text=f"{by}: {text}")

    def _answer(
        self,
        run: Run,
        approve: bool,
        by: str,
        remark: str,
        arguments: dict[str, Any] | None,
        now: float,
    ) -> e.ApprovalAnswered:
        assert run.approval is not None
        agent = self._agents.get(run.agent)
        if agent is None:
            raise NotFound(f"there is no agent {run.agent} any more")
        if not may_decide(run, agent, by):
            raise Forbidden(refused_text(run.approval, agent))
        bound_to = run.approval.bound_to
        if arguments is not None:
            if not approve or run.call is None or run.approval.subject != "tool":
                raise Malformed("only the arguments of a call that is approved can be changed")
            bound_to = digest(replace_arguments(run.call, arguments))
        channel, _, person = by.partition(":")
        return e.ApprovalAnswered(
            at=now,
            approved=approve,
            by=person,
            via=channel,
            remark=remark,
            approval=run.approval.id,
            arguments=arguments,
            digest=bound_to,
        )

    # -- looking --------------------------------------------------------------------------------

    async def show(self, run_id: str) -> RunView:
        return view(await self._load(run_id))

    async def version(self, run_id: str) -> int:
        """Number of events; cheap, for those who watch a run. Raises `NotFound`."""
        _check_id(run_id)
        head = await self._store.head(run_id)
        return head.version if head else len((await self._log(run_id))[0])

    async def events(self, run_id: str) -> tuple[e.Event, ...]:
        """Raises `NotFound`, and `Unavailable` for what only a newer ponderd can read."""
        log, _ = await self._log(run_id)
        try:
            return e.decode_all(log)
        except ValidationError as error:
            raise Unavailable(
                f"run {run_id} was written by a newer version of ponderd than this daemon"
            ) from error

    async def prompt(self, run_id: str, version: int) -> PromptView:
        """The exact request of the model call whose outcome is the event number `version`.

        Raises `NotFound`.
        """
        events = await self.events(run_id)
        run = fold(events)
        agent = self._agents.get(run.agent)
        if agent is None:
            raise NotFound(f"there is no agent {run.agent} any more")
        then = fold(events[: max(1, version - 1)]).agent_version
        recorded = await recorded_version(self._store, agent.name, then)
        older = pinned(agent, recorded) if recorded and then != agent.version else None
        return find_prompt(events, version, older or agent)

    async def fork(
        self,
        run_id: str,
        *,
        at: int | None,
        by: str,
        text: str | None = None,
        keys: tuple[str, ...] = (),
    ) -> RunView:
        """A new run that begins with the events up to `at` (all of them) of another one.

        Its answers wait in the run. Raises `NotFound`, `Conflict` (in the middle of a tool call),
        `Malformed`.
        """
        events = await self.events(run_id)
        version = len(events) if at is None else at
        # The store knows a key again only in the same conversation.
        unique = keys[0][-12:] if keys else new_run_id(run_id)[3:]
        conversation = f"fork of {run_id} at {version}, {unique}"
        new_id = new_run_id(conversation_key(fold(events[:1]).agent, "api", "", conversation))
        history = forked(events, version, run_id=new_id, conversation=conversation)
        launched = history[0]
        assert isinstance(launched, e.RunLaunched)
        fork = e.RunForked(at=time.time(), source=run_id, at_version=version, by=by)
        forked_run = await self._admit(launched, keys, fork, list(map(e.encode, history)))
        if text:
            message_keys = tuple(f"{key}:message" for key in keys)
            await self.message(forked_run.run_id, text, sender=by, keys=message_keys)
        return await self.show(forked_run.run_id)

    async def list_runs(
        self, *, status: str | None, agent: str | None, limit: int, cursor: str | None
    ) -> RunPage:
        if status is not None and status not in Status.__members__:
            raise Malformed(f"status is one of {', '.join(Status)}, not {status}")
        page = await self._store.list_runs(status=status, agent=agent, limit=limit, cursor=cursor)
        return RunPage(runs=[summary(head) for head in page.heads], cursor=page.cursor)

    async def same_request(self, key: str, digest: str, ttl: float) -> None:
        """Raises `Conflict` if `key` was used with another request before."""
        if await self._store.remember(key, digest, ttl) != digest:
            raise RunConflict("this Idempotency-Key was used with another request")

    async def _append(self, run_id: str, keys: tuple[str, ...], received: e.Event) -> Accepted:
        """Write to a run that is there: it is found by the conversation it was launched with. One
        that is in the archive only comes back with all its events."""
        log, archived = await self._log(run_id)
        launched = e.decode(log[0])
        assert isinstance(launched, e.RunLaunched)
        return await self._admit(launched, keys, received, log if archived else log[:1])

    async def _admit(
        self,
        launched: e.RunLaunched,
        keys: tuple[str, ...],
        received: e.Event,
        history: Sequence[bytes] = (),
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
                history=tuple(history) or (e.encode(launched),),
                received=e.encode(received),
            )
        )
        if admission.poke:
            self._poke(admission.run_id)
        return Accepted(run_id=admission.run_id, duplicate=admission.outcome == "duplicate")

    async def _log(self, run_id: str) -> tuple[tuple[bytes, ...], bool]:
        """The events, and whether they are in the archive only. Raises `NotFound`."""
        _check_id(run_id)
        if log := await self._store.load(run_id):
            return log, False
        archived = await self._archive.get(run_id) if self._archive else None
        if not archived:
            raise NotFound(f"there is no run {run_id}")
        return archived, True

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


def _received(trigger: Trigger, now: float) -> e.MessageReceived:
    return e.MessageReceived(
        at=now,
        text=trigger.text,
        sender=trigger.sender,
        via=trigger.channel,
        authentic=trigger.authentic,
        reply_to=trigger.reply_to,
        attachments=tuple(
            f"{file.name} ({file.content_type}, {file.size} bytes)" for file in trigger.attachments
        ),
    )


def _first_answer(events: Sequence[e.Event], version: int) -> tuple[str, str] | None:
    """Who answered the question that the event number `version` asked, and what."""
    run = fold(events[:version])
    asked = run.question
    for event in events[version:]:
        run = reduce(run, event)
        if run.over or asked is None:
            return None
        if run.question is None or run.question.id != asked.id:
            return run.sender, run.text
    if run.inbox:
        return principal(run.inbox[0].via, run.inbox[0].sender), run.inbox[0].text
    return None


def _checked(agent: Agent, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as an approver changed them, against the tool's schema."""
    tool = agent.tool(name)
    if tool is None:
        raise RunConflict(f"agent {agent.name} has no tool {name} any more")
    try:
        return tool.arguments.model_validate(arguments).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Malformed(f"{name}: {where}: {first['msg']}") from None


def _must_not_be_over(run: Run, done: str) -> None:
    if run.over:
        raise RunConflict(f"run {run.id} is {run.over}; it cannot be {done} any more")


def _check_id(run_id: str) -> None:
    try:
        shard_of(run_id)
    except ValueError:
        raise NotFound(f"there is no run {run_id}") from None
