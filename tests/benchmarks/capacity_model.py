"""What a load needs, computed from what single things cost, and which wall it meets first. Pure.

The costs are measured by `capacity`. What grows with the square (each worker reads what all others
tell and note) hardly shows in anything that can be run on one machine, and decides at a thousand
workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

DAY = 24 * 3600.0
LEARN_SECONDS = 2.0
"""How often a busy worker reads what others noted."""
MEET_SECONDS = 2.5
"""How often a busy worker tells what agents it has, and reads what all others told."""
LOOKS = 2.0
"""Looks a second at what is due, by all workers together."""


@dataclass(frozen=True)
class Cost:
    """What one of something takes."""

    cpu: float = 0
    """Seconds of the state server's one core."""
    commands: float = 0
    scripts: float = 0
    received: float = 0
    """Bytes that the server gets."""
    sent: float = 0
    """Bytes that the server sends."""
    written: float = 0
    """Bytes in the append-only file."""
    notes: float = 0
    """Entries in the agents' ledgers."""
    worker: float = 0
    """Seconds of a worker's CPU."""
    daemon: float = 0
    """Seconds of a daemon's CPU."""

    def __add__(self, other: Cost) -> Cost:
        pairs = zip(_values(self), _values(other), strict=True)
        return Cost(*(mine + theirs for mine, theirs in pairs))

    def __sub__(self, other: Cost) -> Cost:
        return self + other * -1

    def __mul__(self, factor: float) -> Cost:
        return Cost(*(value * factor for value in _values(self)))

    def no_less(self) -> Cost:
        """Without what came out negative because the machine had other work, too."""
        return Cost(*(max(0.0, value) for value in _values(self)))


def _values(cost: Cost) -> list[float]:
    return [getattr(cost, field.name) for field in fields(cost)]


@dataclass(frozen=True)
class Costs:
    """What was measured on one machine."""

    run: Cost
    """A message to a run that ends at once, without its steps."""
    step: Cost
    """A model call or a tool call, on average."""
    base: Cost
    """A second of what goes on however many workers there are: the daemon, and a look."""
    worker: Cost
    """A second of a worker that has nothing to do, without the words and entries of others, and
    without Celery."""
    consumer: Cost
    """A second of Celery in such a worker."""
    word: Cost
    """A word that one worker hears."""
    entry: Cost
    """What one worker told of its agents, read by another."""
    note: Cost
    """An entry of a ledger, read by one worker."""
    renewal: Cost
    """A lease that is renewed."""
    look: Cost
    """A look at what is due in all shards, all of which were written to."""
    waiting_bytes: float
    """Memory of a run that waits."""
    finished_bytes: float
    """Memory of a run of one step that has ended."""
    step_bytes: float
    """What each further step adds."""
    key_bytes: float
    """What stays of a message when its run has left: the keys by which a repeat is known."""
    touched_bytes: float
    """Memory that a script makes the server copy while it rewrites its file."""
    rewrite: float
    """Bytes of memory that a rewrite gets through in a second."""
    archived: float
    """Runs that one worker moves to the archive in a second."""
    worker_connections: float
    daemon_connections: float


@dataclass(frozen=True)
class Load:
    workers: float
    open_runs: float
    """Runs that wait for somebody."""
    messages: float
    """A second; each makes a run do `steps` steps."""
    steps: float = 5
    seconds: float = 10
    """For how long a worker holds a run for it."""
    while_held: float = 0.2
    """Share of the messages that come while a worker holds the run."""
    keep_days: float = 1
    """PONDERD_KEEP_DAYS."""
    key_days: float = 7
    agents: float = 10
    ledger: float = 5_000
    """PONDERD_THINKING_LEDGER."""
    lease: float = 15

    def times(self, factor: float) -> Load:
        """As many times the workers, open runs and messages."""
        return replace(
            self,
            workers=self.workers * factor,
            open_runs=self.open_runs * factor,
            messages=self.messages * factor,
        )


@dataclass(frozen=True)
class Limits:
    """What one of each can do."""

    core: float = 0.7
    """Share of a core that may be used on average: bursts need the rest."""
    memory: float = 64e9
    """Bytes of one state server, the copies of a rewrite included."""
    connections: float = 10_000
    """maxclients of deploy/redis.conf."""
    network: float = 1.25e9
    """Bytes a second: 10 Gbit/s."""
    disk: float = 200e6
    """Bytes a second."""


@dataclass(frozen=True)
class Needs:
    """What a load needs, all state on one server. A second, where it can be."""

    server: Cost
    """All that the state server does in a second, and the CPU of workers and daemons."""
    fleet: float
    """Share of a server's core for what workers tell each other about themselves."""
    notes: float
    """Share of a server's core for what they read of what all noted."""
    open_bytes: float
    finished_bytes: float
    key_bytes: float
    scripts: float
    """Those that write."""
    connections: float
    daemons: int
    archived: float
    """Runs a second that must leave for the archive."""

    @property
    def data(self) -> float:
        """Bytes of memory, without what a rewrite copies."""
        return self.open_bytes + self.finished_bytes + self.key_bytes


