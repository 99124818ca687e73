"""What people and programs do with runs: write to them, steer them, look at them, fork them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from ponderd.channels.errors import Conflict, NotFound
from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import Accepted, Bounce, Reaction, Trigger
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.versions import pinned, recorded_version
from ponderd.workers.control.forks import forked
from ponderd.workers.control.moved import again_if_moved
from ponderd.workers.control.prompts import find_prompt
from ponderd.workers.control.run_log import Choose, History, RunLog
from ponderd.workers.control.views import PromptView, RunView, run_view
from ponderd.workers.run import events as e
from ponderd.workers.run.participants import takes_part
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run, Status
from ponderd.workers.run.undelivered import in_trouble
from ponderd.workers.store.contract import Checkpoint, conversation_key, receipt_key

BOUNCES = 20
"""Reports of undelivered mail that a run keeps: whoever got a mail of ours can forge one."""


class Runs:
    """Launches runs and steers them. All methods raise `Unavailable` while the store is away; those
    that take a `run_id` raise `NotFound` if there is no such run."""

    def __init__(self, log: RunLog, agents: Mapping[str, Agent]) -> None:
        self._log = log
        self.agents = agents

    @again_if_moved
    async def accept(self, agent: str, trigger: Trigger) -> Accepted:
        """Store a trigger for an agent. Once this returns, it cannot get lost.

        Raises `NotFound` for an unknown agent.
        """
        if trigger.channel == "email":
            self._must_know(agent)
            return await self._accept_mail(agent, trigger)
        now = self._log.clock()
        if trigger.run_id and await self._is_run_of(agent, trigger):
            received = _received(trigger, now)
            return await self._log.admit_to(trigger.run_id, trigger.keys, received, trigger.digest)
        self._must_know(agent)
        launched = await self._launched(agent, trigger, now)
        received = _received(_unbound(trigger), now)
        return await self._log.admit(launched, trigger.keys, received, digest=trigger.digest)

    @again_if_moved
    async def accept_in_step(
        self, agent: str, trigger: Trigger, checkpoint: Checkpoint, at: float
    ) -> Accepted | None:
        """Store the trigger of a schedule, dated `at`, and replace its checkpoint at the same
        moment. None if the checkpoint is not as expected. Raises as `accept` does."""
        self._must_know(agent)
        launched = await self._launched(agent, trigger, at, shard=checkpoint.name)
        received = _received(trigger, at)
        return await self._log.admit_in_step(launched, trigger.keys, received, checkpoint)

    @again_if_moved
    async def accept_beside(self, agent: str, trigger: Trigger, at: float, shard: str) -> Accepted:
        """Store the trigger of a schedule, dated `at`, whatever its checkpoint is. `shard` is the
        checkpoint's name: its runs are kept together. Raises as `accept` does."""
        self._must_know(agent)
        launched = await self._launched(agent, trigger, at, shard=shard)
        received = _received(trigger, at)
        return await self._log.admit(launched, trigger.keys, received, digest=trigger.digest)

    def _must_know(self, agent: str) -> None:
        if agent not in self.agents:
            known = ", ".join(sorted(self.agents))
            raise NotFound(f"there is no agent {agent!r}; known agents: {known}")

    async def _accept_mail(self, agent: str, trigger: Trigger) -> Accepted:
        """Store a mail in the run that it answers, else in that of its thread, provided that the
        sender takes part in it. Everybody else begins a run of their own: the thread's Message-IDs,
        which anybody may have, let nobody read what was said there."""
        now, keys, digest = self._log.clock(), trigger.keys, trigger.digest

        def joins(run: Run) -> bool:
            return takes_part(run, trigger.sender)

        if trigger.run_id and await self._is_run_of(agent, trigger):
            received = _received(trigger, now)
            joined = await self._log.admit_to_if(joins, trigger.run_id, keys, received, digest)
            if joined:
                return joined
        later = _received(_unbound(trigger), now)
        first = _received(_complete(_unbound(trigger)), now)
        launched = await self._launched(agent, trigger, now)
        joined = await self._log.admit_if(joins, launched, keys, first, later, digest=digest)
        if joined:
            return joined
        own = trigger.model_copy(
            update={"conversation": f"{trigger.conversation} {trigger.sender.lower()}"}
        )
        launched = await self._launched(agent, own, now)
        joined = await self._log.admit_if(
            lambda run: True, launched, keys, first, later, digest=digest
        )
        assert joined
        return joined

    async def _is_run_of(self, agent: str, trigger: Trigger) -> bool:
        """Whether the run that is answered exists, and is one of the agent's that was written to,
        if any was."""
        answered = await self._log.agent_of(trigger.run_id or "")
        return answered is not None and (trigger.agent is None or answered == agent)

    async def _launched(
        self, agent: str, trigger: Trigger, now: float, shard: str = ""
    ) -> e.RunLaunched:
        key = conversation_key(agent, trigger.channel, trigger.source, trigger.conversation)
        return e.RunLaunched(
            at=now,
            run_id=await self._log.store.new_run_id(shard or key),
            agent=agent,
            agent_version=self.agents[agent].version,
            channel=trigger.channel,
            conversation=trigger.conversation,
            source=trigger.source,
        )

    async def message(
        self, run_id: str, text: str, *, sender: str, keys: tuple[str, ...] = (), digest: str = ""
    ) -> Accepted:
        """Write to a run. Its answer goes to where the conversation already lives. `keys` and
        `digest` as in `Trigger`, here and in the other methods that take them."""
        run = await self._log.latest(run_id)
        received = e.MessageReceived(
            at=self._log.clock(),
            text=text,
            sender=sender,
            via="api",
            authentic=True,
            reply_to=run.message.reply_to,
        )
        return await self._log.admit_to(run_id, keys, received, digest)

    async def event(
        self,
        run_id: str,
        name: str,
        payload: str,
        by: str,
        keys: tuple[str, ...] = (),
        digest: str = "",
    ) -> Accepted:
        """Tell a run of an event that it waits for. One that comes before the run waits for it is
        kept."""
        received = e.EventReceived(at=self._log.clock(), name=name, payload=payload, by=by)
        return await self._log.admit_to(run_id, keys, received, digest)

    async def feedback(
        self,
        run_id: str,
        value: float,
        *,
        by: str,
        source: e.FeedbackSource,
        answer: int | None = None,
    ) -> RunView:
        """Say how good an answer was, from 0 to 1: the newest answer, or that of the model call
        whose outcome is the event number `answer`.

        Raises `Conflict` if there is no answer yet, `NotFound` if `answer` is not one.
        """

        def choose(run: Run, now: float) -> e.Event | None:
            if answer is None and not run.outbox.answered_by:
                raise Conflict(f"run {run_id} has given no answer yet")
            about = answer or run.outbox.answered_by
            return e.FeedbackReceived(at=now, value=value, by=by, source=source, answer=about)

        history = History((), await self._log.latest(run_id))
        if answer is not None:
            said = await self._log.event(run_id, answer)
            if not isinstance(said, e.ModelAnswered):
                raise NotFound(f"event {answer} of run {run_id} is not an answer of the model")
        return run_view((await self._log.signal(history, choose)).run)

    async def react(self, reaction: Reaction) -> bool:
        """Take a reaction to one of our answers as feedback. False for one to anything else.

        Implements `ponderd.channels.channel.React`.
        """
        receipt = receipt_key(reaction.channel, reaction.message)
        answer = EventRef.parse(await self._log.store.recall(receipt) or "")
        if answer is None:
            return False
        run_id, version = answer
        try:
            await self.feedback(
                run_id, reaction.value, by=reaction.by, source="thumb", answer=version
            )
        except NotFound:  # archived meanwhile
            return False
        return True

    async def bounced(self, bounce: Bounce) -> RunView | None:
        """Record in its run that a reply did not reach somebody, even if the run has ended or is
        only in the archive. It goes on as before. Returns None if there was nothing to record: the
        report is known, or names nothing of ours."""

        def choose(run: Run, now: float) -> e.ReplyBounced | None:
            event = e.ReplyBounced(at=now, **bounce.model_dump())
            known = [old.model_copy(update={"at": now}) for old in run.bounces]
            return None if event in known or len(known) >= BOUNCES else event

        about = EventRef.parse(bounce.key)
        try:
            history = History((), await self._log.latest(about.run_id if about else ""))
        except NotFound:
            return None
        before = len(history.run.bounces)
        if about is None or about.version > history.run.version:
            return None
        try:
            history = await self._log.signal(history, choose)
        except NotFound:  # only the archive has it
            if event := choose(history.run, self._log.clock()):
                named = (bounce.key, bounce.recipient, str(bounce.permanent))
                await self._log.admit_to(about.run_id, (f"bounce:{':'.join(named)}",), event)
                history = history.then(event)
        return run_view(history.run) if len(history.run.bounces) > before else None

    async def pause(self, run_id: str, by: str) -> RunView:
        """Let a run rest until somebody resumes it. Raises `Conflict` if it has ended."""

        def choose(run: Run, now: float) -> e.Event | None:
            _must_not_be_over(run, "paused")
            return None if run.paused else e.RunPaused(at=now, by=by)

        return await self._steer(run_id, choose)

    async def resume(self, run_id: str, by: str, *, adopt_version: bool = False) -> RunView:
        """Let a paused run go on. With `adopt_version` it goes on with the agent as it is today,
        not as it was at the beginning. Raises `Conflict` if the run has ended."""

        def adopt(run: Run, now: float) -> e.Event | None:
            _must_not_be_over(run, "resumed")
            today = self.agents[run.agent].version if run.agent in self.agents else ""
            if not today or today == run.agent_version:
                return None
            return e.VersionAdopted(at=now, agent_version=today, by=by)

        def choose(run: Run, now: float) -> e.Event | None:
            _must_not_be_over(run, "resumed")
            return e.RunResumed(at=now, by=by) if run.paused else None

        return await self._steer(run_id, *([adopt] if adopt_version else []), choose)

    async def cancel(self, run_id: str, by: str, reason: str = "") -> RunView:
        """End a run. Raises `Conflict` if it has ended in another way."""

        def choose(run: Run, now: float) -> e.Event | None:
            if run.ended is Status.CANCELLED:
                return None
            _must_not_be_over(run, "cancelled")
            return e.RunCancelled(at=now, by=by, reason=reason)

        return await self._steer(run_id, choose)

    async def retry_deliveries(self, run_id: str, by: str, keys: tuple[str, ...] = ()) -> Run:
        """Send again, now, what did not arrive: all of it, or the replies with these keys. A run
        that is only in the archive comes back. Raises `Conflict` if there is nothing."""

        def choose(run: Run, now: float) -> e.Event | None:
            if not any(not keys or out.key in keys for out in in_trouble(run)):
                raise Conflict(f"run {run_id} has nothing undelivered")
            return e.DeliveriesRetried(at=now, by=by, keys=keys)

        history = History((), await self._log.latest(run_id))
        try:
            return (await self._log.signal(history, choose)).run
        except NotFound:  # only the archive has it
            event = e.DeliveriesRetried(at=self._log.clock(), by=by, keys=keys)
            await self._log.admit_to(run_id, (), event)
            return history.then(event).run

    async def show(self, run_id: str) -> RunView:
        return run_view(await self._log.latest(run_id))

    async def prompt(self, run_id: str, version: int) -> PromptView:
        """Show the exact request of the model call whose outcome is the event number `version`.

        Raises `NotFound` if that event is not such an outcome, or the agent is gone.
        """
        events, run = await self._log.read(run_id)
        agent = self.agents.get(run.agent)
        if agent is None:
            raise NotFound(f"the agent {run.agent} no longer exists")
        then = fold(events[: max(1, version - 1)]).agent_version
        recorded = await recorded_version(self._log.store, agent.name, then)
        older = pinned(agent, recorded) if recorded and then != agent.version else None
        return find_prompt(events, version, older or agent)

    @again_if_moved
    async def fork(
        self,
        run_id: str,
        *,
        at: int | None,
        by: str,
        text: str | None = None,
        keys: tuple[str, ...] = (),
        digest: str = "",
    ) -> RunView:
        """Launch a copy that begins with the events of another run up to number `at` (default: all
        of them), and send it the message `text`. Its answers wait in the run.

        Raises `Conflict` in the middle of a tool call, `Malformed` if there is no such event.
        """
        events = await self._log.events(run_id)
        version = len(events) if at is None else at
        # The store knows a key again only in the same conversation.
        unique = keys[0][-12:] if keys else secrets.token_hex(6)
        conversation = f"fork of {run_id} at {version}, {unique}"
        key = conversation_key(fold(events[:1]).agent, "api", "", conversation)
        new_id = await self._log.store.new_run_id(key)
        history = forked(events, version, run_id=new_id, conversation=conversation)
        launched = history[0]
        assert isinstance(launched, e.RunLaunched)
        fork = e.RunForked(at=self._log.clock(), source=run_id, at_version=version, by=by)
        copied = list(map(e.encode, history))
        forked_run = await self._log.admit(launched, keys, fork, copied, digest)
        if text:
            message_keys = tuple(f"{key}:message" for key in keys)
            await self.message(forked_run.run_id, text, sender=by, keys=message_keys, digest=digest)
        return await self.show(forked_run.run_id)

    async def _steer(self, run_id: str, *choices: Choose) -> RunView:
        history = History((), await self._log.latest(run_id))
        for choose in choices:
            history = await self._log.signal(history, choose)
        return run_view(history.run)


