"""Deciding what runs ask of people: the verbs about approvals and questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from ponderd.channels.errors import Conflict, Forbidden, Malformed, NotFound
from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import Decided, Verdict, principal
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.run_log import RunLogs
from ponderd.workers.control.views import ApprovalView, approval_view
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import digest as digest_of
from ponderd.workers.run.approved_call import replace_arguments
from ponderd.workers.run.reduce import fold, reduce
from ponderd.workers.run.state import Run, Status
from ponderd.workers.steps.approval import may_decide, refused_text


class Decisions(RunLogs):
    async def approval(self, approval_id: str) -> ApprovalView:
        """Raises `NotFound`."""
        asked = EventRef.parse(approval_id)
        found = self._shown(await self.events(asked.run_id), asked.version) if asked else None
        if found is None:
            raise NotFound(f"there is no approval {approval_id}")
        return found

    async def approvals(self) -> list[ApprovalView]:
        """All that are open, oldest first."""
        found = []
        for status in (Status.WAITING, Status.PAUSED):
            cursor, more = None, True
            while more:
                page = await self._store.list_runs(
                    status=status, agent=None, limit=500, cursor=cursor
                )
                for head in page.heads:
                    if head.waiting_for != "approval":
                        continue
                    events = await self.events(head.id)
                    approval = fold(events).approval
                    asked = EventRef.parse(approval.id) if approval else None
                    if asked and (view := self._shown(events, asked.version)):
                        found.append(view)
                cursor, more = page.cursor, page.cursor is not None
        return sorted(found, key=lambda approval: approval.asked_at)

    def _shown(self, events: Sequence[e.Event], version: int) -> ApprovalView | None:
        launched = events[0]
        agent = self._agents.get(launched.agent) if isinstance(launched, e.RunLaunched) else None
        return approval_view(events, version, agent.approvals.approvers if agent else ())

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
                raise Conflict("this is not the call that you looked at; look again")
            return self._answer(run, approve, by, remark, arguments, now)

        await self._signal(asked.run_id, event)
        decided = await self.approval(approval_id)
        done = "approved" if approve else "denied"
        same_arguments = not approve or arguments in (None, decided.arguments)
        if (decided.status, decided.decided_by) != (done, by.lower()) or not same_arguments:
            who = f" by {decided.decided_by}" if decided.decided_by else ""
            raise Conflict(f"this was already {decided.status}{who}: {decided.text}")
        return decided

    async def verdict(self, verdict: Verdict) -> Decided:
        """What a button, a link or a mail said. Implements `ponderd.channels.channel.Decide`."""
        if await self._is_question(verdict.inquiry):
            return await self._answer_question(verdict)
        decided = await self.decide(
            verdict.inquiry,
            approve=verdict.choice == "approve",
            by=verdict.by,
            remark=verdict.remark,
        )
        return Decided(text=f"{decided.status.capitalize()} by {decided.decided_by}.")

    async def _is_question(self, inquiry: str) -> bool:
        ref = EventRef.parse(inquiry)
        if ref is None:
            raise NotFound(f"there is no question {inquiry}")
        events = await self.events(ref.run_id)
        asked = events[ref.version - 1] if ref.version <= len(events) else None
        return isinstance(asked, e.ModelAnswered) and isinstance(asked.choice, e.Question)

    async def _answer_question(self, verdict: Verdict) -> Decided:
        asked = EventRef.parse(verdict.inquiry)
        assert asked is not None
        channel, _, person = verdict.by.partition(":")

        def event(run: Run, now: float) -> e.Event | None:
            if run.question is None or run.question.id != verdict.inquiry:
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

        await self._signal(asked.run_id, event)
        answer = _first_answer(await self.events(asked.run_id), asked.version)
        if answer is None:
            raise Conflict("this question is not open")
        by, text = answer
        if (by, text) != (verdict.by.lower(), verdict.choice):
            raise Conflict(f"this question was already answered by {by}: {text}")
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
            bound_to = digest_of(replace_arguments(run.call, arguments))
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
        raise Conflict(f"agent {agent.name} has no tool {name} any more")
    try:
        checked = tool.arguments.model_validate(arguments).model_dump(mode="json")
        json.dumps(checked, ensure_ascii=False, allow_nan=False).encode()  # or it cannot be stored
        return checked
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Malformed(f"{name}: {where}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise Malformed(f"{name}: the arguments hold something that is no JSON") from None