def needs(costs: Costs, load: Load, limits: Limits = Limits()) -> Needs:
    work = (costs.run + costs.step * load.steps) * load.messages
    daemons = max(1, math.ceil(work.daemon / limits.core))
    words = (LOOKS + load.messages * load.while_held) * load.workers
    read = min(work.notes, load.agents * load.ledger / LEARN_SECONDS) * load.workers
    met = load.workers**2 / MEET_SECONDS
    fleet = costs.word * words + costs.entry * met
    notes = costs.note * read
    server = (
        work
        + (costs.worker + costs.consumer) * load.workers
        + costs.base * daemons
        + fleet
        + notes
        + costs.renewal * (load.messages * load.seconds * 3 / load.lease)
        + costs.look * LOOKS
    )
    finished = costs.finished_bytes + costs.step_bytes * (load.steps - 1)
    kept = load.open_runs * costs.waiting_bytes, load.messages * load.keep_days * DAY * finished
    keys = load.messages * load.key_days * DAY * costs.key_bytes
    return Needs(
        server=server,
        fleet=fleet.cpu,
        notes=notes.cpu,
        open_bytes=kept[0],
        finished_bytes=kept[1],
        key_bytes=keys,
        scripts=work.scripts,
        connections=load.workers * costs.worker_connections + daemons * costs.daemon_connections,
        daemons=daemons,
        archived=load.messages,
    )


def copied(costs: Costs, need: Needs, nodes: int = 1) -> float:
    """Bytes of memory that a node needs besides while it rewrites its file: what is written to
    meanwhile is there twice."""
    data = need.data / nodes
    return min(data, data / costs.rewrite * need.scripts / nodes * costs.touched_bytes)


@dataclass(frozen=True)
class Wall:
    """Something of which one has only so much."""

    name: str
    used: Callable[[Costs, Needs, Limits], float]
    """Share of it that is needed; above 1 it is too little."""
    way_out: str


WALLS = (
    Wall(
        "the state server's core",
        lambda costs, need, limits: need.server.cpu / limits.core,
        "a cluster; what follows below is not spread by it",
    ),
    Wall(
        "what all workers read of what all noted",
        lambda costs, need, limits: need.notes / limits.core,
        "one worker reads the ledgers and publishes what it believes; until then "
        "PONDERD_THINKING_LEARNING=0, or a smaller PONDERD_THINKING_LEDGER",
    ),
    Wall(
        "what all workers tell all others",
        lambda costs, need, limits: need.fleet / limits.core,
        "tell it at start and when it changes; ask for it only when an agent is missing",
    ),
    Wall(
        "memory",
        lambda costs, need, limits: (need.data + copied(costs, need)) / limits.memory,
        "a smaller PONDERD_KEEP_DAYS first, then a cluster",
    ),
    Wall(
        "connections",
        lambda costs, need, limits: need.connections / limits.connections,
        "a larger maxclients: 20 kB each, and two files",
    ),
    Wall(
        "the network of the state server",
        lambda costs, need, limits: max(need.server.received, need.server.sent) / limits.network,
        "as what all workers read; then a cluster",
    ),
    Wall(
        "the disk of the state server",
        lambda costs, need, limits: need.server.written / limits.disk,
        "a cluster",
    ),
    Wall(
        "the one worker that archives",
        lambda costs, need, limits: need.archived / costs.archived,
        "archive in each shard by turns, several runs at a time",
    ),
)


def used(costs: Costs, load: Load, limits: Limits = Limits()) -> dict[str, float]:
    """The share of each wall that a load needs."""
    need = needs(costs, load, limits)
    return {wall.name: wall.used(costs, need, limits) for wall in WALLS}


def reached(costs: Costs, load: Load, limits: Limits = Limits()) -> dict[str, float]:
    """How many times `load` each wall stands, the first one first."""

    def factor(name: str) -> float:
        low, high = 1e-6, 1e6
        while high / low > 1.001:
            middle = math.sqrt(low * high)
            if used(costs, load.times(middle), limits)[name] > 1:
                high = middle
            else:
                low = middle
        return low

    return dict(sorted(((wall.name, factor(wall.name)) for wall in WALLS), key=lambda one: one[1]))


def nodes(costs: Costs, need: Needs, limits: Limits = Limits()) -> int:
    """Nodes of a cluster over which all is spread evenly."""
    shares = (
        need.server.cpu / limits.core,
        need.server.sent / limits.network,
        need.server.written / limits.disk,
        need.data / limits.memory,
    )
    count = max(1, math.ceil(max(shares)))
    while need.data / count + copied(costs, need, count) > limits.memory:
        count += 1
    return count