def _unbound(trigger: Trigger) -> Trigger:
    """A message outside the run that it answers: the proof was for that one, and vouches for
    nothing elsewhere."""
    if trigger.run_id is None:
        return trigger
    nothing = {"authentic": False, "answers": (), "written_at": None}
    return trigger.model_copy(update=nothing)


def _complete(trigger: Trigger) -> Trigger:
    """An answer as the first message of a run, which has neither the history that was cut nor the
    subject of the thread."""
    if trigger.run_id is None:
        return trigger
    subject = trigger.reply_to.headers.get("subject") if trigger.reply_to else ""
    said = (f"Subject: {subject}" if subject else "", trigger.text, trigger.cut)
    return trigger.model_copy(update={"text": "\n\n".join(filter(None, said)), "cut": ""})


def _received(trigger: Trigger, now: float) -> e.MessageReceived:
    return e.MessageReceived(
        at=now,
        text=trigger.text,
        sender=trigger.sender,
        name=trigger.name,
        via=trigger.channel,
        authentic=trigger.authentic,
        reply_to=trigger.reply_to,
        attachments=trigger.attachments,
        cut=trigger.cut,
        before=trigger.before,
        people=trigger.people,
        tag=trigger.tag,
        people_proven=trigger.people_proven,
        answers=trigger.answers,
        written_at=trigger.written_at,
        own=trigger.own,
    )


def _must_not_be_over(run: Run, done: str) -> None:
    if run.ended:
        raise Conflict(f"run {run.id} is {run.ended}; it can no longer be {done}")
