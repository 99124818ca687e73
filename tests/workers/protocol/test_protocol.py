"""The protocol of workers, senders and people holds in every order of events, and the search that
says so finds what is broken.

About 44,000 states and 98,000 moves, 37 s on one core;
`python -m tests.workers.protocol.test_protocol` prints them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
import structlog

from ponderd.workers.agents.agent import Agent
from ponderd.workers.execution import delivery as deliveries
from ponderd.workers.execution import executor, late_results, leases, sending
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Outgoing, Run
from ponderd.workers.steps import next_step as steps
from ponderd.workers.store import contract as s
from ponderd.workers.store.memory_store import MemoryStore
from tests.workers.protocol import protocol_actors
from tests.workers.protocol.protocol_model import Search, Violation
from tests.workers.protocol.protocol_states import PATIENT, Scenario

IMPATIENT = PATIENT.model_copy(update={"timeout": 15.0, "on_timeout": "deny"})
KILLED = Scenario("look", workers=1, faults=3, only_kills=True)

SCENARIOS = {
    "two faults": Scenario("ring", faults=2),
    "three workers": Scenario("look", workers=3, faults=2),
    "pause and resume": Scenario("ring", (("pause", "resume"),)),
    "cancel while the agent is busy": Scenario("ring", (("cancel",), ("say:thanks",)), faults=0),
    "cancel and a fault": Scenario("ring", (("cancel",),)),
    "a second message, delivered twice": Scenario(
        "ring", (("say:thanks", "say:thanks"),), workers=1
    ),
    "two people decide at once": Scenario("launch", (("approve:ann",), ("deny:bob",)), faults=0),
    "approved, and a fault": Scenario("launch", (("approve:ann",),)),
    "pause and resume in words": Scenario("ring", (("say:/pause", "say:/resume"),), faults=0),
    "yes in words, and cancel": Scenario("launch", (("say:yes",), ("cancel",)), faults=0),
    "paused, and an answer": Scenario("launch", (("pause", "say:no", "resume"),), workers=1),
    "an approval, and commands": Scenario(
        "launch", (("say:/pause", "say:/resume"),), workers=1, faults=0
    ),
    "an approval, and an event": Scenario(
        "launch", (("event:late", "pause", "event:more"),), workers=1, faults=0
    ),
    "paused asleep, and an answer": Scenario(
        "launch", (("pause", "say:no"),), workers=1, faults=0, sleeps=1
    ),
    "an answer that hangs, and a second message": Scenario(
        "look", (("say:thanks",),), faults=0, patience=0
    ),
    "an answer that hangs, and a cancel": Scenario("look", (("cancel",),), workers=1, patience=0),
    "a tool that is too slow, and a fault": Scenario("drill"),
    "a tool that is too slow, and a cancel": Scenario("drill", (("cancel",),), faults=0),
    "a tool that is too slow, and a message": Scenario("drill", (("say:thanks",),), faults=0),
    "a poisonous tool, and a yes": replace(KILLED, people=(("approve:ann",),), faults=4),
    "a poisonous tool, and a no": replace(KILLED, people=(("deny:bob",),)),
    "a poisonous tool, and nobody": replace(KILLED, approvals=IMPATIENT),
    "snapshots, and a fault": Scenario("ring", snapshots=True),
    "snapshots, pause and resume": Scenario(
        "ring", (("pause", "resume"),), faults=0, snapshots=True
    ),
    "asleep, approved, and a fault": Scenario("launch", (("approve:ann",),), workers=1, sleeps=1),
    "asleep, and a message": Scenario("launch", (("say:yes",),), faults=0, sleeps=1),
    "asleep twice, and a pause": Scenario(
        "launch", (("pause", "resume"),), workers=1, faults=0, sleeps=2
    ),
    "more messages than there is room for": Scenario(
        "look", (("say:thanks", "say:well"),), workers=1, waiting=1, faults=0
    ),
    "a decision in the last moment": Scenario(
        "launch", (("approve:ann",),), faults=0, approvals=IMPATIENT
    ),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with silenced():
        yield


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_or_done_twice_or_stuck(name: str) -> None:
    search = Search(SCENARIOS[name]).run()
    assert search.states > 100


# -- what is broken on purpose ---------------------------------------------------------------------


class NoTokenBumpAtRelease(MemoryStore):
    async def commit(self, run_id: str, token: int, *args: Any) -> Any:
        outcome = await super().commit(run_id, token, *args)
        self._runs[run_id].token = max(token, self._runs[run_id].token - bool(args[3]))
        return outcome


class NoTokenBumpAtClaim(MemoryStore):
    async def claim(self, run_id: str, owner: str, *args: Any) -> s.Claim | None:
        claim = await super().claim(run_id, owner, *args)
        if claim is None:
            return None
        self._runs[run_id].token -= 1
        return replace(claim, token=claim.token - 1)


class ClaimsWhatIsHeld(MemoryStore):
    async def claim(self, run_id: str, owner: str, *args: Any) -> s.Claim | None:
        self._runs[run_id].lease_until = 0
        return await super().claim(run_id, owner, *args)


class ClaimIsNotDue(MemoryStore):
    async def claim(self, run_id: str, owner: str, *args: Any) -> s.Claim | None:
        claim = await super().claim(run_id, owner, *args)
        if claim:
            del self._due[run_id]
        return claim


class MessageIsNotDue(MemoryStore):
    def _mark_due(self, run: Any, now: float, lease_time: float) -> bool:
        return run.lease_until <= lease_time


class SweepForgets(MemoryStore):
    async def sweep(self, limit: int, grace: float, takes_over: bool = True) -> list[str]:
        found = await super().sweep(limit, grace, takes_over)
        for run_id in found:
            del self._due[run_id]
        return found


class NoVersionCheck(MemoryStore):
    async def commit(self, run_id: str, token: int, version: int, *args: Any) -> Any:
        return await super().commit(run_id, token, len(self._runs[run_id].log), *args[:3])


class NoTokenCheck(MemoryStore):
    async def commit(self, run_id: str, token: int, *args: Any) -> Any:
        return await super().commit(run_id, self._runs[run_id].token, *args)


class NoTokenCheckAtRenewal(MemoryStore):
    async def renew(self, claims: Sequence[tuple[str, int]], lease: float) -> dict[str, int]:
        return await super().renew([(run, self._runs[run].token) for run, _ in claims], lease)


class NoVersionCheckOfSignals(MemoryStore):
    async def signal(self, run_id: str, version: int, *args: Any) -> Any:
        return await super().signal(run_id, len(self._runs[run_id].log), *args)


class RestsInSpiteOfAConflict(MemoryStore):
    async def commit(self, run_id: str, *args: Any) -> Any:
        outcome = await super().commit(run_id, *args)
        if isinstance(outcome, s.VersionConflict) and args[4] == s.Release():
            self._due.pop(run_id, None)
        return outcome


class ReleaseKeepsTheLease(MemoryStore):
    async def commit(self, run_id: str, *args: Any) -> Any:
        until = self._runs[run_id].lease_until
        outcome = await super().commit(run_id, *args)
        self._runs[run_id].lease_until = until
        return outcome


class ForgetsKeys(MemoryStore):
    def _recall(self, key: str, now: float) -> str | None:
        return None


class SnapshotIsAhead(MemoryStore):
    async def commit(self, run_id: str, token: int, version: int, *args: Any) -> Any:
        outcome = await super().commit(run_id, token, version, *args)
        sealed, space, rest = self._runs[run_id].snapshot.partition(b" ")
        if isinstance(outcome, s.Committed) and any(args[4:]):
            self._runs[run_id].snapshot = b"%d%b%b" % (int(sealed) + 1, space, rest)
        return outcome


class SnapshotOfALostCommit(MemoryStore):
    async def commit(self, run_id: str, token: int, version: int, *args: Any) -> Any:
        outcome = await super().commit(run_id, token, version, *args)
        self._runs[run_id].snapshot = b"".join(args[4:]) or self._runs[run_id].snapshot
        return outcome


class ListsAPausedRunAsBefore(MemoryStore):
    async def admit(self, message: s.NewMessage) -> s.Admission:
        run = self._runs.get(self._conversations.get(message.conversation_key, ""))
        as_it_was = run and s.Projection("PAUSED", run.head.waiting_for)
        admission = await super().admit(message)
        if run and as_it_was and run.head.status == "PAUSED":
            self._project(run, as_it_was, self._now())
        return admission


class ListsAnEventAsAMessage(MemoryStore):
    async def admit(self, message: s.NewMessage) -> s.Admission:
        return await super().admit(replace(message, ends=""))


class AcknowledgesTooEarly(MemoryStore):
    async def admit(self, message: s.NewMessage) -> s.Admission:
        if message.conversation_key in self._conversations:
            return s.Admission(self._conversations[message.conversation_key], "appended", True)
        return await super().admit(message)


RUNNING = Scenario("ring", faults=2)
PAUSED = SCENARIOS["pause and resume"]
SNAPSHOTS = SCENARIOS["snapshots, and a fault"]
WRITTEN_TO = SCENARIOS["a second message, delivered twice"]


class FallsAsleepWhateverCame(MemoryStore):
    async def sleep(self, run_id: str, version: int, last: bytes, *args: Any) -> bool:
        log = self._runs[run_id].log
        return bool(log) and await super().sleep(run_id, len(log), log[-1], *args)


class WakesWithoutWhatCame(MemoryStore):
    async def wake(self, run_id: str, mark: str, log: Sequence[bytes]) -> bool:
        if self._runs[run_id].asleep:
            self._runs[run_id].log = []
        return await super().wake(run_id, mark, log)


class WakesAgainAndAgain(MemoryStore):
    async def wake(self, run_id: str, mark: str, log: Sequence[bytes]) -> bool:
        if not self._runs[run_id].asleep:
            self._runs[run_id].log = list(log)
        return await super().wake(run_id, mark, log)


class ClaimsWhoSleeps(MemoryStore):
    async def claim(self, run_id: str, *args: Any) -> s.Claim | None:
        run = self._runs[run_id]
        run.asleep, run.log = "", [*vars(self)["_archived"].get(run_id, ())[:2], *run.log]
        return await super().claim(run_id, *args)


APPROVED_ASLEEP = SCENARIOS["asleep, approved, and a fault"]
TOLD_ASLEEP = SCENARIOS["asleep, and a message"]

BROKEN_STORES: list[tuple[type[MemoryStore], Scenario, str]] = [
    (NoTokenBumpAtRelease, RUNNING, "does not hold the run"),
    (NoTokenBumpAtClaim, RUNNING, "a token is given out twice"),
    (NoTokenCheck, RUNNING, "does not hold the run"),
    (NoTokenCheckAtRenewal, RUNNING, "does not hold the run"),
    (ClaimsWhatIsHeld, RUNNING, "two workers hold the run"),
    (ReleaseKeepsTheLease, RUNNING, "held by nobody"),
    (ClaimIsNotDue, RUNNING, "a wake-up is lost"),
    (SweepForgets, RUNNING, "a wake-up is lost"),
    (MessageIsNotDue, WRITTEN_TO, "a wake-up is lost"),
    (RestsInSpiteOfAConflict, WRITTEN_TO, "a wake-up is lost"),
    (NoVersionCheck, PAUSED, "after a pause or cancel"),
    (NoVersionCheckOfSignals, PAUSED, "not what the log says"),
    (NoVersionCheckOfSignals, SCENARIOS["two people decide at once"], "decided again"),
    (ForgetsKeys, WRITTEN_TO, "not stored exactly once"),
    (SnapshotIsAhead, SNAPSHOTS, "snapshot is not what the log says"),
    (SnapshotOfALostCommit, SNAPSHOTS, "snapshot is not what the log says"),
    (ListsAPausedRunAsBefore, SCENARIOS["paused, and an answer"], "not what the log says"),
    (ListsAnEventAsAMessage, SCENARIOS["an approval, and an event"], "not what the log says"),
    (AcknowledgesTooEarly, WRITTEN_TO, "not stored exactly once"),
    (FallsAsleepWhateverCame, APPROVED_ASLEEP, "not the length of the log"),
    (WakesWithoutWhatCame, TOLD_ASLEEP, "not what the log says"),
    (WakesAgainAndAgain, APPROVED_ASLEEP, "not what the log says"),
    (ClaimsWhoSleeps, TOLD_ASLEEP, "not the length of the log"),
]


@pytest.mark.parametrize(
    ("store", "scenario", "found"), BROKEN_STORES, ids=[row[0].__name__ for row in BROKEN_STORES]
)
def test_a_broken_store_is_found(store: type[MemoryStore], scenario: Scenario, found: str) -> None:
    with pytest.raises(Violation, match=found):
        Search(scenario, store).run()


def retries_every_tool() -> Any:
    def step(run: Run, agent: Agent, now: float, deaths: int = 0) -> steps.Step:
        if run.work.call and run.work.call_key and not run.paused and not run.ended:
            return steps.CallTool(run.work.call, run.work.call_key)
        return steps.next_step(run, agent, now, deaths)

    return mock.patch.object(executor, "next_step", step)


def ignores_a_pause() -> Any:
    def step(run: Run, agent: Agent, now: float, deaths: int = 0) -> steps.Step:
        return steps.next_step(replace(run, paused=False), agent, now, deaths)

    return mock.patch.object(executor, "next_step", step)


def acts_without_approval() -> Any:
    def step(run: Run, agent: Agent, now: float, deaths: int = 0) -> steps.Step:
        found = steps.next_step(run, agent, now, deaths)
        return (
            steps.CallTool(run.work.call)
            if run.work.call and isinstance(found, steps.AskApproval)
            else found
        )

    return mock.patch.object(executor, "next_step", step)


def sends_again_as_if_new() -> Any:
    async def deliver(*args: Any, resend: bool) -> Any:
        return await deliveries.deliver(*args, resend=False)

    return mock.patch.object(sending, "deliver", deliver)


def acts_before_the_intent_is_written() -> Any:
    async def use(self: Any, held: Any, run: Run, agent: Agent, call: Any, key: Any) -> Run:
        return await original(self, held, run, agent, call, key or f"{run.id}:{run.version}")

    original = executor.Executor._use_tool
    return mock.patch.object(executor.Executor, "_use_tool", use)


def never_looks_at_its_lease() -> Any:
    return mock.patch.object(leases.LeasedRun, "check", lambda self: None)


def does_not_know_its_own_writing() -> Any:
    def caught_up(self: Any, run: Run, missed: Any) -> Run:
        self.conflict = True
        return read(self, run, missed)

    async def append(self: Any, *args: Any) -> Any:
        self.conflict = False
        run, written = await write(self, *args)
        return run, written and not self.conflict

    read, write = leases.LeasedRun._caught_up, leases.LeasedRun._append
    return mock.patch.multiple(leases.LeasedRun, _caught_up=caught_up, _append=append)


def forgets_when_to_wake() -> Any:
    async def commit(self: Any, run: Run, events: Any = (), release: Any = None) -> Any:
        return await write(self, run, events, release and s.Release())

    write = leases.LeasedRun.commit
    return mock.patch.object(leases.LeasedRun, "commit", commit)


def leaves_what_was_begun_alone() -> Any:
    def step(run: Run, agent: Agent, now: float, deaths: int = 0) -> steps.Step:
        return (
            steps.Wait(now + 1) if run.work.call_key else steps.next_step(run, agent, now, deaths)
        )

    return mock.patch.object(executor, "next_step", step)


def gives_back_for_good() -> Any:
    async def give_back(self: Any, due: float) -> None:
        await original(self, None)

    original = leases.LeasedRun.give_back
    return mock.patch.object(leases.LeasedRun, "give_back", give_back)


def calls_a_timeout_failed() -> Any:
    async def run_tool(*args: Any) -> Any:
        outcome = await run(*args)
        if isinstance(outcome, e.ToolOutcomeUnknown):
            return e.ToolFailed(at=outcome.at, error="timed out", seconds=outcome.seconds)
        return outcome

    run = executor.run_tool
    return mock.patch.object(executor, "run_tool", run_tool)


def records_what_is_known_by_now() -> Any:
    def find(run: Run, key: str) -> bool:
        return True

    return mock.patch.object(late_results, "find", find)


def does_not_count_its_beginnings() -> Any:
    async def commit(self: Any, run: Run, events: Any = (), release: Any = None) -> Any:
        if any(isinstance(event, e.ToolRepeated) for event in events):
            return run, True
        return await write(self, run, events, release)

    write = leases.LeasedRun.commit
    return mock.patch.object(leases.LeasedRun, "commit", commit)


def asks_nobody_about_what_was_set_aside() -> Any:
    def step(run: Run, agent: Agent, now: float, deaths: int = 0) -> steps.Step:
        found = steps.next_step(run, agent, now, deaths)
        asks = isinstance(found, steps.SendReply) and run.is_set_aside
        return steps.Wait() if asks else found

    return mock.patch.object(executor, "next_step", step)


def forgets_that_it_began_to_send() -> Any:
    async def send(self: Any, run: Run, out: Outgoing, given_up: str = "") -> Run:
        return await original(self, run, replace(out, key=None), given_up)

    original = sending.Sending.send
    return mock.patch.object(sending.Sending, "send", send)


def seals_what_was_before() -> Any:
    def seal(run: Run, last: bytes) -> bytes:
        return write(replace(run, paused=False, inbox=replace(run.inbox, waiting=())), last)

    write = protocol_actors.seal
    return mock.patch.object(protocol_actors, "seal", seal)


def tells_nobody_who_was_turned_away() -> Any:
    return mock.patch.object(steps, "to_tell_at", lambda run, now: None)


DECIDED = SCENARIOS["approved, and a fault"]
SLOW = SCENARIOS["a tool that is too slow, and a fault"]

BROKEN_WORKERS: list[tuple[Callable[[], Any], Scenario, str]] = [
    (retries_every_tool, RUNNING, "an effect happens twice"),
    (acts_before_the_intent_is_written, RUNNING, "an effect without its intent"),
    (never_looks_at_its_lease, RUNNING, "an effect begins without a lease"),
    (does_not_know_its_own_writing, RUNNING, "an outcome without an intent"),
    (sends_again_as_if_new, RUNNING, "sent again as if it were new"),
    (ignores_a_pause, PAUSED, "after a pause or cancel"),
    (acts_without_approval, DECIDED, "nobody approved"),
    (gives_back_for_good, RUNNING, "a wake-up is lost"),
    (forgets_when_to_wake, RUNNING, "a wake-up is lost"),
    (leaves_what_was_begun_alone, RUNNING, "stuck"),
    (calls_a_timeout_failed, SLOW, "said to have failed"),
    (records_what_is_known_by_now, SLOW, "recorded twice"),
    (does_not_count_its_beginnings, KILLED, "too often without a yes"),
    (asks_nobody_about_what_was_set_aside, KILLED, "a wake-up is lost"),
    (
        seals_what_was_before,
        SCENARIOS["snapshots, pause and resume"],
        "snapshot is not what the log says",
    ),
    (
        tells_nobody_who_was_turned_away,
        SCENARIOS["more messages than there is room for"],
        "told that a message was turned away",
    ),
    (forgets_that_it_began_to_send, RUNNING, "answered twice"),
]


@pytest.mark.parametrize(
    ("broken", "scenario", "found"), BROKEN_WORKERS, ids=[row[0].__name__ for row in BROKEN_WORKERS]
)
def test_a_broken_worker_is_found(
    broken: Callable[[], Any], scenario: Scenario, found: str
) -> None:
    with broken(), pytest.raises(Violation, match=found):
        Search(scenario).run()


if __name__ == "__main__":
    with silenced():
        for name, scenario in SCENARIOS.items():
            began = time.process_time()
            search = Search(scenario).run()
            spent = time.process_time() - began
            print(f"{search.states:7,} states {search.moves:8,} moves {spent:5.1f} s  {name}")
