"""What runs ask of people: approvals and questions, and the answers to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from ponderd.channels.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import Verdict, principal
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.edited_arguments import checked
from ponderd.workers.control.run_log import History, RunLog
from ponderd.workers.control.views import (
    ApprovalView,
    OpenApprovals,
    approval_view,
    open_approval_view,
)
from ponderd.workers.execution.author_code import AuthorCode, InThreads
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import decider, replace_arguments
from ponderd.workers.run.approved_call import digest as digest_of
from ponderd.workers.run.choices import Question
from ponderd.workers.run.reduce import fold, reduce
from ponderd.workers.run.state import Run
from ponderd.workers.steps.approval import is_answer, may_decide, refused_text
from ponderd.workers.store.contract import TRIGGER_TTL

log = structlog.get_logger(__name__)

MOST_LISTED = 5000
"""Approvals on one page."""

READ_AT_ONCE = 200
"""Most logs that are read for one page, where lists do not show what a run asks."""


@dataclass(frozen=True, slots=True)
class _Decision:
    """Somebody's yes or no to an approval, as `Approvals.decide` takes it."""

    approve: bool
    by: str
    remark: str = ""
    arguments: dict[str, Any] | None = None
    digest: str | None = None


class Inquiries:
    """Shows what runs ask of people, and takes their answers. The first answer counts: it is
    appended only while nobody else has answered. Giving the same answer again changes nothing.

    `code` is where the types of tools run that have code of the author's in them."""

    def __init__(
        self, log: RunLog, agents: Mapping[str, Agent], code: AuthorCode | None = None
    ) -> None:
        self._log = log
        self._agents = agents
        self._code = code or InThreads()
        self._endings: dict[str, bytes] = {}

    async def open(self, *, limit: int = MOST_LISTED, cursor: str | None = None) -> bytes:
        """List at most `limit` approvals that nobody has decided yet, oldest first, as the JSON of
        `OpenApprovals`. A page may be shorter, although others follow. Raises `Malformed` for a
        cursor that is not one of ours, `Unavailable`."""
        page = await self._log.store.asking(limit=limit, cursor=cursor)
        found, reads, cursor = list[bytes](), 0, page.cursor
        for number, asking in enumerate(page.runs, 1):
            # As it is: to check thousands of them again would take longer than to list them.
            if asking.shown:
                found.append(asking.shown[:-1] + self._undecided(asking.agent))
                continue
            reads += 1
            try:
                view = await self._read(asking.run_id)
            except Unavailable as error:
                head = await self._log.store.head(asking.run_id)
                if head is None or not head.asleep:
                    raise
                # Its log cannot be had; that keeps no other from being decided.
                log.warning("an approval is not listed", run=asking.run_id, error=str(error))
                view = None
            found += [view.model_dump_json().encode()] if view else []
            if reads == READ_AT_ONCE and number < len(page.runs):
                cursor = asking.cursor
                break
        return b'{"approvals":[%s],"cursor":%s}' % (b",".join(found), _json(cursor))

    async def open_of(self, run_id: str) -> bytes:
        """The open approval of one run, if it has one, in the same form. Raises `Unavailable`."""
        view = await self._read(run_id)
        found = OpenApprovals(approvals=[view] if view else [], cursor=None)
        return found.model_dump_json().encode()

    async def show(self, approval_id: str) -> ApprovalView:
        """Raises `NotFound`, `Unavailable`."""
        asked = _parsed(approval_id)
        return self._view(await self._log.events(asked.run_id), asked)

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
        """Approve or deny.

        `by` is a `principal`. With `arguments`, the tool is called with these instead. With
        `digest`, the decision counts only for the call that has it: the one that was looked at.

        Raises `NotFound`, `Conflict` (it says who decided before), `Forbidden` for somebody who may
        not, `Malformed` for arguments that the tool cannot take, `Unavailable`.
        """
        asked = _parsed(approval_id)
        history = await self._history(asked)
        decision = _Decision(approve, by, remark, arguments, digest)
        return await self._decide(history, asked, decision)

    async def answer(self, verdict: Verdict) -> str:
        """Answer an approval or a question by what a button, a link or a mail said; return the
        outcome, to be shown to the person.

        Implements `ponderd.channels.channel.AnswerInquiry`, and raises what that says.
        """
        asked = _parsed(verdict.inquiry)
        history = await self._history(asked)
        if _is_question(history, asked):
            return await self._answer_question(history, asked, verdict)
        _check_proof(history, asked, verdict)
        await self._use_up(verdict)
        decision = _Decision(verdict.choice == "approve", verdict.by, verdict.remark)
        decided = await self._decide(history, asked, decision)
        return f"{decided.status.capitalize()} by {decided.decided_by}."

    async def _use_up(self, verdict: Verdict) -> None:
        """Let a message decide one thing only. Raises `Conflict`."""
        if verdict.key:
            store, key = self._log.store, f"decided:{verdict.key}"
            if await store.remember(key, verdict.inquiry, TRIGGER_TTL) != verdict.inquiry:
                raise Conflict("this mail has already decided something else")

    async def _decide(self, history: History, asked: EventRef, decision: _Decision) -> ApprovalView:
        before = self._seen(history, (), asked)
        approve, arguments = decision.approve, decision.arguments
        agent = self._agents.get(before.agent)
        if arguments is not None and approve and agent and before.tool:
            arguments = await checked(self._code, agent, before.tool, arguments)

        def choose(run: Run, now: float) -> e.Event | None:
            approval = run.work.approval
            if approval is None or approval.id != str(asked):
                return None  # somebody was faster
            if decision.digest not in (None, approval.bound_to):
                raise Conflict("this is not the call that you looked at; look again")
            return self._event(run, decision, arguments, now)

        followed = (await self._log.signal(history, choose)).events[len(history.events) :]
        after = self._seen(history, followed, asked)
        # Whose answer is in the log? This one, the same one given before, or another one.
        done = "approved" if approve else "denied"
        same_arguments = not approve or arguments in (None, after.arguments)
        channel, _, person = decision.by.partition(":")
        by = decider(channel, person).lower()
        if (after.status, after.decided_by) != (done, by) or not same_arguments:
            who = f" by {after.decided_by}" if after.decided_by else ""
            raise Conflict(f"this was already {after.status}{who}: {after.text}")
        return after

    def _event(
        self, run: Run, decision: _Decision, arguments: dict[str, Any] | None, now: float
    ) -> e.ApprovalAnswered:
        """Raises `NotFound`, `Forbidden`, `Malformed`."""
        approval, call = run.work.approval, run.work.call
        assert approval is not None
        agent = self._agents.get(run.agent)
        if agent is None:
            raise Conflict(
                f"the agent {run.agent} is not installed any more, so nothing can be decided: "
                f"bring it back, or cancel run {run.id}"
            )
        if not may_decide(run, agent, decision.by):
            raise Forbidden(refused_text(approval, agent))
        bound_to = approval.bound_to
        if arguments is not None:
            if not decision.approve or call is None or approval.subject != "tool":
                raise Malformed("only the arguments of a call that is approved can be changed")
            bound_to = digest_of(replace_arguments(call, arguments))
        channel, _, person = decision.by.partition(":")
        return e.ApprovalAnswered(
            at=now,
            approved=decision.approve,
            by=person,
            via=channel,
            remark=decision.remark,
            approval=approval.id,
            arguments=arguments,
            digest=bound_to,
        )

    async def _answer_question(self, history: History, asked: EventRef, verdict: Verdict) -> str:
        channel, _, person = verdict.by.partition(":")

        def choose(run: Run, now: float) -> e.Event | None:
            question = run.work.question
            if question is None or question.id != str(asked):
                return None
            # A message in the inbox may be quicker than the record that the question went out. It
            # will answer the question, so this would be the second answer.
            if run.ended or run.inbox.waiting:
                return None
            return e.MessageReceived(
                at=now,
                text=verdict.choice,
                sender=person,
                via=channel,
                authentic=True,
                reply_to=run.message.reply_to,
            )

        followed = (await self._log.signal(history, choose)).events[len(history.events) :]
        if _is_open(history.run, asked):
            answer = _first_answer(history.run, followed)
        else:
            events = (*history.events, *followed)
            answer = _first_answer(fold(events[: asked.version]), events[asked.version :])
        if answer is None:
            raise Conflict("this question is not open")
        by, text = answer
        if (by, text) != (verdict.by.lower(), verdict.choice):
            raise Conflict(f"this question was already answered by {by}: {text}")
        return f"{by}: {text}"

    async def _read(self, run_id: str) -> ApprovalView | None:
        """The open approval of a run, as the run itself says it."""
        try:
            run = await self._log.latest(run_id)
        except NotFound:
            return None
        is_asking = run.work.approval and run.waits_for == "approval"
        return open_approval_view(run, (), self._approvers(run.agent)) if is_asking else None

    def _undecided(self, agent: str) -> bytes:
        """What an open approval has besides what lists show of it."""
        if agent not in self._endings:
            ending = {"approvers": self._approvers(agent), "decided_by": None, "decided_at": None}
            self._endings[agent] = b"," + _json(ending | {"remark": ""})[1:]
        return self._endings[agent]

    def _approvers(self, agent: str) -> tuple[str, ...]:
        known = self._agents.get(agent)
        return known.approvals.approvers if known else ()

    async def _history(self, asked: EventRef) -> History:
        """The run as it is now, with all its events if that was decided or answered before."""
        run = await self._log.latest(asked.run_id)
        return History((), run) if _is_open(run, asked) else await self._log.read(asked.run_id)

    def _seen(self, history: History, followed: Sequence[e.Event], asked: EventRef) -> ApprovalView:
        """The approval after the events that `followed`. Raises `NotFound` if it is none."""
        approval = history.run.work.approval
        if approval is None or approval.id != str(asked):
            return self._view((*history.events, *followed), asked)
        return open_approval_view(history.run, followed, self._approvers(history.run.agent))

    def _view(self, events: Sequence[e.Event], asked: EventRef) -> ApprovalView:
        """Raises `NotFound` if the event asked for no approval."""
        launched = events[0]
        name = launched.agent if isinstance(launched, e.RunLaunched) else ""
        approvers = self._approvers(name)
        found = approval_view(events, asked.version, approvers)
        if found is None:
            raise NotFound(f"there is no approval {asked}")
        return found


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _parsed(inquiry: str) -> EventRef:
    """Raises `NotFound`: what is not an `EventRef` names nothing that was ever asked."""
    asked = EventRef.parse(inquiry)
    if asked is None:
        raise NotFound(f"there is no approval {inquiry}")
    return asked


