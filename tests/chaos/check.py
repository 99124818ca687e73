"""Looks from outside, when everything is quiet: was anything lost, done twice, or left stuck? Pure.

An outcome counts once for each key by which its receiver knows it (Message-ID, webhook-id): mail
and callbacks may arrive again with the same key, as their senders cannot know better; such copies
are reported apart. Slack knows no keys, so there every post counts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ponderd.workers.control.views import run_view
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import FINISHED, Status
from tests.chaos.receivers import Received
from tests.chaos.schedules import Planned
from tests.chaos.senders import Conversation

REPEATABLE = ("keep", "fatal")
"""The agent's idempotent tools."""

_OWN_ID = re.compile(r"<(?P<run>[^@]+)\.(?P<version>\d+)\.[0-9a-f]+@.*>")


@dataclass(frozen=True)
class Violation:
    kind: Literal["lost", "doubled", "stuck", "wrong"]
    what: str
    run_id: str = ""
    count: int = 1


@dataclass(frozen=True)
class SeenRun:
    """A run as the API shows it: in the listing, by itself, and its log."""

    listed: Mapping[str, Any]
    shown: Mapping[str, Any]
    log: Sequence[e.Event]

    @property
    def id(self) -> str:
        return str(self.listed["id"])


@dataclass(frozen=True)
class Effect:
    """One execution of a tool."""

    tool: str
    order: str
    key: str
    run: str


@dataclass(frozen=True)
class Evidence:
    conversations: Sequence[Conversation]
    received: Received
    runs: Sequence[SeenRun]
    effects: Sequence[Effect]
    ledger: Sequence[str] = ()
    """The model calls that were noted for the learner, by the event that each became."""
    schedules: Sequence[tuple[Planned, Mapping[str, int]]] = ()
    """Each with what the API says that became of its ticks."""
    snapshots: int = 0
    """How many runs have one."""
    wrong_snapshots: Sequence[str] = ()
    """Runs of which the log says something else."""
    by_run: dict[str, SeenRun] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_run", {run.id: run for run in self.runs})


def check(evidence: Evidence) -> list[Violation]:
    return [
        *_outcomes(evidence),
        *_verdicts(evidence),
        *_ratings(evidence),
        *_ledger(evidence),
        *_slack_posts(evidence),
        *(
            found
            for planned, counts in evidence.schedules
            for found in _ticks(evidence, planned, counts)
        ),
        *_effects(evidence),
        *(
            Violation("wrong", "its snapshot is not what its log says", run_id)
            for run_id in evidence.wrong_snapshots
        ),
        *(found for run in evidence.runs for found in _state(run)),
    ]


def copies(received: Received) -> dict[str, int]:
    """How often mail and callbacks came again with a key that was there already."""
    again: Counter[str] = Counter()
    seen = set()
    for visible in received.all:
        again[visible.channel] += visible.key in seen
        seen.add(visible.key)
    return {channel: again[channel] for channel in ("mail", "callback")}


def _outcomes(evidence: Evidence) -> Iterable[Violation]:
    runs: dict[tuple[str, str], list[SeenRun]] = defaultdict(list)
    for run in evidence.runs:
        runs[run.listed["channel"], run.listed["conversation"]].append(run)
    for talk in evidence.conversations:
        mine = runs.pop((talk.channel, talk.name), [])
        run_id = mine[0].id if mine else talk.run_id
        accepted = [message for message in talk.messages if message.accepted]
        if len(mine) > 1:
            yield Violation("doubled", f"{talk.id}: {len(mine)} runs", run_id, len(mine) - 1)
        stored = sum(isinstance(event, e.MessageReceived) for run in mine for event in run.log)
        yield from _compare(f"{talk.id}: messages stored", stored, stored, len(accepted), run_id)
        notices = {key for run in mine for key in _notices(run.log)}
        said, all = Counter[str | None](), Counter[str | None]()
        for visible in evidence.received.at(talk.addresses):
            all[visible.address] += 1
            said[visible.address] += _reply_key(visible.key) not in notices
        expected = Counter(message.address for message in accepted)
        if decided := sum(len(_decisions(run.log)) for run in mine):
            expected[None] += decided  # what follows is said besides the question
        # Whoever asked hears what came of it, too, if somebody else's message said yes or no: every
        # message of a webhook or of the API has a callback of its own here.
        spare = sum(len(_by_message(run.log)) for run in mine if talk.channel in ("webhook", "api"))
        if spare:
            expected[None] += 0
        spare += sum(_asked_in_vain(run.log) for run in mine)
        late = e.RunSetAside | e.ReplyPutAside
        if any(isinstance(event, late) for run in mine for event in run.log):
            # Whoever writes before a reply arrives is told it where they wrote from last. And what
            # else they write to a run that was set aside waits until they have answered.
            expected[None] -= sum(_waiting(run) for run in mine)
        if None in expected:  # they may be answered at any of the conversation's addresses
            said, all, expected = (_total(counts) for counts in (said, all, expected))
        for where in {*all, *expected}:
            what = f"{talk.id}: outcomes at {where or 'all addresses'}"
            yield from _compare(what, said[where], all[where], expected[where], run_id, spare)
    schedules = {planned.name for planned, _ in evidence.schedules}
    for (channel, name), rest in runs.items():
        if channel == "schedule" and name.partition("@")[0] in schedules:
            continue
        yield Violation("doubled", f"a run of nobody's conversation: {name}", rest[0].id, len(rest))


