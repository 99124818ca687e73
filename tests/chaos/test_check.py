"""The check sees what is wrong: evidence of a small sound world, spoiled in one place at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ponderd.channels.message import Address
from ponderd.workers.control.views import run_view
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer, ToolCall
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.run.reduce import fold
from tests.chaos.check import Effect, Evidence, SeenRun, check, copies
from tests.chaos.receivers import Received, Visible
from tests.chaos.schedules import Planned
from tests.chaos.senders import Conversation, Message

RUN = "00-abc-1"
CALL = ModelCall(model="m", decision=ThinkingDecision(), prompt_hash="", seconds=0)
TO = Address(channel="slack", to="C1", thread="1.1")
POST = Visible("slack", "slack:C1:1.1", f"{RUN}:7", "done")
RATED = e.FeedbackReceived(at=1, value=1, by="r1", source="judge", answer=6)
LOG: tuple[e.Event, ...] = (
    e.RunLaunched(
        at=1,
        run_id=RUN,
        agent="chaos",
        agent_version="1",
        channel="slack",
        conversation="T1:C1:1.1",
    ),
    e.MessageReceived(at=1, text="do it", sender="U1", reply_to=TO),
    e.ModelAnswered(
        at=1, choice=ToolCall(tool="once", arguments={"order": "o"}), content="{}", call=CALL
    ),
    e.ToolStarted(at=1, key=f"{RUN}:3"),
    e.ToolFinished(at=1, result="once o", seconds=0),
    e.ModelAnswered(at=1, choice=Answer(text="done"), content="{}", call=CALL),
    e.ReplyStarted(at=1, key=f"{RUN}:7", kind="answer", text="done"),
    e.ReplySent(at=1, receipt="1.2"),
    RATED,
)
EFFECT = Effect("once", "o", f"{RUN}:3", RUN)


def shown(log: tuple[e.Event, ...]) -> dict[str, Any]:
    return run_view(fold(log)).model_dump(mode="json")


def evidence(
    *,
    log: tuple[e.Event, ...] = LOG,
    posts: tuple[Visible, ...] = (POST,),
    effects: tuple[Effect, ...] = (EFFECT,),
    ledger: tuple[str, ...] = (f"{RUN}:3", f"{RUN}:6"),
) -> Evidence:
    talk = Conversation("t1", "slack", "T1:C1:1.1")
    talk.messages.append(Message("m1", "slack:C1:1.1", accepted=True))
    talk.ratings.append(Message("r1", None, accepted=True))
    received = Received()
    for post in posts:
        received.add(post)
    return Evidence([talk], received, [SeenRun(shown(log), shown(log), log)], effects, ledger)


PLANNED = Planned("tick", 2, 3, "callback:tick")
TICKS = (0, 2, 4, 6)
COUNTS = {"started": 4, "joined": 0, "missed": 0, "overlapped": 0}


def tick(at: int, run_id: str, messages: int = 1) -> SeenRun:
    launched = e.RunLaunched(
        at=1,
        run_id=run_id,
        agent="chaos",
        agent_version="1",
        channel="schedule",
        conversation=f"tick@1970-01-01T00:00:{at:02}Z",
    )
    log = (launched, *[LOG[1]] * messages, *LOG[5:6])
    log = (*log, e.ReplyStarted(at=1, key=f"{run_id}:7", kind="answer", text=""), LOG[7])
    return SeenRun(shown(log), shown(log), log)


def scheduled(
    runs: Sequence[SeenRun] = tuple(tick(at, f"00-{at}-1") for at in TICKS),
    *,
    answers: Sequence[str] = tuple(f"00-{at}-1:7" for at in TICKS),
    **counts: int,
) -> Evidence:
    """Of a world that has a schedule, and in which nobody talks."""
    received = Received()
    for key in answers:
        received.add(Visible("callback", PLANNED.address, key, ""))
    return Evidence([], received, runs, [], schedules=[(PLANNED, COUNTS | counts)])


def without(*types: type[e.Event]) -> tuple[e.Event, ...]:
    return tuple(event for event in LOG if not isinstance(event, types))


def test_sound() -> None:
    assert check(evidence()) == []


SPOILED: dict[str, tuple[str, Callable[[], Evidence]]] = {
    "a wrong snapshot": ("wrong", lambda: replace(evidence(), wrong_snapshots=["00-a-b"])),
    "no outcome": ("lost", lambda: evidence(posts=())),
    "two outcomes": (
        "doubled",
        lambda: evidence(posts=(POST, replace(POST, key=f"{RUN}:9"))),
    ),
    "one outcome posted to Slack twice": ("doubled", lambda: evidence(posts=(POST, POST))),
    "an outcome elsewhere": (
        "lost",
        lambda: evidence(posts=(replace(POST, address="slack:C1:9.9"),)),
    ),
    "a message stored twice": (
        "doubled",
        lambda: evidence(log=(*LOG[:2], *LOG[1:])),
    ),
    "a tool that ran twice": ("doubled", lambda: evidence(effects=(EFFECT, EFFECT))),
    "an order carried out under two keys": (
        "doubled",
        lambda: evidence(effects=(EFFECT, replace(EFFECT, key=f"{RUN}:5"))),
    ),
    "a repeatable order under two keys": (
        "doubled",
        lambda: evidence(
            effects=(replace(EFFECT, tool="keep"), replace(EFFECT, tool="keep", key=f"{RUN}:5"))
        ),
    ),
    "an effect that was acknowledged but is not there": ("lost", lambda: evidence(effects=())),
    "an effect without an intent": (
        "doubled",
        lambda: evidence(log=without(e.ToolStarted, e.ToolFinished)),
    ),
    "a rating that was accepted but is not there": (
        "lost",
        lambda: evidence(log=without(e.FeedbackReceived)),
    ),
    "a rating of no answer": (
        "wrong",
        lambda: evidence(log=(*LOG, RATED.model_copy(update={"answer": 8}))),
    ),
    "a model call that was noted but never happened": (
        "wrong",
        lambda: evidence(ledger=(f"{RUN}:5",)),
    ),
    "a model call of no run": ("wrong", lambda: evidence(ledger=("00-other-1:3",))),
    "a reply that never went out": ("stuck", lambda: evidence(log=without(e.ReplySent))),
}


@pytest.mark.parametrize("name", SPOILED)
def test_spoiled(name: str) -> None:
    kind, spoiled = SPOILED[name]
    assert kind in {violation.kind for violation in check(spoiled())}


def test_what_is_told_again_at_a_new_address_with_the_same_key_counts_once() -> None:
    sound = evidence(posts=(POST, replace(POST, address="slack:C1:1.2", key=f"{RUN}:9")))
    talk = sound.conversations[0]
    talk.messages.append(Message("m2", "slack:C1:1.2", accepted=True))
    assert not [v for v in check(sound) if "outcomes" in v.what]
    sound.received.add(replace(POST, address="slack:C1:1.2"))
    assert not [v for v in check(sound) if "outcomes" in v.what]


def test_a_question_that_failed_may_have_arrived_before_the_run_was_cancelled() -> None:
    risky = ToolCall(tool="risky", arguments={"order": "o"})
    asked = (
        *LOG[:2],
        e.ModelAnswered(at=1, choice=risky, content="{}", call=CALL),
        e.ApprovalRequested(at=1, text="may I?", digest=""),
        e.ReplyStarted(at=1, key=f"{RUN}:4", kind="question", text="may I?"),
    )
    failed = e.ReplyFailed(at=1, error="lost", retry_at=3, key=f"{RUN}:4")
    sent = e.ReplySent(at=1, receipt="1.1", key=f"{RUN}:4")
    cancelled = e.RunCancelled(at=1, by="Bob")
    told = (e.ReplyStarted(at=1, key=f"{RUN}:8", kind="failure", text="Cancelled by Bob."), LOG[7])
    for log, doubled in (
        ((*asked, failed, cancelled, *told), 0),
        ((*asked, failed, sent, cancelled), 1),
        ((*asked, sent, cancelled), 1),
    ):
        posts = (replace(POST, key=f"{RUN}:4"), replace(POST, key=f"{RUN}:8"))
        found = [v for v in check(evidence(log=log, posts=posts)) if "outcomes" in v.what]
        assert sum(violation.count for violation in found) == doubled


def test_sound_schedule() -> None:
    assert check(scheduled()) == []


SOUND = scheduled().runs
WRONG_TICKS: dict[str, tuple[str, str, Callable[[], Evidence]]] = {
    "lost": ("lost", "no run of the tick at 4", lambda: scheduled([*SOUND[:2], *SOUND[3:]])),
    "all lost": ("lost", "only 0 ticks", lambda: scheduled([])),
    "a run more": (
        "doubled",
        "also 00-4-1",
        lambda: scheduled([*SOUND, tick(4, "00-4-2")]),
    ),
    "twice in one run": (
        "doubled",
        "messages stored",
        lambda: scheduled([*SOUND[:3], tick(6, "00-6-1", messages=2)]),
    ),
    "a run of no tick": ("doubled", "3 is no tick", lambda: scheduled([*SOUND, tick(3, "00-3-1")])),
    "of no schedule": (
        "doubled",
        "nobody's conversation",
        lambda: replace(scheduled(), schedules=[]),
    ),
    "without an answer": (
        "lost",
        "outcomes at callback:tick",
        lambda: scheduled(answers=["00-0-1:7", "00-2-1:7", "00-4-1:7"]),
    ),
    "with two answers": (
        "doubled",
        "outcomes at callback:tick",
        lambda: scheduled(answers=[*(f"00-{at}-1:7" for at in TICKS), "00-4-1:9"]),
    ),
    "counted wrongly": ("wrong", "the API counts", lambda: scheduled(missed=1)),
}


@pytest.mark.parametrize("name", WRONG_TICKS)
def test_wrong_ticks(name: str) -> None:
    kind, what, spoiled = WRONG_TICKS[name]
    assert any(v.kind == kind and what in v.what for v in check(spoiled()))


def test_a_repeatable_tool_may_run_twice_with_one_key() -> None:
    twice = (replace(EFFECT, tool="keep"), replace(EFFECT, tool="keep"))
    assert check(evidence(effects=twice)) == []


def test_a_tool_whose_outcome_is_unknown_may_have_run_or_not() -> None:
    log = (*LOG[:4], e.ToolOutcomeUnknown(at=1), *LOG[5:])
    for effects in ((), (EFFECT,)):
        assert [v for v in check(evidence(log=log, effects=effects)) if v.kind != "stuck"] == []


def test_a_listing_that_does_not_show_the_log() -> None:
    sound = evidence()
    run = sound.runs[0]
    stale = SeenRun({**run.listed, "status": "READY"}, run.shown, run.log)
    [violation] = check(replace(sound, runs=[stale]))
    assert violation.kind == "wrong"


def test_a_run_of_no_conversation() -> None:
    sound = evidence()
    [violation, *_] = check(replace(sound, conversations=[]))
    assert violation.kind == "doubled"


def test_mail_and_callbacks_may_come_again_with_the_same_key() -> None:
    received = Received()
    for channel in ("mail", "mail", "callback"):
        received.add(Visible(channel, "a", f"{channel}-key", ""))
    assert copies(received) == {"mail": 1, "callback": 0}
