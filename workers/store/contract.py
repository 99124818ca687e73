"""The contract of the state store. Two implementations pass tests/workers/store/test_contract.py:
`redis_store` and, for unit tests, `memory_store`.

The store keeps logs of opaque events and does not know what they mean. To list and wake runs it
needs a little more, which comes with the events as a `Projection`. All times are Unix seconds by
the store's own clock. Every method raises `Unavailable` if the store cannot be reached.

Three words for the way in: channels and the daemon `accept` a trigger, the store `admit`s it to a
log, and there an event says that the run received it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ponderd.channels.errors import Unavailable
from ponderd.workers.store.asleep import Sleeping
from ponderd.workers.store.beside import Beside
from ponderd.workers.store.listings import StoreLists

WORKER_TTL = 10.0
"""Seconds for which a worker counts as alive after its last report."""

AdmissionOutcome = Literal["launched", "appended", "duplicate", "conflict", "taken", "stale"]


class StoreMoves(Unavailable):
    """The store has another layout than when an id was made for a new run; with a new id it can
    begin."""


FINISHED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
"""Statuses of runs that have ended. `lua/common.lua` lists them, too."""

RECEIPT_TTL = 30 * 24 * 3600.0
"""Seconds for which a reaction to one of our messages can still find its run."""

TRIGGER_TTL = 7 * 24 * 3600
"""Seconds for which a trigger's keys are remembered. GitHub may deliver again after days."""

POKE_GRACE = 2.0
"""Seconds after which a sweep finds a run that was poked but not claimed."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What the store must know of a run. It is always computed by folding the log."""

    status: str
    waiting_for: str = ""
    asked_at: float = 0.0
    """When it asked for the approval that it waits for."""
    asks: bytes = b""
    """What lists show of that approval. Empty: none, or it is as it was."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far somebody has come: a value under a name, which is replaced step by step."""

    name: str
    expected: str | None
    """The value that is replaced. None: there must be none."""
    value: str
    """The new one. In an admission, `{run}` in it stands for the id of the run."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A trigger, routed and encoded."""

    run_id: str
    """The id for a new run. It is in the same shard as `conversation_key`."""
    conversation_key: str
    """Identifies the conversation and so the run, if it has one. See the function of this name."""
    keys: tuple[str, ...]
    """The trigger's keys, by which repeats are recognised."""
    digest: str = field(default="", kw_only=True)
    """What tells another message with one of the keys from a repeat. Empty: all are repeats."""
    agent: str
    agent_version: str
    channel: str
    conversation: str
    history: tuple[bytes, ...]
    """The events with which a new run begins."""
    received: bytes
    """The event of this message. In a new run it comes after `history`."""
    people: tuple[str, ...] = ()
    """Who wrote it and its history, as `principal`s."""
    ends: str = ""
    """It may end a wait for this alone, or else lists show the run as before. Empty: any wait."""
    only_new: bool = False
    """Begin a run with it, or do nothing."""
    checkpoint: Checkpoint | None = None
    """Replaced together with the admission. If its value is not the expected one, the message is
    'stale', and nothing is stored. `run_id` must be in its shard: that of `new_run_id(name)`."""
    returns: bool = False
    """`run_id` is not new: that run exists, or comes back from the archive."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A message is in the log of a run, unless `outcome` is 'conflict', 'taken' or 'stale'."""

    run_id: str
    outcome: AdmissionOutcome
    poke: bool
    """Nobody holds the run, so a worker should be poked."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log, as far as its reader does not know it yet."""

    known: int
    """The reader knows so many events, by itself or from `snapshot`; 0: none."""
    snapshot: bytes
    """What it can go on from (`execution.snapshots`); empty: nothing, or what it had."""
    log: tuple[bytes, ...]
    """The last event that it knows, and all after it."""

    @property
    def version(self) -> int:
        """The number of all events."""
        return max(self.known, 1) - 1 + len(self.log)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to advance a run until the lease ends."""

    run_id: str
    token: int
    """Fencing token: each claim gets a higher one, and a commit with a lower one is lost."""
    now: float
    """The store's time at the claim."""
    tail: Tail
    deaths: int = 0
    """How many holders in a row did not give it back, and committed nothing before they died."""
    asked_at: float | None = None
    """The monotonic time from which the lease counts, if that is later than the call."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The events are in the log."""

    version: int
    """The number of events now."""


@dataclass(frozen=True, slots=True)
class VersionConflict:
    """Nothing was written: the log has grown since the version that the caller knows."""

    missed: tuple[bytes, ...]
    """The events that the caller does not know."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing was written: the lease ended, and somebody else holds the run or has held it."""


