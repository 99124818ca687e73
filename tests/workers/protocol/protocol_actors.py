"""A model checker for the protocol between workers, senders and people around one run.

It is no second description of the protocol: the actors are the real `Executor`, `Leases`, `Runs`
and `Approvals` on the real `MemoryStore`, of which test_twin.py shows that it does what the Lua
scripts do.
Every call of the store, every tool call and every reply is a gate at which its actor stops, and
the search goes through all orders in which gates can open.

What makes that small enough:
- An actor is a coroutine, which cannot be copied. But what it does next depends only on the
  answers it got, so each history of answers is played once and remembered (`Node`).
- States that differ only in timestamps, in tokens that are out of date, or in which worker is
  which, are one state (`Looks`). The search checks that itself: actors that look the same
  must do the same next.
- Time jumps. One jump is longer than a lease, a grace or a first backoff.
- Calls of the model are no gates: nobody else can see when they happen.
- One tool takes longer than its time-out, always. What it does, and when its result comes, are
  gates that outlive the time of its worker with the run.

Faults, at most `faults` on one path: a worker is killed, or told to stop; it stands still for
longer than its lease; an answer of the store is lost, and the command itself is executed at any
later time or never; a renewal is late; a channel refuses a reply; a sweeper dies with what it
found. Pokes may come at any time, but nothing is allowed to rely on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import pickle
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from ponderd.channels.errors import DeliveryError, PonderdError, Unavailable
from ponderd.channels.message import Address, Reply, Trigger
from ponderd.workers.agents.agent import Agent, Tool, ToolContext, tool
from ponderd.workers.agents.author_calls import UseTool, arguments_of
from ponderd.workers.agents.contained import Done, Outcome
from ponderd.workers.agents.policies import Approvals, Busy
from ponderd.workers.control import inquiries
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.execution.author_code import InThreads, Place
from ponderd.workers.execution.executor import Executor
from ponderd.workers.execution.leases import Leases
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.model_call import ModelCalls
from ponderd.workers.execution.sending import Sending
from ponderd.workers.execution.snapshots import Pace, seal
from ponderd.workers.execution.waking import waking
from ponderd.workers.llm.client import Completion
from ponderd.workers.run.events import decode
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run
from ponderd.workers.store.asleep import AsleepError, length_of
from ponderd.workers.store.contract import Claim, Committed, Tail, VersionConflict
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.thinking.outcomes import FROM_OUTSIDE
from ponderd.workers.thinking.thinker import Thinker
from tests.services.fakes import FakeModel

LEASE, GRACE, JUMP, START = 10.0, 2.0, 20.0, 1_000_000.0
LONG = 1e6

UNAVAILABLE = Unavailable("no answer")
REFUSED = DeliveryError("not now")


class Gate(NamedTuple):
    """What an actor waits for: a method of the store, a tool ("effect") or a channel ("send").
    The latter two go on beside the run, and a tool for longer than its worker has the run."""

    name: str
    args: tuple[Any, ...]


# -- what surrounds the real parts -----------------------------------------------------------------


@tool(idempotent=True, timeout=LONG)
async def look(context: ToolContext) -> str:
    """idempotent"""
    return str(await _player.get().wait("effect", "look", context.idempotency_key))


@tool(timeout=LONG)
async def ring(context: ToolContext) -> str:
    """not idempotent"""
    return str(await _player.get().wait("effect", "ring", context.idempotency_key))


@tool(approval="always", timeout=LONG)
async def launch(context: ToolContext) -> str:
    """not idempotent, and a person must agree"""
    return str(await _player.get().wait("effect", "launch", context.idempotency_key))


@tool()
async def drill(context: ToolContext) -> str:
    """not idempotent, and takes longer than its time-out"""
    return str(await _player.get().wait("effect", "drill", context.idempotency_key))


# It has no time at all, which is less than an author may give it.
TOOLS = (look, ring, launch, replace(drill, timeout=0))


def tester(approvals: Approvals, waiting: int) -> Agent:
    busy = {"default": Busy(waiting=waiting)}
    return Agent("tester", "", "You are a test.", tools=TOOLS, approvals=approvals, busy=busy)


def always(pace: Pace, run: Run, last: bytes, *, rests: bool) -> bytes:
    """A snapshot with every commit, as far as there may be one."""
    return b"" if isinstance(decode(last), FROM_OUTSIDE) else seal(run, last)


def never(pace: Pace, run: Run, last: bytes, *, rests: bool) -> bytes:
    return b""


class RuleModel(FakeModel):
    """Uses the tool that the last message names, and answers when it has its result."""

    async def complete(self, messages: Any, **_: Any) -> Completion:
        said = messages[-1]["content"]
        named = [t.name for t in TOOLS if t.name in said and "[tool]" not in said]
        does = {"action": named[0]} if named else {"action": "reply", "text": "done"}
        return Completion(json.dumps(does), "model", "hash")


class GatedChannel:
    name = "webhook"

    async def send(self, reply: Reply, *, resend: bool) -> str:
        return str(await _player.get().wait("send", reply.key, resend))

    async def close(self) -> None: ...


class GatedStore:
    """The store as an actor sees it. What no log and no wake-up depends on is no gate."""

    def __init__(self, player: Player, aside: MemoryStore) -> None:
        self._player, self._aside = player, aside

    async def confirm(self, *_: Any) -> str:
        """There are no replicas here to wait for."""
        return "confirmed"

    def __getattr__(self, name: str) -> Any:
        if name not in ("admit", "claim", "commit", "signal", "load", "latest", "head", "wake"):
            return getattr(self._aside, name)
        return lambda *args: self._player.wait(name, *args)

    async def renew(self, *_: Any) -> Any:
        return self._player.renewal


class GatedArchive:
    """As `waking` sees it. What it holds is a part of the state of the search."""

    def __init__(self, player: Player) -> None:
        self._player = player

    async def get(self, run_id: str) -> Any:
        return await self._player.wait("archived", run_id)


def trigger(text: str) -> Trigger:
    return Trigger(
        channel="webhook",
        keys=(text,),
        conversation="c",
        sender="ann",
        authentic=True,
        text=text,
        reply_to=Address(channel="webhook", to="https://example.com"),
    )


async def decide(
    run_log: RunLog, people: inquiries.Inquiries, run_id: str, approve: bool, by: str
) -> None:
    """Answer what is asked now."""
    asked = fold(await run_log.events(run_id)).work.approval
    if asked:
        await people.decide(asked.id, approve=approve, by=f"api:{by}")


class OnTheLoop(InThreads):
    """Runs tools where their player is, whose loop has no time and no threads."""

    @contextlib.asynccontextmanager
    async def place_for(self, found: Tool | None) -> AsyncIterator[Place]:
        async def run(agent: Agent, use: UseTool) -> Outcome:
            asked = agent.tool(use.call.tool)
            assert asked is not None
            given: Any = asked.function(
                **arguments_of(asked, asked.function, use.call, use.context)
            )
            return Done(await given)

        yield run


# -- actors ----------------------------------------------------------------------------------------


class Player:
    """One live coroutine, stopped at a gate or over. Verbs: "advance", "say:<text>",
    "event:<name>", or what people can do to a run."""

    def __init__(self, world: World, verb: str) -> None:
        self.gate: tuple[Gate, asyncio.Future[Any]] | None = None
        self.beside: dict[Gate, asyncio.Future[Any]] = {}
        """Gates beside the other one: replies and tools on their way, results that come late."""
        self.closed = False
        self.renewal: Any = None
        self._loop = world.loop
        gated: Any = GatedStore(self, MemoryStore(lambda: world.now))
        archive: Any = GatedArchive(self)
        store = waking(gated, archive)
        agents = {world.agent.name: world.agent}
        self._leases = Leases(store, "worker", LEASE)
        model = RuleModel()
        self._executor = Executor(
            store=store,
            agents=agents,
            model=ModelCalls(model, Metrics(), 10_000, Thinker(model, store), code=OnTheLoop()),
            channels={"webhook": GatedChannel()},
            leases=self._leases,
            data_dir=Path("unused"),
        )
        run_log = RunLog(store, lambda run_id: None, clock=lambda: world.now)
        runs, people = Runs(run_log, agents), inquiries.Inquiries(run_log, agents)
        doing: Coroutine[Any, Any, Any]
        match verb.split(":"):
            case ["advance"]:
                doing = self._executor.advance(world.run_id)
            case ["say", text]:
                doing = runs.accept(world.agent.name, trigger(text))
            case ["event", name]:
                doing = runs.event(world.run_id, name, "", "ann", (name,))
            case ["approve" | "deny", by]:
                approve = verb.startswith("approve")
                doing = decide(run_log, people, world.run_id, approve, by)
            case _:
                doing = getattr(runs, verb)(world.run_id, by="ann")
        context = contextvars.copy_context()
        context.run(_player.set, self)
        self.task = context.run(self._loop.create_task, doing)
        self._play()

    async def wait(self, name: str, *args: Any) -> Any:
        if self.closed:
            raise UNAVAILABLE
        gate = Gate(name, frozen(args))
        if asyncio.current_task() is not self.task:
            assert gate not in self.beside, "the same is done twice at once"
            self.beside[gate] = self._loop.create_future()
            return await self.beside[gate]
        assert self.gate is None, "an actor waits for one thing at a time"
        self.gate = gate, self._loop.create_future()
        return await self.gate[1]

    @property
    def news(self) -> bool:
        return any(held.news.is_set() for held in self._leases._held.values())

    def play(self, action: str, value: Any) -> None:
        match action:
            case "open":
                assert self.gate
                (_, answer), self.gate = self.gate, None
                _answer(answer, value)
            case "land":
                gate, outcome = value
                _answer(self.beside.pop(gate), outcome)
            case "renew":
                self.renewal = value
                self._loop.run_until_complete(self._leases.renew())
                if self.task.cancelling():
                    self.gate = None
            case "stop":
                self._executor.draining.set()
        self._play()

    def _play(self) -> None:
        for _ in range(1000):
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
            if not self._loop._ready and not self._timer_is_due():  # type: ignore[attr-defined]
                break
        self.beside = {gate: answer for gate, answer in self.beside.items() if not answer.done()}
        if not (self.gate or self.beside or self.task.done()):
            raise AssertionError("an actor waits for something that is no gate")

    def _timer_is_due(self) -> bool:
        timers = self._loop._scheduled  # type: ignore[attr-defined]
        return bool(timers) and timers[0].when() <= self._loop.time()

    def close(self) -> None:
        self.closed = True
        if self.task.done() and not self.beside:
            return
        self.task.cancel()
        self._loop.run_until_complete(asyncio.wait([self.task]))
        self.task.cancelled() or self.task.exception()
        self._loop.run_until_complete(self._executor.late.close())
        self.gate, self.beside = None, {}
        self._play()


def _answer(waiting: asyncio.Future[Any], value: Any) -> None:
    if isinstance(value, Exception):
        waiting.set_exception(value)
    else:
        waiting.set_result(value)


_player: contextvars.ContextVar[Player] = contextvars.ContextVar("player")


@dataclass(eq=False)
class Node:
    """An actor after one history of answers. `known` is the version of the log that it has seen;
    `token` and `valid_until` are its lease, as far as it knows."""

    verb: str
    gate: Gate | None
    result: Any
    past: tuple[tuple[str, Any, float], ...]
    began: float
    beside: tuple[Gate, ...] = ()
    """What goes on beside the run."""
    over: bool = False
    """The run is left to others. Something may go on beside it."""
    landed: frozenset[tuple[Gate, str]] = frozenset()
    """What became of replies. It may not be written down yet."""
    wants: Gate | None = None
    """For what it wakes the run, or reads what the archive has."""
    token: int = 0
    known: int = 0
    valid_until: float = 0.0
    stopping: bool = False
    news: bool = False
    player: Player | None = None
    children: dict[Any, Node] = field(default_factory=dict)


class World:
    """Plays any actor from any point of its past, and the store from any content."""

    def __init__(
        self,
        store: type[MemoryStore],
        approvals: Approvals,
        patience: float = LONG,
        waiting: int = 200,
        snapshots: bool = False,
    ) -> None:
        self.patience = patience
        self.snapshots = snapshots
        self.agent = tester(approvals, waiting)
        self.now = START
        self.loop = asyncio.new_event_loop()
        self.store = store(lambda: self.now)
        vars(self.store)["_archived"] = {}
        self.run_id = ""
        self._asleep: dict[Any, AsleepError] = {}
        self._roots: dict[Any, Node] = {}
        self._players: list[Player] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[World]:
        clock = lambda: self.now  # noqa: E731
        wait = Sending.wait  # its timers would go off in the middle of what others do
        with (
            mock.patch("time.monotonic", clock),
            mock.patch("ponderd.workers.execution.leases.RECORD_RETRY", 0),
            mock.patch("ponderd.workers.execution.sending.PATIENCE", self.patience),
            mock.patch.object(Sending, "wait", lambda sends, run, _: wait(sends, run, None)),
            mock.patch("ponderd.workers.execution.delivery.SEND_SECONDS", LONG),
            mock.patch("ponderd.workers.execution.sending.SEND_SECONDS", LEASE),
            mock.patch("ponderd.workers.execution.late_results.AGAIN", 0),
            mock.patch("ponderd.workers.execution.late_results.LAST_WORD", 0),
            mock.patch("ponderd.workers.steps.attempts.REST", 0),
            mock.patch("ponderd.workers.steps.attempts.SPREAD", 0),
            mock.patch("ponderd.workers.execution.snapshots.SHARE", 0),
            mock.patch("ponderd.workers.run.turned_away.QUIET", 0),
            mock.patch.object(Pace, "snapshot", always if self.snapshots else never),
        ):
            try:
                yield self
            finally:
                for player in self._players:
                    player.close()
                self.loop.close()

    def begin(self, verb: str, now: float) -> Node:
        if (verb, now) not in self._roots:
            self.now = now
            player = self._start(verb)
            self._roots[verb, now] = _node(Node(verb, None, None, (), now), player)
        return self._roots[verb, now]

    def go(self, node: Node, action: str, value: Any, now: float) -> Node:
        key = action, frozen(value), now
        if key not in node.children:
            player, node.player = node.player or self._replay(node), None
            self.now = now
            player.play(action, value)
            after = _learn(node, action, value, now)
            node.children[key] = _node(after, player)
        return node.children[key]

    def call(self, saved: bytes, gate: Gate, now: float) -> tuple[Any, bytes]:
        """What the store answers, and what it holds afterwards."""
        self.restore(saved, now)
        if gate.name == "archived":
            return self.archived, saved
        try:
            getattr(self.store, gate.name)(*gate.args).send(None)
        except StopIteration as stop:
            return stop.value, self.saved()
        except AsleepError as error:  # the same is the same object: what actors do next hangs on it
            return self._asleep.setdefault((error.mark, error.late), error), self.saved()
        raise AssertionError("the store in memory does not wait")

    @property
    def archived(self) -> tuple[bytes, ...] | None:
        """What the archive has of the run, after `restore`."""
        return vars(self.store)["_archived"].get(self.run_id)  # type: ignore[no-any-return]

    def archive(self, saved: bytes, log: tuple[bytes, ...], now: float) -> bytes:
        """What the store holds when this log was put in the archive."""
        self.restore(saved, now)
        vars(self.store)["_archived"][self.run_id] = log
        return self.saved()

    def restore(self, saved: bytes, now: float) -> MemoryStore:
        self.now = now
        vars(self.store).update(pickle.loads(saved))
        return self.store

    def saved(self) -> bytes:
        state = vars(self.store)
        return pickle.dumps({name: state[name] for name in _STATE})

    def _start(self, verb: str) -> Player:
        player = Player(self, verb)
        self._players.append(player)
        return player

    def _replay(self, node: Node) -> Player:
        self.now = node.began
        player = self._start(node.verb)
        for action, value, now in node.past:
            self.now = now
            player.play(action, value)
        return player


_STATE = ("_runs", "_due", "_conversations", "_kept", "_archived")


def _learn(node: Node, action: str, value: Any, now: float) -> Node:
    after = replace(node, past=(*node.past, (action, value, now)), children={}, player=None)
    if action == "land":
        gate, outcome = value
        sent = {(gate, repr(outcome))} if gate.name == "send" else set()
        return replace(after, landed=node.landed | sent)
    match value:
        case Claim(token=token, tail=tail):
            return replace(after, token=token, known=tail.version)
        case AsleepError():
            return replace(after, known=length_of(value.mark) + len(value.late))
        case Tail():
            return replace(after, known=value.version)
        case Committed(version=version):
            return replace(after, known=version)
        case VersionConflict(missed=missed):
            return replace(after, known=node.known + len(missed))
        case tuple() if node.gate and node.gate.name == "load":  # a log, or its end
            _, *skipped = node.gate.args
            return replace(after, known=sum(skipped[:1]) + len(value))
    match action:
        case "renew":
            return replace(after, valid_until=now + LEASE)
        case "stop":
            return replace(after, stopping=True)
    return after


def _node(node: Node, player: Player) -> Node:
    node.news, node.over = player.news, player.task.done()
    before, node.gate = node.gate, player.gate and player.gate[0]
    node.beside = tuple(sorted(player.beside))
    if node.gate and node.gate.name not in ("archived", "wake"):
        node.wants = node.gate
    action, _, now = node.past[-1] if node.past else ("open", None, node.began)
    if node.gate and node.gate.name == "claim" and (action == "open" or node.gate != before):
        node.valid_until = now + LEASE  # it counts from when it is asked for
    if node.over:
        error = None if player.task.cancelled() else player.task.exception()
        if error is not None and not isinstance(error, PonderdError):
            raise error
        node.result = error or (None if player.task.cancelled() else player.task.result())
    if node.gate or node.beside:
        node.player = player
    return node


def frozen(value: Any) -> Any:
    match value:
        case list() | tuple() if type(value) in (list, tuple):
            return tuple(map(frozen, value))
        case set():
            return frozenset(value)
        case Mapping():
            return tuple(sorted(value.items()))
    return value