def _total(counts: Counter[str | None]) -> Counter[str | None]:
    return Counter({None: counts.total()})


def _ticks(evidence: Evidence, planned: Planned, counts: Mapping[str, int]) -> Iterable[Violation]:
    """Each due time from the first to the last that was admitted has one run, one message in it,
    and one outcome."""
    seen: dict[int, str] = {}
    asks = False
    for run in evidence.runs:
        name, _, tick = str(run.listed["conversation"]).partition("@")
        if run.listed["channel"] != "schedule" or name != planned.name:
            continue
        at = int(datetime.fromisoformat(tick).timestamp())
        if at in seen:
            yield Violation("doubled", f"tick {name}@{tick}: also {seen[at]}", run.id)
        seen[at] = run.id
        asks |= run.listed["status"] == "SET_ASIDE"  # nobody here answers, so the next ones wait
        stored = sum(isinstance(event, e.MessageReceived) for event in run.log)
        yield from _compare(f"tick {name}@{tick}: messages stored", stored, stored, 1, run.id)
        notices = set(_notices(run.log))
        heard = evidence.received.by_address.get(planned.address, {})
        mine = {key for key in map(_reply_key, heard) if key.rpartition(":")[0] == run.id}
        what = f"tick {name}@{tick}: outcomes at {planned.address}"
        yield from _compare(what, len(mine - notices), len(mine), 1, run.id)
    if len(seen) < planned.least and not asks:
        yield Violation("lost", f"{planned.name}: only {len(seen)} ticks", count=planned.least)
    if seen:
        due = set(range(min(seen), max(seen) + 1, planned.seconds))
        due = {at for at in due if at % planned.seconds == 0}
        for at in sorted(due - set(seen)):
            yield Violation("lost", f"{planned.name}: no run of the tick at {at}")
        for at in sorted(set(seen) - due):
            yield Violation("doubled", f"{planned.name}: {at} is no tick", seen[at])
    told = {"started": len(seen), "joined": 0, "missed": 0, "overlapped": 0}
    if dict(counts) != told:
        yield Violation("wrong", f"{planned.name}: the API counts {counts} instead of {told}")


def _verdicts(evidence: Evidence) -> Iterable[Violation]:
    """Who was told that their answer counts is who decided, and nobody else did."""
    runs = {(run.listed["channel"], run.listed["conversation"]): run for run in evidence.runs}
    for talk in evidence.conversations:
        run = runs.get((talk.channel, talk.name))
        by = [event.by.lower() for event in _decisions(run.log)] if run else []
        if len(by) > 1:
            yield Violation("doubled", f"{talk.id}: decided by {by}", talk.run_id, len(by) - 1)
        told = [verdict.id for verdict in talk.verdicts if verdict.accepted and verdict.answers]
        for name in set(told) - set(by):
            yield Violation("lost", f"{talk.id}: {name} was told they had decided", talk.run_id)


def _ratings(evidence: Evidence) -> Iterable[Violation]:
    """What was accepted is in the log, and about an answer of a model. A thumb in Slack may find
    nothing, as what it is on is only remembered (so it is in no conversation's `ratings`)."""
    given: set[str] = set()
    for run in evidence.runs:
        for event in run.log:
            if isinstance(event, e.FeedbackReceived):
                given.add(event.by)
                number = event.answer or 0
                about = run.log[number - 1] if 0 < number <= len(run.log) else None
                if not isinstance(about, e.ModelAnswered):
                    yield Violation("wrong", f"feedback about event {number}", run.id)
    for talk in evidence.conversations:
        for rating in talk.ratings:
            if rating.accepted and rating.id not in given:
                yield Violation("lost", f"feedback {rating.id}", talk.run_id)


def _ledger(evidence: Evidence) -> Iterable[Violation]:
    """What is noted did happen. That everything is noted is not promised."""
    for call in evidence.ledger:
        run_id, _, version = call.rpartition(":")
        run = evidence.by_run.get(run_id)
        event = run.log[int(version) - 1] if run and int(version) <= len(run.log) else None
        if not isinstance(event, e.ModelAnswered | e.ModelRejected | e.ModelDoubted):
            yield Violation("wrong", f"noted, but no model call: {call}", run_id)


def _waiting(run: SeenRun) -> int:
    """Messages that wait for people to answer what a run that was set aside asks them."""
    folded = fold(run.log)
    return len(folded.inbox.waiting) if folded.status is Status.SET_ASIDE else 0