@dataclass(frozen=True, slots=True)
class Release:
    """Give the lease back."""

    due: float | None = None
    """When a worker must look at the run again. None: only when something happens to it."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """What the store measures for operators."""

    in_flight: int
    """Runs that a worker holds."""
    overdue: int
    """Runs that are due and that no worker has taken."""
    oldest_lease: float
    """Seconds for which the run that is held longest has been held; 0 if none is."""
    runs: dict[str, int]
    """Runs by status."""
    workers: int
    """Workers that reported within `WORKER_TTL`."""
    counters: dict[str, float]
    """Counters, summed over all workers."""
    asleep: int = 0
    """Runs whose log is in the archive."""


class RunStore(Beside, StoreLists, Sleeping, Protocol):
    """What every store does. A change to a run happens as a whole or not at all."""

    async def new_run_id(self, name: str) -> str:
        """An id for a new run in the shard of `name`: its `conversation_key`, or another name by
        which it is kept together with what else has that name."""

    async def admit(self, message: NewMessage) -> Admission:
        """Store a message exactly once and durably: recognise a repeat by its keys, find or create
        the run of the conversation, append, mark it due.

        A repeat is a 'duplicate', even if its run has expired since; `run_id` is still that run's.
        A message with the key of another one is in 'conflict', where both have a `digest`.
        With `only_new`, a conversation that has a run is 'taken', and nothing is stored.
        A `checkpoint` makes 'once' independent of how long keys are remembered.

        Raises `StoreMoves`.
        """

    async def claim(self, run_id: str, owner: str, lease: float, code: str = "") -> Claim | None:
        """Take the lease for `lease` seconds. None if somebody holds it, or the run is not due, or
        rests because its holders die. `code` as in `latest`."""

    async def renew(self, claims: Sequence[tuple[str, int]], lease: float) -> dict[str, int]:
        """Prolong leases, given as (run_id, token), to `lease` seconds from now.

        Returns run id -> version (number of events) for those that still belong to the caller. A
        missing one was lost."""

    async def commit(
        self,
        run_id: str,
        token: int,
        version: int,
        events: Sequence[bytes],
        projection: Projection,
        release: Release | None = None,
        last: bytes = b"",
        snapshot: bytes = b"",
    ) -> Committed | VersionConflict | Lost:
        """Append if `token` is the newest and the log still ends at `version`. All or nothing.

        With `release`, also give the lease back; with `snapshot`, keep it for readers. Lost, too,
        if the log is shorter, or has another event than `last` (unless it is empty) at `version`:
        another server has taken over."""

    async def confirm(
        self, run_id: str, token: int, version: int, last: bytes
    ) -> Literal["confirmed", "waiting", "lost"]:
        """Whether the replicas that PONDERD_STATE_REPLICAS asks for have the log up to `version`.

        'lost' as in `commit`. Without replicas to wait for, 'confirmed' at once. `admit`, `signal`
        and `put` confirm by themselves, and raise `Unavailable` where that fails."""

    async def check_replicas(self) -> None:
        """Raises `Unavailable` if too few replicas confirm what is written now."""

    async def signal(
        self,
        run_id: str,
        version: int,
        event: bytes,
        projection: Projection,
        people: Sequence[str] = (),
    ) -> Admission | VersionConflict:
        """Append without a lease if the log still ends at `version`, and mark the run due. `people`
        wrote the event, if it is a message.

        Raises `NotFound` if the run does not exist or has expired.
        """

    async def sweep(self, limit: int, grace: float, takes_over: bool = True) -> list[str]:
        """Ids of at most `limit` runs that a worker should look at now: their poke was lost, their
        sleep ended or, if it `takes_over`, their lease expired. Each is due again only after
        `grace` seconds, so that other workers' sweeps pass it over."""

    async def load(self, run_id: str, after: int = 0, limit: int = 0) -> tuple[bytes, ...]:
        """The log of a run, or at most `limit` of its events (0: all) after the first `after` ones.
        Empty if there are none."""

    async def latest(self, run_id: str, code: str, known: int = 0, last: bytes = b"") -> Tail:
        """What a reader lacks who knows `known` events, of which `last` is the last one. If the log
        does not have it there, or `known` is 0: all events, or the newest snapshot by `code` that
        fits the log, with those after it. Empty if the run does not exist."""

    async def drop_snapshot(self, run_id: str) -> None:
        """Forget the snapshot of a run. It only saves time."""

    async def versions(self, run_ids: Sequence[str]) -> list[int]:
        """How many events each of these has, 0: it does not exist. Cheap if asked again and again,
        for the same store object remembers, and looks only where something was written."""

    async def expire(self, run_id: str, version: int, people: Sequence[str] = ()) -> bool:
        """Forget a run if it has ended, is neither held nor due, and its log ends at `version`.
        `people` are all who wrote to it.

        Returns whether it was forgotten. The keys of its triggers stay until they expire."""

    def news(self) -> AsyncIterator[str]:
        """What others `tell`, and ids of runs to which something was appended while they were held.

        Only a hint: news from before the first `anext`, or from while the server cannot be reached,
        is missed. Continues after errors; ends with `close`."""

    async def tell(self, text: str) -> None:
        """Let all who listen to `news` hear a text."""

    async def knows(self, key: str, run_id: str) -> bool:
        """Whether a message with this key was admitted in the shard of `run_id`, or before or after
        the store has moved that."""

    async def checkpoints(self, names: Sequence[str]) -> list[str | None]:
        """The values of checkpoints, in the given order. None: there is none."""

    async def set_checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Replace a checkpoint without an admission. Returns whether its value was as expected."""

    async def now(self) -> float:
        """The store's time, Unix seconds."""

    async def report(
        self, worker: str, counts: Mapping[str, float], *, alive: bool = True
    ) -> float:
        """Record that a worker takes runs, or no more, and add `counts` to the counters. Returns
        the store's time, as `now` does."""

    async def gauges(self) -> Gauges:
        """Measure now."""

    async def close(self) -> None:
        """Release connections, and end `news`."""


def conversation_key(agent: str, channel: str, source: str, conversation: str) -> str:
    """What identifies a conversation: the same name in another channel or source is another one."""
    return ":".join((agent, channel, source, conversation))


def receipt_key(channel: str, message: str) -> str:
    """Under it `remember` keeps the `EventRef` of the answer that we sent as `message`."""
    return f"receipt:{channel}:{message}"
