"""The search through all states of `protocol_actors`, and what must be true in each.

In every state:
- a wake-up is never lost: a run with something to do is due, or held, and then due when the lease
  ends; nobody holds a run without being its last claimer;
- only the holder's writes are accepted, and no token is given out twice;
- no tool is begun without its intent in the log, under a lease that is over, after a pause or
  cancel, or without the approval it needs; one that is not idempotent happens at most once per
  intent; an outcome follows an intent, once; a reply goes out as new at most once;
- no call is begun a fourth time without a person's yes; no message is answered twice; nobody says
  of a call that may have happened that it failed, and a result that comes late is recorded once;
- a snapshot says what the log says up to its version;
- of a run that is asleep the archive has the whole log up to there;
- an approval is decided once; an acknowledged message is in the log exactly once; lists show what
  the log says.

And from every state, if nothing fails any more, nobody does anything new and all pokes are lost,
one is reached in which everybody rests and nothing is owed: nothing is stuck, nobody is left in
the dark about a call that may have happened, and what was set aside ends when people decide.

Not checked here: a worker that stands still for longer than its lease between its last look at it
and the call of the channel sends a reply that another worker may have sent by then. Both carry the
same key; the other side tells them apart by it (e-mail, webhook) or does not (Slack).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import sha1
from typing import Any, NamedTuple

from ponderd.channels.errors import Unavailable
from ponderd.channels.message import Accepted
from ponderd.workers.execution.leases import projection
from ponderd.workers.execution.snapshots import unseal
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import reduce
from ponderd.workers.run.state import Run
from ponderd.workers.steps.attempts import BEGINNINGS
from ponderd.workers.steps.next_step import Wait, next_step
from ponderd.workers.store.asleep import AsleepError, length_of, mark_of
from ponderd.workers.store.contract import Claim, Committed
from ponderd.workers.store.memory_store import MemoryStore
from tests.workers.protocol.protocol_actors import (
    GRACE,
    JUMP,
    LEASE,
    REFUSED,
    START,
    UNAVAILABLE,
    Gate,
    Node,
    World,
    frozen,
)
from tests.workers.protocol.protocol_states import Holder, Looks, Person, Scenario, State, plain

READS = ("load", "latest", "archived")


class Violation(AssertionError):
    """A property does not hold. The message names it first, then the steps that lead there."""


class Move(NamedTuple):
    label: str
    state: State
    reliable: bool = True
    """Happens if nothing fails and nobody does anything new."""


class Search:
    """`run()` visits every reachable state once, or raises `Violation`."""

    def __init__(self, scenario: Scenario, store: type[MemoryStore] = MemoryStore) -> None:
        self.scenario = scenario
        self.world = World(
            store, scenario.approvals, scenario.patience, scenario.waiting, scenario.snapshots
        )
        self.agent = self.world.agent
        self.states = 0
        self.moves = 0
        self._folds: dict[tuple[bytes, ...], Run] = {}
        self._looks = Looks(self.world)
        self._did: dict[Any, str] = {}
        self._compared: set[Node] = set()

    def run(self) -> Search:
        with self.world.running():
            self._explore()
        return self

    def _explore(self) -> None:
        first = self._first()
        key = self._looks.signature(first)
        came: dict[Any, tuple[Any, str]] = {key: (None, "")}
        back: dict[Any, list[Any]] = {}
        good = []
        waiting = deque([(key, first)])
        while waiting:
            key, state = waiting.popleft()
            try:
                self._check(state)
                moves = list(self._moves(state))
                if self._at_rest(state):
                    good.append(key)
            except Violation as violation:
                raise Violation(f"{violation}\n{_path(came, key)}") from None
            for move in moves:
                after = self._looks.signature(move.state)
                self.moves += 1
                if move.reliable and after != key:
                    back.setdefault(after, []).append(key)
                if after not in came:
                    came[after] = key, move.label
                    waiting.append((after, move.state))
        self.states = len(came)
        alive, spreading = set(good), good
        while spreading:
            fresh = {before for key in spreading for before in back.get(key, ())} - alive
            alive |= fresh
            spreading = list(fresh)
        for key in came:
            if key not in alive:
                raise Violation(f"stuck: something is owed for ever\n{_path(came, key)}")

    def _first(self) -> State:
        node = self.world.begin(f"say:{self.scenario.text}", START)
        assert node.gate
        self.world.run_id = node.gate.args[0].run_id
        _, saved = self.world.call(self.world.saved(), node.gate, START)
        people = tuple(Person() for _ in self.scenario.people)
        idle = (None,) * self.scenario.workers
        return State(saved, self._log(), START, idle, people, self.scenario.faults)

    # -- what can happen ---------------------------------------------------------------------------

    def _moves(self, state: State) -> Iterator[Move]:
        for i, worker in enumerate(state.workers):
            if worker is None:
                yield from self._begins(state, i)
            else:
                yield from self._goes_on(state, i, worker)
        for i, person in enumerate(state.people):
            yield from self._person(state, i, person)
        for i, node in enumerate(state.late):
            for label, changed, after, reliable in self._beside(state, node):
                yield Move(f"late: {label}", _late(changed, i, after), reliable)
            if state.faults:
                yield Move("late: killed", _late(_faulty(state), i, None), False)
        if state.limbo:
            _, after = self._call(state, state.limbo)
            yield Move(f"late: {state.limbo.name}", after._replace(limbo=None), False)
        yield from self._time(state)
        yield from self._sleep(state)

    def _time(self, state: State) -> Iterator[Move]:
        store = self.world.restore(state.saved, state.now)
        due = store._due.get(self.world.run_id)
        if due is None or due <= state.now:
            return
        holding = state.holder and any(w and w.token == state.holder.token for w in state.workers)
        stall = bool(holding and state.holder and state.holder.until > state.now)
        if self._fails(state) or not stall:
            faults = state.faults - stall
            later = state._replace(now=state.now + JUMP, faults=faults)
            yield Move("a standstill" if stall else "time passes", later, not stall)

    def _sleep(self, state: State) -> Iterator[Move]:
        """Somebody who may be slow, or die at any moment, sends the run to sleep."""
        if state.slept < self.scenario.sleeps:
            self.world.restore(state.saved, state.now)
            run = self.world.store._runs[self.world.run_id]
            if run.head.status in ("WAITING", "PAUSED") and not run.asleep:
                saved = self.world.archive(state.saved, state.log, state.now)
                falling = len(state.log), state.log[-1], mark_of(state.log)
                put = state._replace(saved=saved, falling=falling, slept=state.slept + 1)
                yield Move("archived", put, False)
        if state.falling:
            _, asleep = self._call(state, Gate("sleep", (self.world.run_id, *state.falling, 0)))
            yield Move("falls asleep", asleep._replace(falling=None), False)

    def _begins(self, state: State, i: int) -> Iterator[Move]:
        run_id = self.world.run_id
        store = self.world.restore(state.saved, state.now)
        due = store._due.get(run_id)
        if due is None or store._runs[run_id].lease_until > state.now:
            return
        swept = state
        if due <= state.now:
            found, swept = self._call(state, Gate("sweep", (10, GRACE)))
            if run_id not in found:
                raise Violation("a sweep does not find what is due")
            if self._fails(state):
                yield Move(f"{i}: sweeps and dies", _faulty(swept), False)
        node = self.world.begin("advance", state.now)
        assert node.gate
        claim, claimed = self._call(swept, node.gate)
        after = self._worker(claimed, i, self._go(state, node, "open", claim))
        yield Move(f"{i}: claims", after, due <= state.now)
        if self._fails(state):
            yield Move(f"{i}: claims, no answer", _faulty(swept)._replace(limbo=node.gate), False)

    def _goes_on(self, state: State, i: int, node: Node) -> Iterator[Move]:
        now, gate = state.now, node.gate
        if gate:
            yield Move(f"{i}: {_show(gate)}", self._opened(state, i, node, gate))
        for label, changed, after, reliable in self._beside(state, node):
            yield Move(f"{i}: {label}", self._worker(changed, i, after), reliable)
        lease = Gate("renew", (((self.world.run_id, node.token),), LEASE))
        if node.token and now > node.valid_until:
            kept, changed = self._call(state, lease)
            renewed = self._worker(changed, i, self._go(state, node, "renew", kept))
            yield Move(f"{i}: renews", renewed, False)
        if not state.faults:
            return
        yield Move(f"{i}: killed", self._worker(_faulty(state), i, None), False)
        if not self._fails(state):
            return
        if not node.stopping:
            stopping = self._go(state, node, "stop", None)
            yield Move(f"{i}: told to stop", self._worker(_faulty(state), i, stopping), False)
        if node.token and now <= node.valid_until:
            yield Move(f"{i}: a late renewal", _faulty(state)._replace(limbo=lease), False)
        if gate:
            lost = self._worker(_faulty(state), i, self._go(state, node, "open", UNAVAILABLE))
            limbo = gate if gate.name in ("commit", "wake") else state.limbo
            yield Move(f"{i}: {_show(gate)}, no answer", lost._replace(limbo=limbo), False)

    def _opened(self, state: State, i: int, node: Node, gate: Gate) -> State:
        answer, state = self._call(state, gate)
        return self._worker(state, i, self._go(state, node, "open", answer))

    def _beside(self, state: State, node: Node) -> Iterator[tuple[str, State, Node, bool]]:
        """What can become of each thing that goes on beside the run, and whether it is reliable."""
        for gate in node.beside:
            yield (_show(gate), *self._landed(state, node, gate), True)
            if self._fails(state) and gate.name in ("send", "signal"):
                limbo = gate if gate.name == "signal" else state.limbo
                error = REFUSED if gate.name == "send" else UNAVAILABLE
                lost = self._go(state, node, "land", (gate, error))
                yield f"{_show(gate)} fails", _faulty(state)._replace(limbo=limbo), lost, False

    def _landed(self, state: State, node: Node, gate: Gate) -> tuple[State, Node]:
        match gate:
            case Gate("effect", (name, key)):
                if name != "look" and any(name == done for done, _ in state.effects):
                    raise Violation("an effect happens twice")
                if not any(
                    isinstance(event, e.ToolStarted) and event.key == key
                    for event in e.decode_all(state.log)
                ):
                    raise Violation("an effect without its intent")
                state = state._replace(effects=tuple(sorted({*state.effects, (name, key)})))
                answer: Any = "done"
            case Gate("send", (key, resend)):
                if not resend:
                    if key in state.sent:
                        raise Violation("a reply is sent again as if it were new")
                    state = state._replace(sent=tuple(sorted({*state.sent, key})))
                answer = "receipt"
            case _:
                answer, state = self._call(state, gate)
        return state, self._go(state, node, "land", (gate, answer))

    def _fails(self, state: State) -> bool:
        return state.faults > 0 and not self.scenario.only_kills

    def _person(self, state: State, i: int, person: Person) -> Iterator[Move]:
        verbs = self.scenario.people[i]
        if person.doing is None:
            asked = self._fold(state.log).is_set_aside  # whoever is asked decides some day
            if person.done < len(verbs) and (asked or not self.scenario.only_kills):
                verb = verbs[person.done]
                doing = self.world.begin(verb, state.now)
                begun = _person(state, i, person._replace(doing=doing))
                yield Move(f"person: {verb}", begun, asked)
            return
        node, gate, after = person.doing, person.doing.gate, state
        assert gate
        while node.gate and (node is person.doing or node.gate.name in READS):
            # What is read may be out of date as soon as the next gate opens.
            answer, after = self._call(after, node.gate)
            node = self._go(after, node, "open", answer)
        if node.gate:
            yield Move(f"person: {gate.name}", _person(after, i, person._replace(doing=node)))
            return
        if isinstance(node.result, Accepted) and self._said(after, verbs[person.done]) != 1:
            raise Violation("an acknowledged message is not stored exactly once")
        yield Move(f"person: {gate.name}", _person(after, i, Person(person.done + 1)))
        if self._fails(state):
            again = _person(_faulty(state), i, person._replace(doing=None))
            limbo = gate if gate.name in ("admit", "signal", "wake") else state.limbo
            yield Move(f"person: {gate.name}, no answer", again._replace(limbo=limbo), False)

    def _worker(self, state: State, i: int, node: Node | None) -> State:
        """`state` with this worker; one that has nothing more to do is idle."""
        if node is not None:
            before = state.workers[i]
            begun = [gate for gate in node.beside if gate.name in ("effect", "send")]
            if before:
                begun = [gate for gate in begun if gate not in before.beside]
            holds = state.holder is not None and state.holder.token == node.token
            if begun and not (holds and state.holder and state.holder.until >= state.now):
                raise Violation("an effect begins without a lease")
            if any(gate.args[0] == "look" for gate in begun):
                state = state._replace(begun=self._begun(state))
        if node is not None and node.over:
            state = state._replace(late=(*state.late, node) if node.beside else state.late)
            node = None
        return state._replace(workers=(*state.workers[:i], node, *state.workers[i + 1 :]))

    def _begun(self, state: State) -> tuple[int, int]:
        yes = sum(
            isinstance(event, e.ApprovalAnswered) and event.approved
            for event in e.decode_all(state.log)
        )
        times = state.begun[1] + 1 if state.begun[0] == yes else 1
        if times > BEGINNINGS:
            raise Violation("a call begins too often without a yes")
        return yes, times

    def _go(self, state: State, node: Node, action: str, value: Any) -> Node:
        now = state.now
        after = self.world.go(node, action, value, now)
        if after in self._compared:
            return after
        self._compared.add(after)
        answer = (value.mark, value.late) if isinstance(value, AsleepError) else frozen(value)
        seen = self._looks.actor(node, state), action, plain(repr(answer), now)
        does = self._looks.look(after, now)
        if self._did.setdefault(seen, does) != does:
            raise AssertionError(f"alike, but not the same: {seen}\n{does}\n{self._did[seen]}")
        return after

    def _call(self, state: State, gate: Gate) -> tuple[Any, State]:
        """What the store answers; and whoever writes under a lease must be its holder."""
        try:
            answer, saved = self.world.call(state.saved, gate, state.now)
        except Unavailable as error:
            return error, state
        holder, until = state.holder, state.now + LEASE
        match gate.name, answer:
            case "claim", Claim(token=token):
                if holder and holder.until > state.now:
                    raise Violation("two workers hold the run")
                if token <= state.tokens:
                    raise Violation("a token is given out twice")
                state = state._replace(tokens=token)
                holder = Holder(token, until)
            case "renew", kept if self.world.run_id in kept:
                self._must_hold(holder, gate.args[0][0][1])
                assert holder
                holder = holder._replace(until=until)
            case "commit", Committed():
                self._must_hold(holder, gate.args[1])
                if gate.args[5] is not None:
                    holder = None
        return answer, state._replace(saved=saved, log=self._log(), holder=holder)

    def _must_hold(self, holder: Holder | None, token: int) -> None:
        if holder is None or holder.token != token:
            raise Violation("a write of somebody who does not hold the run is accepted")

    # -- what must be true -------------------------------------------------------------------------

    def _check(self, state: State) -> None:
        run = self._fold(state.log)
        store = self.world.restore(state.saved, state.now)
        kept = store._runs[run.id]
        head = projection(run)
        if (kept.head.status, kept.head.waiting_for) != (head.status, head.waiting_for):
            raise Violation("what lists show is not what the log says")
        if kept.head.version != len(state.log):
            raise Violation("the version is not the length of the log")
        if kept.snapshot and not self._is_right(kept.snapshot, state.log):
            raise Violation("a snapshot is not what the log says")
        if kept.lease_until > state.now and state.holder is None:
            raise Violation("a run is held by nobody")
        if next_step(run, self.agent, state.now) != Wait() and run.id not in store._due:
            raise Violation("a wake-up is lost")
        for verb in {verb for verbs in self.scenario.people for verb in verbs}:
            if verb.startswith(("say:", "event:")) and self._said(state, verb) > 1:
                raise Violation("a message is stored twice")

    def _is_right(self, snapshot: bytes, log: tuple[bytes, ...]) -> bool:
        version = int(snapshot.partition(b" ")[0])
        if version > len(log) or snapshot.split()[1].decode() != sha1(log[version - 1]).hexdigest():
            return False
        try:
            return unseal(snapshot, version) == self._fold(log[:version])
        except ValueError:
            return False

    def _fold(self, log: tuple[bytes, ...]) -> Run:
        if log not in self._folds:
            event = e.decode(log[-1])
            before = self._fold(log[:-1]) if len(log) > 1 else None
            if before:
                self._may_follow(before, event, log[:-1])
            self._folds[log] = reduce(before, event)
        return self._folds[log]

    def _may_follow(self, run: Run, event: e.Event, log: tuple[bytes, ...]) -> None:
        match event:
            case e.ToolStarted():
                tool = run.work.call and self.agent.tool(run.work.call.tool)
                if run.paused or run.ended:
                    raise Violation("an effect begins after a pause or cancel")
                if tool and tool.approval == "always" and not run.work.approved:
                    raise Violation("an effect begins that nobody approved")
            case e.ToolFailed() if run.work.call_key:
                raise Violation("what may have happened is said to have failed")
            case e.LateResultReceived(key=key):
                if key in _late_results(log):
                    raise Violation("a late result is recorded twice")
            case e.ApprovalAnswered():
                if run.work.approval is None:
                    raise Violation("what was decided is decided again")
            case e.ReplyStarted(kind=kind):
                if run.paused and kind != "notice":
                    raise Violation("an effect begins after a pause or cancel")
                if kind == "answer" and _answers(log) >= _messages(log):
                    raise Violation("a message is answered twice")
            case e.ToolFinished() | e.ToolFailed() | e.ToolOutcomeUnknown():
                if not run.work.call_key:
                    raise Violation("an outcome without an intent")
            case e.ReplySent(key=key) | e.ReplyFailed(key=key):
                if all(getattr(before, "key", "") != key for before in e.decode_all(log)):
                    raise Violation("an outcome without an intent")

    def _at_rest(self, state: State) -> bool:
        """Nobody is doing anything, and nothing is owed but what people keep waiting."""
        if any(state.workers) or any(person.doing for person in state.people):
            return False
        run = self._fold(state.log)
        # Nobody looks how a call ended while the run is paused: its late result waits for that.
        if not all(run.paused and late.beside[0].name == "latest" for late in state.late):
            return False
        if next_step(run, self.agent, state.now) != Wait():
            return False
        if run.id in self.world.restore(state.saved, state.now)._due:
            return False
        begun = run.work.call_key and not run.is_set_aside
        if not run.paused and (
            run.owes_an_outcome or run.outbox.queue or run.inbox.waiting or begun
        ):
            raise Violation("a run rests that owes an outcome")
        if run.inbox.turned_away:
            raise Violation("nobody was told that a message was turned away")
        if not run.paused and _untold(state.log):
            raise Violation("nobody was told of an unknown outcome")
        # It must be in the hands of those who are asked to end it.
        asked = zip(state.people, self.scenario.people, strict=True)
        return not run.is_set_aside or all(person.done == len(verbs) for person, verbs in asked)

    def _said(self, state: State, verb: str) -> int:
        _, _, what = verb.partition(":")
        events = e.decode_all(state.log)
        messages = (event.text for event in events if isinstance(event, e.MessageReceived))
        outside = (event.name for event in events if isinstance(event, e.EventReceived))
        return [*messages, *outside].count(what)

    def _log(self) -> tuple[bytes, ...]:
        run = self.world.store._runs[self.world.run_id]
        before = (self.world.archived or ())[: length_of(run.asleep)] if run.asleep else ()
        if run.asleep and mark_of(before) != run.asleep:
            raise Violation("the archive does not have the log of a run that is asleep")
        return (*before, *run.log)


def _answers(log: tuple[bytes, ...]) -> int:
    """How many were begun."""
    return sum(
        isinstance(event, e.ReplyStarted) and event.kind == "answer" for event in e.decode_all(log)
    )


def _messages(log: tuple[bytes, ...]) -> int:
    return sum(isinstance(event, e.MessageReceived) for event in e.decode_all(log))


def _late_results(log: tuple[bytes, ...]) -> set[str]:
    """The calls whose result came late."""
    return {event.key for event in e.decode_all(log) if isinstance(event, e.LateResultReceived)}


def _untold(log: tuple[bytes, ...]) -> list[str]:
    """The calls of which nobody heard that their outcome is unknown, and of which it still is."""
    lost, key, said = [], "", ""
    for event in e.decode_all(log):
        match event:
            case e.ToolStarted():
                key = event.key
            case e.ToolOutcomeUnknown():
                lost.append(key)
            case e.ReplyStarted():
                said += event.text
    return [key for key in lost if key not in said and key not in _late_results(log)]


def _faulty(state: State) -> State:
    return state._replace(faults=state.faults - 1)


def _late(state: State, i: int, node: Node | None) -> State:
    left = (node,) if node and node.beside else ()
    return state._replace(late=(*state.late[:i], *left, *state.late[i + 1 :]))


def _person(state: State, i: int, person: Person) -> State:
    return state._replace(people=(*state.people[:i], person, *state.people[i + 1 :]))


def _show(gate: Gate) -> str:
    match gate:
        case Gate("commit", (_, _, version, events, _, release, *_)):
            types = ",".join(event.type for event in e.decode_all(events))
            return f"commit [{types}] at {version}{' and release' if release else ''}"
        case Gate("effect" | "send", args):
            return f"{gate.name} {args}"
    return gate.name


def _path(came: dict[Any, tuple[Any, str]], key: Any) -> str:
    steps = []
    while key is not None:
        key, label = came[key]
        steps.append(label)
    return "\n".join(reversed(steps))
