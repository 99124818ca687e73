"""docs/run-states.md says what the code does: every transition it lists, and no other."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from channels.message import Address
from workers import events as e
from workers.agent import Agent, Limits, tool
from workers.reducer import reduce
from workers.run import Run, Status, Usage
from workers.steps import CallModel, CallTool, Record, SendReply, Wait, next_step

DOC = Path(__file__).parents[2] / "docs" / "run-states.md"

Transition = tuple[str, str, str]
InFlight = Literal["model", "tool", "reply"] | None


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
)

# Three moments are enough: an event's, the one a retry is put off to, and a later one.
NOW, RETRY, LATER = 100.0, 200.0, 300.0

CALL = e.ModelCall(model="m", decision=e.Decision(), prompt_hash="", seconds=1)
LAUNCHED = e.RunLaunched(
    at=NOW, run_id="00-r", agent="worker", agent_version="1", channel="webhook", conversation="c"
)
SENDER = Address(channel="webhook", to="http://sender.example")
MESSAGES = [
    e.MessageReceived(at=NOW, text=text, sender="s", authentic=True, reply_to=reply_to)
    for text, reply_to in (("yes", SENDER), ("no", None), ("well", SENDER))
]

OUTCOMES: dict[InFlight, list[e.Event]] = {
    None: [],
    "model": [
        *(
            e.ModelAnswered(at=NOW, choice=choice, content="{}", call=CALL)
            for choice in (
                e.ToolCall(tool="look", arguments={"topic": "t"}),
                e.ToolCall(tool="deploy", arguments={"version": "1"}),
                e.ToolCall(tool="gone", arguments={}),
                e.Answer(text="a"),
                e.Question(text="q"),
            )
        ),
        e.ModelRejected(at=NOW, reason="prose", detail="d", content="c", call=CALL),
        e.ModelFailed(at=NOW, error="away", retry_at=RETRY),
        e.ModelFailed(at=NOW, error="away", retry_at=None),
    ],
    "tool": [
        e.ToolFinished(at=NOW, result="done", seconds=1),
        e.ToolFailed(at=NOW, error="no", seconds=1),
    ],
    "reply": [
        e.ReplySent(at=NOW, receipt="1"),
        e.ReplyFailed(at=NOW, error="away", retry_at=RETRY),
        e.ReplyFailed(at=NOW, error="gone", retry_at=None),
    ],
}


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
    for run in walk().runs[1:]:
        if isinstance(next_step(run, AGENT, LATER), Wait) and not run.paused:
            assert run.over or run.waiting_for
            assert not run.inbox and not run.outgoing and not run.call_key
        if run.over is None:  # what is said now is said about the message at hand
            assert len(run.outgoing) <= 1


def test_nothing_is_left_over_when_a_run_ends() -> None:
    for run in walk().runs:
        if run.over in (Status.COMPLETED, Status.FAILED):
            assert not (run.outgoing or run.inbox or run.call or run.paused or run.retry_at)
        if run.over is Status.CANCELLED and run.outgoing and run.outgoing[0].key is None:
            assert run.retry_at is None  # the notice goes out at once


class Walk(NamedTuple):
    transitions: set[Transition]
    runs: list[Run]


@functools.cache
def walk() -> Walk:
    """Walk through everything that can happen to a run, from its launch on.

    A run in flight may be met by what people do, by the outcome of the step, or by a crash. Facts
    are recorded on top of what happened meanwhile; intents are thought over again.
    """
    launched = reduce(None, LAUNCHED)
    found: set[Transition] = {("", LAUNCHED.type, str(launched.status))}
    runs: list[Run] = []
    start: tuple[Run, InFlight] = launched, None
    seen, waiting = {repr(start)}, [start]
    while waiting:
        run, in_flight = waiting.pop()
        runs.append(run)
        nexts: list[tuple[list[e.Event], InFlight]] = [([], None)]  # the worker crashes
        nexts += [([event], in_flight) for event in from_people(run)]
        nexts += [([event], None) for event in OUTCOMES[in_flight]]
        if in_flight is None and run is not launched:
            nexts += steps(run)
        for events, then in nexts:
            after = run
            for event in events:
                before, after = after, reduce(after, event)
                found.add((str(before.status), event.type, str(after.status)))
            node = forget(after), then
            if repr(node) not in seen:
                seen.add(repr(node))
                waiting.append(node)
    return Walk(found, runs)


def from_people(run: Run) -> Iterator[e.Event]:
    """What `workers.runs` lets people do. One message in the inbox stands for several."""
    if not run.inbox:
        yield from MESSAGES
    if not run.over:
        yield e.RunCancelled(at=NOW, by="p")
        yield e.RunResumed(at=NOW, by="p") if run.paused else e.RunPaused(at=NOW, by="p")


def steps(run: Run) -> Iterator[tuple[list[e.Event], InFlight]]:
    """What a worker does about the run, now and after a while: what it writes down first, and
    what is then in flight."""
    for now in (NOW, LATER):
        match next_step(run, AGENT, now):
            case Wait():
                pass
            case Record(event):
                yield [event], None
            case CallModel():
                yield [], "model"
            case CallTool(_, key):
                yield [] if key else [e.ToolStarted(at=NOW, key="k")], "tool"
            case SendReply(outgoing):
                begin = e.ReplyStarted(at=NOW, key="k", kind=outgoing.kind, text=outgoing.text)
                if outgoing.to is None:
                    yield [begin, e.ReplySent(at=NOW, receipt="held")], None
                else:
                    yield [] if outgoing.key else [begin], "reply"


def forget(run: Run) -> Run:
    """`run` without what no rule looks at, so that the walk comes to an end."""
    return replace(
        run,
        version=1,
        turns=(),
        text="",
        usage=Usage(),
        reply=None,
        output=None,
        error=None,
        outgoing=tuple(replace(out, text="", attempts=0) for out in run.outgoing),
        effort=replace(run.effort, mode=None, last_rejection=None, model_failures=0),
    )


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
