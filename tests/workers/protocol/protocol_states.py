"""The states of the search in `protocol_model`, and which of them are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from ponderd.workers.agents.policies import Approvals
from ponderd.workers.store.asleep import length_of
from tests.workers.protocol.protocol_actors import JUMP, LONG, Gate, Node, World

PATIENT = Approvals(remind_every=None)


@dataclass(frozen=True)
class Scenario:
    """One message is there already. `people` are the verbs of each person, done in turn."""

    text: str
    people: tuple[tuple[str, ...], ...] = ()
    workers: int = 2
    faults: int = 1
    approvals: Approvals = PATIENT
    patience: float = LONG
    """Seconds for which a run waits for a reply that it sends. 0: it goes on at once."""
    waiting: int = 200
    """Messages for which the inbox has room."""
    snapshots: bool = False
    """One is taken with every commit."""
    sleeps: int = 0
    """Times that the run may be sent to sleep."""
    only_kills: bool = False
    """All faults are workers that are killed, and people act when they are asked."""


class Person(NamedTuple):
    done: int = 0
    doing: Node | None = None


class Holder(NamedTuple):
    """Whom the store last gave the lease, and until when: kept by the search, by what the store
    answered, to compare with what it accepts."""

    token: int
    until: float


class State(NamedTuple):
    saved: bytes
    log: tuple[bytes, ...]
    now: float
    workers: tuple[Node | None, ...]
    people: tuple[Person, ...]
    faults: int
    holder: Holder | None = None
    tokens: int = 0
    """The highest token given out."""
    limbo: Gate | None = None
    """A command whose sender has given up waiting for it."""
    late: tuple[Node, ...] = ()
    """Tools that go on, or their results, though their workers have left the run."""
    begun: tuple[int, int] = (0, 0)
    """How often people said yes, and how often a tool was begun after the last time."""
    falling: tuple[int, bytes, str] | None = None
    """What somebody put in the archive, and has not dropped from the store: version, last event
    and mark."""
    slept: int = 0
    effects: tuple[tuple[str, str], ...] = ()
    sent: tuple[str, ...] = ()


class Looks:
    """What is the same looks the same: timestamps, tokens that are out of date, and which worker
    is which, do not show."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._texts: dict[Any, str] = {}
        self._logs: dict[Any, int] = {}
        self._numbers: dict[str, int] = {}

    def signature(self, state: State) -> Any:
        store = self._world.restore(state.saved, state.now)
        run, due = store._runs[self._world.run_id], store._due.get(self._world.run_id)
        return (
            self.known(state.log, state.now),
            due and (due > state.now),
            run.lease_until > state.now,
            (run.head.status, run.head.waiting_for),
            run.deaths,
            run.asleep and length_of(run.asleep),
            (state.falling and state.falling[:1], state.slept),
            self.known(self._world.archived or (), state.now),
            run.snapshot.partition(b" ")[0],
            tuple(sorted(self._worker_text(node, state, run.token) for node in state.workers)),
            tuple((p.done, p.doing and self.actor(p.doing, state)) for p in state.people),
            tuple(sorted(self._late_text(node, state.now) for node in state.late)),
            state.begun,
            self._command(state.limbo, state.now, run.token),
            state.holder and (state.holder.token == run.token, state.holder.until > state.now),
            state.faults,
            state.effects,
            state.sent,
        )

    def _worker_text(self, node: Node | None, state: State, token: int) -> tuple[Any, ...]:
        return (*self.actor(node, state), node.token == token) if node else ()

    def _late_text(self, node: Node, now: float) -> tuple[Any, ...]:
        return tuple(self._text(gate, now) for gate in node.beside)

    def actor(self, node: Node, state: State) -> tuple[Any, ...]:
        return self.look(node, state.now), self.known(state.log[: node.known], state.now)

    def known(self, log: tuple[bytes, ...], now: float) -> int:
        """A number that stands for a log, as far as it matters now."""
        if (log, now) not in self._logs:
            text = plain(repr(log), now)
            self._logs[log, now] = self._numbers.setdefault(text, len(self._numbers))
        return self._logs[log, now]

    def _command(self, gate: Gate | None, now: float, token: int) -> Any:
        if gate is None:
            return None
        under = {"commit": lambda: gate.args[1], "renew": lambda: gate.args[0][0][1]}
        return self._text(gate, now), under.get(gate.name, int)() == token

    def look(self, node: Node, now: float) -> str:
        if node.verb != "advance":
            wants = self._text(node.wants, now)
            return f"{node.verb} {len(node.past)} {wants} {self._text(node.gate, now)}"
        lease = "leased" if now <= node.valid_until else "late"
        flags = f"{lease} {node.stopping} {node.news} {node.over and node.result}"
        flags += f" {[self._text(gate, now) for gate in node.beside]} {sorted(node.landed)}"
        return f"{self._text(node.gate, now)} {node.known} {flags}"

    def _text(self, gate: Gate | None, now: float) -> str:
        if gate is None:
            return ""
        if (gate, now) not in self._texts:
            mine = gate.args if gate.name != "commit" else (gate.args[0], *gate.args[2:7])
            text = gate.name + ("" if gate.name == "renew" else repr(mine))
            self._texts[gate, now] = plain(text, now)
        return self._texts[gate, now]


def plain(text: str, now: float) -> str:
    """`text` without what makes no difference. Of moments it matters whether they are to come, and
    whether an approval is older than its time-out."""

    def moment(found: re.Match[str]) -> str:
        at = float(found[2])
        later = "later" if at > now else "t"
        return f"{found[1]}{at + JUMP > now}" if found[1] else later

    text = re.sub(
        r'"(seconds|waited|prompt)":[\d.]+|token=\d+|run_id=.[0-9a-f]{2}-\w+-\w+.', "", text
    )
    text = re.sub(r"(\d+) [0-9a-f]{32}", r"\1", text)  # a mark
    text = re.sub(r'"asked_at":"[^"]+"', "", text)  # as lists show it; the log has it, too
    text = re.sub(r"last: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|after [\d.]+ s", "", text)
    text = re.sub(r"<Status\.\w+: ('\w+')>", r"\1", text)
    return re.sub(
        r'("type":"(?:approval_requested|run_set_aside)","at":)?(1000\d{3}(?:\.\d+)?)', moment, text
    )
