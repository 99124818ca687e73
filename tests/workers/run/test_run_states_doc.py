"""docs/run-states.md says what the code does: every transition it lists, and no other."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ponderd.workers.agents.agent import Agent, Limits, tool
from ponderd.workers.agents.policies import Approvals, Busy
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer, Question, ToolCall
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.run.reduce import reduce
from ponderd.workers.run.state import Run, Status
from ponderd.workers.run.undelivered import in_trouble
from ponderd.workers.steps.next_step import (
    AskApproval,
    CallModel,
    CallTool,
    Record,
    SendReply,
    UseDraft,
    Wait,
    next_step,
)
from ponderd.workers.steps.without_agent import step_without_agent
from tests.workers.run.equal_states import NOW, RETRY, SENDER, EqualStates, InFlight

DOC = Path(__file__).parents[3] / "docs" / "run-states.md"

Transition = tuple[str, str, str]


@tool(idempotent=True)
def look(topic: str) -> str:
    """Look something up."""
    return topic


@tool(approval="always")
def deploy(version: str) -> str:
    """Deploy a version."""
    return version


AGENT = Agent(
    name="worker",
    description="",
    prompt="",
    tools=[look, deploy],
    limits=Limits(model_calls=2, rejections=2),
    approvals=Approvals(remind_every=None),
)
OTHERS = {
    "remind": Approvals(ask=("slack:C1",), remind_every=150),
    "deny": Approvals(remind_every=None, timeout=150, on_timeout="deny"),
    "escalate": Approvals(
        remind_every=None, timeout=150, on_timeout="escalate", escalate_to=("slack:C2",)
    ),
}

# Beside NOW, an event's, and RETRY, to which a retry is put off.
LATER, FAR = 300.0, 1e9

CALL = ModelCall(model="m", decision=ThinkingDecision(), prompt_hash="", seconds=1)
LAUNCHED = e.RunLaunched(
    at=NOW, run_id="00-r", agent="worker", agent_version="1", channel="webhook", conversation="c"
)
MESSAGES = [
    e.MessageReceived(at=NOW, text=text, sender="s", authentic=True, reply_to=reply_to)
    for text, reply_to in (("yes", SENDER), ("no", None), ("well", SENDER))
]

LIMIT = e.LimitReached(at=NOW, scope="run", measure="steps", limit=1, used=1, text="more?")

OUTCOMES: dict[str | None, list[e.Event]] = {
    None: [],
    "model": [
        *(
            e.ModelAnswered(at=NOW, choice=choice, content="{}", call=CALL)
            for choice in (
                ToolCall(tool="look", arguments={"topic": "t"}),
                ToolCall(tool="deploy", arguments={"version": "1"}),
                ToolCall(tool="gone", arguments={}),
                Answer(text="a"),
                Question(text="q"),
            )
        ),
        e.ModelRejected(at=NOW, reason="prose", detail="d", content="c", call=CALL),
        e.ModelDoubted(at=NOW, reason="margin", content="c", call=CALL),
        e.ModelFailed(at=NOW, error="away", retry_at=RETRY),
        e.ModelFailed(at=NOW, error="away", retry_at=None),
        e.ModelInterrupted(at=NOW, reason="cancelled"),
    ],
    "tool": [
        e.ToolFinished(at=NOW, result="done", seconds=1),
        e.ToolFailed(at=NOW, error="no", seconds=1),
    ],
}


def outcomes_of(in_flight: InFlight) -> list[e.Event]:
    if in_flight in OUTCOMES:
        return OUTCOMES[in_flight]
    assert in_flight
    return [
        e.ReplySent(at=NOW, receipt="1", key=in_flight),
        e.ReplyFailed(at=NOW, error="away", retry_at=RETRY, key=in_flight),
        e.ReplyFailed(at=NOW, error="gone", retry_at=None, key=in_flight),
    ]


def test_the_table_lists_exactly_the_transitions_of_the_code() -> None:
    found, listed = walk().transitions, set(table())
    assert sorted(found - listed) == [], "missing in the table"
    assert sorted(listed - found) == [], "in the table, but the code never does it"


def test_the_table_lists_no_transition_twice() -> None:
    assert len(table()) == len(set(table()))


def test_the_diagram_draws_exactly_the_changes_of_state_in_the_table() -> None:
    changes = {row for row in table() if row[0] != row[2]}
    assert set(diagram()) == changes


def test_the_table_knows_every_event() -> None:
    assert {event for _, event, _ in table()} == {
        event.model_fields["type"].default for event in e._Event.__subclasses__()
    }


def test_no_message_is_left_without_an_outcome() -> None:
    for agent, run in walk().runs:
        if isinstance(next_step(run, agent, FAR), Wait) and not run.paused:
            assert run.ended or run.waits_for, run
            if run.is_set_aside:  # what it was doing, and who wrote before, wait for that word
                continue
            assert (
                not (run.inbox.waiting or run.inbox.early)
                and not run.outbox.queue
                and not run.work.call_key
                and not run.inbox.commands
            )
        if run.ended is None:  # what is said now is said about the message at hand
            assert len({out.text for out in run.outbox.queue if not out.beside}) <= 1


def test_nothing_is_left_over_when_a_run_ends() -> None:
    for _, run in walk().runs:
        if run.ended in (Status.COMPLETED, Status.FAILED):
            assert not (
                run.inbox.waiting
                or run.work.call
                or run.paused
                or run.work.approval
                or run.work.wait
            )
            assert all(out.beside for out in run.outbox.queue)
        if run.ended is Status.CANCELLED and run.outbox.queue and run.outbox.queue[0].key is None:
            assert run.retry_at is None or run.failed_steps  # the notice goes out at once


def test_an_answer_that_waits_to_be_judged_answers_something() -> None:
    for _, run in walk().runs:
        assert run.work.approval or not run.work.reply_to_approval


def test_nobody_is_asked_to_approve_what_is_decided() -> None:
    for _, run in walk().runs:
        for out in run.outbox.queue:
            if out.inquiry and out.inquiry.kind == "approval" and not out.key:
                assert run.work.approval and run.work.approval.id == out.inquiry.id


class Walk(NamedTuple):
    transitions: set[Transition]
    runs: list[tuple[Agent, Run]]


@functools.cache
def walk() -> Walk:
    """Walk through everything that can happen to a run, from its launch on.

    A run in flight may be met by what people do, by the outcome of the step, or by a crash. Facts
    are recorded on top of what happened meanwhile; intents are thought over again. What people can
    do is looked at a group at a time, each with the agents that it concerns and, but for the first
    group, fewer kinds of model answers: all at once would be millions of states.
    """
    found: set[Transition] = set()
    runs: list[tuple[Agent, Run]] = []
    explored: list[tuple[Agent, People]] = [
        (AGENT, steering),
        (AGENT, commanding),
        (AGENT, deciding),
        (AGENT, waking),
        (AGENT, stranding),
        (replace(AGENT, tools=[look]), looking),
        (replace(AGENT, tools=[look]), repairing),
        *((replace(AGENT, approvals=approvals), deciding) for approvals in OTHERS.values()),
        *(
            (replace(AGENT, busy={"default": Busy(policy=policy, silence=50)}), writing)
            for policy in ("reject", "collect", "interrupt")
        ),
        (replace(AGENT, busy={"default": Busy(waiting=1)}), flooding),
    ]
    for agent, people in explored:
        explore(agent, people, found, runs)
    return Walk(found, runs)


def explore(
    agent: Agent, people: People, found: set[Transition], runs: list[tuple[Agent, Run]]
) -> None:
    launched = reduce(None, LAUNCHED)
    found.add(("", LAUNCHED.type, str(launched.status)))
    start: tuple[Run, InFlight] = launched, None
    equal = EqualStates()
    seen, waiting = {equal.key(*start)}, [start]
    while waiting:
        run, in_flight = waiting.pop()
        if run is not launched and not run.missing:
            runs.append((agent, run))
        nexts: list[tuple[list[e.Event], InFlight]] = [([], None)]  # the worker crashes
        nexts += [([event], in_flight) for event in people(run)]
        outcomes = outcomes_of(in_flight)
        if in_flight == "model" and people is looking:
            outcomes = [outcomes[0], outcomes[3], outcomes[-3]]
        elif in_flight == "model" and people is not steering:
            outcomes = [outcomes[0], outcomes[1], outcomes[3], outcomes[-3], outcomes[-1]]
        if people is repairing and in_flight:
            if in_flight == "model":
                outcomes = [outcomes[0], outcomes[2]]
            elif in_flight != "tool" and not run.is_set_aside:  # how others fail is looked at above
                outcomes = outcomes[:1]
            outcomes = [*outcomes, e.StepFailed(at=NOW, error="bug", retry_at=RETRY)]
        nexts += [(after_first(run, event), None) for event in outcomes]
        fails = people is not repairing or run.is_set_aside
        if in_flight and is_first(run, in_flight) and fails:  # sending it takes long
            aside = e.ReplyPutAside(at=NOW, key=in_flight, error="", retry_at=RETRY)
            nexts.append(([aside], in_flight))
        if people is looking and in_flight == "tool" and run.work.begun == 1:
            nexts.append(([e.ToolInterrupted(at=NOW, reason="slow", seconds=1)], None))
        if people is looking and in_flight == "tool":
            nexts.append(([e.ToolOutcomeUnknown(at=NOW, why="timeout", seconds=1)], None))
        if people is waking and in_flight == "tool":
            wait = e.Waiting(event="x", until=RETRY)
            nexts.append(([e.ToolFinished(at=NOW, result="", seconds=1, wait=wait)], None))
        if in_flight is None and run is not launched:
            nexts += steps(run, agent)
            if people is stranding:
                nexts += [([event], None) for event in without_agent(run)]
            if people is waking and isinstance(next_step(run, agent, LATER), CallModel):
                nexts += [([event], None) for event in limits(run)]
        for events, then in nexts:
            after = run
            for event in events:
                before, after = after, reduce(after, event)
                found.add((str(before.status), event.type, str(after.status)))
            most = 3 if people is repairing else 1  # one beginning stands for several
            work = replace(after.work, begun=min(after.work.begun, most))
            after = replace(after, work=work, failed_steps=min(after.failed_steps, most))
            node = equal.forget(after if people is looking else replace(after, unknown=()), then)
            if (known := equal.key(*node)) not in seen:
                seen.add(known)
                waiting.append(node)


def is_first(run: Run, key: str) -> bool:
    return bool(run.outbox.queue) and run.outbox.queue[0].key == key


def after_first(run: Run, outcome: e.Event) -> list[e.Event]:
    """What is recorded of the first reply of the queue: nothing waits for its next attempt."""
    if isinstance(outcome, e.ReplyFailed) and outcome.retry_at and is_first(run, outcome.key):
        return [e.ReplyPutAside(at=NOW, key=outcome.key, error="", retry_at=RETRY), outcome]
    return [outcome]


People = Callable[[Run], Iterator[e.Event]]
"""What `control.runs` lets people do. One message in the inbox stands for several."""


def writing(run: Run) -> Iterator[e.Event]:
    if not (run.inbox.waiting or run.inbox.early):
        yield from MESSAGES


def steering(run: Run) -> Iterator[e.Event]:
    yield from writing(run)
    if run.status is Status.FAILED:
        yield e.RunRetried(at=NOW, by="p")
    if not run.ended:
        yield e.RunCancelled(at=NOW, by="p")
        yield e.RunResumed(at=NOW, by="p") if run.paused else e.RunPaused(at=NOW, by="p")
    yield e.FeedbackReceived(at=NOW, value=1, by="p", source="thumb")  # of an earlier answer
    yield e.ReplyBounced(at=NOW, key="00-q:2", recipient="p", reason="", permanent=True)
    if in_trouble(run):
        yield e.DeliveriesRetried(at=NOW, by="p")
    if not run.first_sender:
        yield e.RunForked(at=NOW, source="00-q", at_version=2, by="p")


def commanding(run: Run) -> Iterator[e.Event]:
    if not (run.inbox.waiting or run.inbox.early):
        yield MESSAGES[0]
    if in_trouble(run):
        yield e.DeliveriesRetried(at=NOW, by="p")
    if not run.inbox.commands:
        for word in ("/pause", "/resume", "/cancel"):
            yield MESSAGES[0].model_copy(update={"text": word})


def deciding(run: Run) -> Iterator[e.Event]:
    for message in writing(run):  # late enough to have read a question that is under way
        yield message.model_copy(update={"at": NOW + 5})
    if not run.ended:
        yield e.RunCancelled(at=NOW, by="p")
        if run.paused or run.work.approval:
            yield e.RunResumed(at=NOW, by="p") if run.paused else e.RunPaused(at=NOW, by="p")
    if run.work.approval:
        for approved in (True, False):
            yield e.ApprovalAnswered(
                at=NOW, approved=approved, by="p", via="slack", approval=run.work.approval.id
            )


def flooding(run: Run) -> Iterator[e.Event]:
    """More write than there is room for."""
    if len(run.inbox.waiting) + len(run.inbox.early) < 2:
        yield MESSAGES[0]
    if not run.ended:
        yield e.RunCancelled(at=NOW, by="p")
        yield e.RunResumed(at=NOW, by="p") if run.paused else e.RunPaused(at=NOW, by="p")


def stranding(run: Run) -> Iterator[e.Event]:
    if not (run.inbox.waiting or run.inbox.early):
        yield MESSAGES[0]
    if run.missing:
        yield e.RunResumed(at=NOW, by="p") if run.paused else e.RunPaused(at=NOW, by="p")
        if not run.ended:
            yield e.RunCancelled(at=NOW, by="p")


def waking(run: Run) -> Iterator[e.Event]:
    if not (run.inbox.waiting or run.inbox.early):
        yield MESSAGES[0]
    if not run.inbox.events:
        yield e.EventReceived(at=NOW, name="x")
    if not run.ended:
        yield e.VersionAdopted(at=NOW, agent_version="2", by="p")
        yield e.RunCancelled(at=NOW, by="p")
        yield e.RunResumed(at=NOW, by="p") if run.paused else e.RunPaused(at=NOW, by="p")


def looking(run: Run) -> Iterator[e.Event]:
    """They look what became of a tool whose outcome is unknown, and its result comes late."""
    if not (run.inbox.waiting or run.inbox.early):
        yield MESSAGES[0]
    for one in run.unknown:
        if not one.came:
            yield e.LateResultReceived(at=NOW, key=one.key, tool="look", result="", seconds=9)
    if not run.ended:
        yield e.RunCancelled(at=NOW, by="p")
        yield e.RunResumed(at=NOW, by="p") if run.paused else e.RunPaused(at=NOW, by="p")


def repairing(run: Run) -> Iterator[e.Event]:
    """What people do about steps that come to nothing."""
    if not run.first_sender:
        yield MESSAGES[0]
    if run.is_set_aside and run.work.approval and not run.ended:
        yield e.RunCancelled(at=NOW, by="p")
        yield e.RunResumed(at=NOW, by="p") if run.paused else e.RunPaused(at=NOW, by="p")
        if not (run.work.reply_to_approval or run.inbox.waiting or run.inbox.early):
            yield MESSAGES[0].model_copy(update={"at": NOW + 5})
        for approved in (True, False):
            yield e.ApprovalAnswered(
                at=NOW, approved=approved, by="p", via="slack", approval=run.work.approval.id
            )
    if run.is_set_aside and not run.ended:
        yield e.RunRetried(at=NOW, by="p")


def steps(run: Run, agent: Agent) -> Iterator[tuple[list[e.Event], InFlight]]:
    """What a worker does about the run, now and after a while: what it writes down first, and
    what is then in flight."""
    for now in (NOW, LATER):
        match next_step(run, agent, now):
            case Wait():
                pass
            case Record(event):
                yield [event], None
            case AskApproval(request):
                yield [request], None
            case CallModel():
                yield [], "model"
            case UseDraft(otherwise):
                yield [otherwise], None
                for draft in (Answer(text="a"), Question(text="q")):
                    call = CALL.model_copy(update={"model": ""})
                    yield [e.ModelAnswered(at=NOW, choice=draft, content="c", call=call)], None
            case CallTool(_, None):
                yield [e.ToolStarted(at=NOW, key="k")], "tool"
            case CallTool(_, key):
                yield [e.ToolRepeated(at=NOW, key=key)], "tool"
            case SendReply(outgoing, given_up) if given_up:
                key = outgoing.key or ""
                yield [e.ReplyFailed(at=NOW, error=given_up, retry_at=None, key=key)], None
            case SendReply(outgoing):
                key = outgoing.key or free_key(run)
                begin = e.ReplyStarted(
                    at=NOW,
                    key=key,
                    kind=outgoing.kind,
                    text=outgoing.text,
                    inquiry=outgoing.inquiry,
                )
                if outgoing.to is None:
                    yield [begin, e.ReplySent(at=NOW, receipt="held")], None
                else:
                    yield [] if outgoing.key else [begin], key


def free_key(run: Run) -> str:
    used = {out.key for out in (*run.outbox.queue, *run.outbox.undelivered)}
    return next(key for key in map(str, range(9)) if key not in used)


def without_agent(run: Run) -> Iterator[e.Event]:
    """What a worker writes down that does not have the agent, where no other has it."""
    match step_without_agent(run, LATER):
        case Record(event):
            yield event


def limits(run: Run) -> Iterator[e.Event]:
    """What may be in the way of a model call."""
    if not run.work.extended:
        yield LIMIT
    if run.agent_version == "1":
        yield e.VersionChanged(at=NOW, agent_version="2", text="new?")


def table() -> list[Transition]:
    rows = re.findall(r"^\| (\S*) \| `(\w+)` \| (\S+) \|", DOC.read_text(), re.M)
    return [("" if state == "–" else state, event, after) for state, event, after in rows]


def diagram() -> Iterable[Transition]:
    block = re.search(r"```mermaid\n(.*?)```", DOC.read_text(), re.S)
    assert block
    for state, after, events in re.findall(r"^ *(\S+) --> (\S+) *: *(.+)$", block[1], re.M):
        for event in re.split(r"[\s,]+|<br>", events.strip()):
            if event:
                yield "" if state == "[*]" else state, event, after