def _is_open(run: Run, asked: EventRef) -> bool:
    """Whether that is what the run asks now."""
    open_now = (run.work.approval, run.work.question)
    return not run.ended and any(one is not None and one.id == str(asked) for one in open_now)


def _check_proof(history: History, asked: EventRef, verdict: Verdict) -> None:
    """Raises `Unauthenticated` if what is proven of the verdict is about something else."""
    receipts: list[str] = []
    asked_at: float | None
    if (approval := history.run.work.approval) and approval.id == str(asked):
        receipts, asked_at = [one.receipt for one in approval.posted], approval.asked_at
    else:
        receipts, asked_at = _as_asked(history.events, asked)
    if not is_answer(verdict.answers, verdict.written_at, str(asked), receipts, asked_at):
        raise Unauthenticated(
            "this is not provably an answer to the question (it names another one, or is older), "
            "so it decides nothing"
        )


def _as_asked(events: Sequence[e.Event], asked: EventRef) -> tuple[list[str], float | None]:
    """The receipts of a question that is no longer open, and when it was asked."""
    receipts, asking = [], False
    for event in events:
        if isinstance(event, e.ReplyStarted):
            asking = event.inquiry is not None and event.inquiry.id == str(asked)
        elif isinstance(event, e.ReplySent) and asking:
            receipts.append(event.receipt)
    return receipts, events[asked.version - 1].at if asked.version <= len(events) else None


def _is_question(history: History, asked: EventRef) -> bool:
    question = history.run.work.question
    if not history.events:
        return question is not None and question.id == str(asked)
    events = history.events
    event = events[asked.version - 1] if asked.version <= len(events) else None
    return isinstance(event, e.ModelAnswered) and isinstance(event.choice, Question)


def _first_answer(run: Run, events: Sequence[e.Event]) -> tuple[str, str] | None:
    """Who answered the open question of the run in the `events` after it, and what they said. None
    if nobody did, or if the run has ended."""
    asked = run.work.question
    for event in events:
        run = reduce(run, event)
        if run.ended or asked is None:
            return None
        if run.work.question is None or run.work.question.id != asked.id:
            return run.message.sender, run.message.text
    if run.inbox.waiting:
        first = run.inbox.waiting[0]
        return principal(first.via, first.sender), first.text
    return None