def _asked_in_vain(log: Iterable[e.Event]) -> int:
    """Questions that may have arrived unseen before their run was cancelled, which whoever asked is
    told then."""
    asked, failed = set[str](), set[str]()
    for event in log:
        match event:
            case e.ReplyStarted() if event.kind == "question":
                asked.add(event.key)
            case e.ReplyFailed() if event.key in asked:
                failed.add(event.key)
            case e.ReplySent():
                failed.discard(event.key)
            case e.RunCancelled():
                return len(failed)
    return 0


def _decisions(log: Iterable[e.Event]) -> list[e.ApprovalAnswered]:
    """By other means than a message."""
    return [event for event in log if isinstance(event, e.ApprovalAnswered) and event.approval]


def _by_message(log: Iterable[e.Event]) -> list[e.ApprovalAnswered]:
    return [event for event in log if isinstance(event, e.ApprovalAnswered) and not event.approval]


def _compare(
    what: str, seen: int, at_most: int, expected: int, run_id: str, spare: int = 0
) -> Iterable[Violation]:
    """A notice (`at_most` counts them, too) may be the outcome of a message, "you may not decide
    this", or be said besides, "Ana has decided". `spare` outcomes may come besides."""
    text = f"{what}: {seen} (with notices {at_most}) instead of {expected}"
    if at_most < expected:
        yield Violation("lost", text, run_id, expected - at_most)
    elif seen > expected + spare:
        yield Violation("doubled", text, run_id, seen - expected - spare)


def _notices(log: Iterable[e.Event]) -> Iterable[str]:
    """Keys of replies that are no outcome of a message."""
    for event in log:
        if isinstance(event, e.ReplyStarted) and event.kind == "notice":
            yield event.key


def _reply_key(key: str) -> str:
    found = _OWN_ID.fullmatch(key)
    return f"{found['run']}:{found['version']}" if found else key


def _slack_posts(evidence: Evidence) -> Iterable[Violation]:
    posts = Counter(visible.key for visible in evidence.received.all if visible.channel == "slack")
    for key, times in posts.items():
        if times > 1:
            run_id = key.rpartition(":")[0]
            yield Violation("doubled", f"posted to Slack {times} times: {key}", run_id, times - 1)


def _effects(evidence: Evidence) -> Iterable[Violation]:
    executions = Counter((effect.tool, effect.key) for effect in evidence.effects)
    for (tool, key), times in executions.items():
        if times > 1 and tool not in REPEATABLE:
            run_id = key.rpartition(":")[0]
            yield Violation("doubled", f"{tool} ran {times} times: {key}", run_id, times - 1)
    keys: dict[str, set[str]] = defaultdict(set)
    for effect in evidence.effects:
        keys[effect.order].add(effect.key)
    for order, used in keys.items():
        if len(used) > 1:
            what = f"order {order} took effect under {sorted(used)}"
            yield Violation("doubled", what, next(iter(used)).rpartition(":")[0], len(used) - 1)
    done = {key for _, key in executions}
    for run in evidence.runs:
        begun: set[str] = set()
        for key, event in _settled(run.log):
            if key in begun:
                yield Violation("doubled", f"two intents {key}", run.id)
            begun.add(key)
            if isinstance(event, e.ToolFinished) and key not in done:
                yield Violation("lost", f"acknowledged, but never took effect: {key}", run.id)
        for key in done - begun:
            if key.startswith(f"{run.id}:"):
                yield Violation("doubled", f"an effect without an intent: {key}", run.id)
    for key in done:
        if key.rpartition(":")[0] not in evidence.by_run:
            yield Violation("doubled", f"an effect of no run: {key}")


def _settled(log: Iterable[e.Event]) -> Iterable[tuple[str, e.Event | None]]:
    """Each tool call that was begun, and how it ended."""
    key = None
    for event in log:
        match event:
            case e.ToolStarted():
                if key is not None:
                    yield key, None
                key = event.key
            case e.ToolFinished() | e.ToolFailed() | e.ToolOutcomeUnknown() if key is not None:
                yield key, event
                key = None
    if key is not None:
        yield key, None


def _state(run: SeenRun) -> Iterable[Violation]:
    folded = run_view(fold(run.log)).model_dump(mode="json")
    for name, value in folded.items():
        if run.shown[name] != value:
            what = f"GET shows {name}={run.shown[name]!r}, its log says {value!r}"
            yield Violation("wrong", what, run.id)
        # The listing has the store's own times, and alone says who sleeps.
        own = name == "asleep" or name.endswith("_at")
        if name in run.listed and not own and run.listed[name] != value:
            what = f"the listing shows {name}={run.listed[name]!r}, its log says {value!r}"
            yield Violation("wrong", what, run.id)
    status, waits_for = Status(folded["status"]), folded["waiting_for"]
    asks = status is Status.WAITING and waits_for != "retry"
    at_rest = status in FINISHED or asks or status is Status.SET_ASIDE
    if not at_rest:
        yield Violation("stuck", f"{status} {waits_for or ''}".strip(), run.id)
    started = [event.key for event in run.log if isinstance(event, e.ReplyStarted)]
    for key, times in Counter(started).items():
        if times > 1:
            yield Violation("doubled", f"two intents to reply {key}", run.id)
