"""The state store in memory, for unit tests: same contract, same suite, a clock that can be set."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha1
from typing import Literal

from ponderd.channels.errors import NotFound, Unavailable
from ponderd.workers.store import contract as s
from ponderd.workers.store.asleep import AsleepError
from ponderd.workers.store.deaths import MANY_DEATHS, rest_after
from ponderd.workers.store.listings import Head
from ponderd.workers.store.memory_beside import MemoryBeside
from ponderd.workers.store.memory_clock import ShardClock
from ponderd.workers.store.memory_listings import ListedRun, MemoryLists
from ponderd.workers.store.run_ids import new_run_id, shard_of
from ponderd.workers.store.shards import SHARDS


class MemoryStore(MemoryBeside, MemoryLists):
    """Implements `RunStore`. Set `available` to False to make every call raise `Unavailable`, or
    `replicated` to False to let no replica confirm.
    Its clock is believed, so that tests may jump, or else `doubted`, as in `lua/clock.lua`."""

    def __init__(self, clock: Callable[[], float] = time.time, *, doubted: bool = False) -> None:
        super().__init__()
        self.available = True
        self.replicated = True
        self._shards = [ShardClock() for _ in range(SHARDS)] if doubted else []
        self._clock = clock
        self._runs: dict[str, ListedRun] = {}
        self._due: dict[str, float] = {}
        self._origins: set[tuple[str, str]] = set()
        self._conversations: dict[str, str] = {}
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._workers: dict[str, float] = {}
        self._counters: Counter[str] = Counter()
        self._checkpoints: dict[str, str] = {}

    async def new_run_id(self, name: str) -> str:
        self._now()
        return new_run_id(name)

    async def admit(self, message: s.NewMessage) -> s.Admission:
        self._now()
        step = message.checkpoint
        if step and self._checkpoints.get(step.name) != step.expected:
            return s.Admission(message.run_id, "stale", False)
        for key in message.keys:
            if seen := self._recall(f"trigger:{key}", self._now()):
                kept = self._recall(f"digest:{key}", self._now())
                if message.digest and kept and kept != message.digest:
                    return s.Admission(seen, "conflict", False)
                self._proceed(step, seen)
                return s.Admission(seen, "duplicate", seen in self._due)
        taken = self._conversations.get(message.conversation_key, "")
        if message.only_new and taken in self._runs:
            return s.Admission(taken, "taken", False)
        now, lease_time = self._clocks(taken if taken in self._runs else message.run_id)
        run_id = self._conversations.setdefault(message.conversation_key, message.run_id)
        run = self._runs.get(run_id)
        outcome: s.AdmissionOutcome = "appended" if run else "launched"
        if run is None:
            agent, where = (message.agent, message.agent_version), message.conversation
            self._origins.add((message.channel, message.agent))
            head = Head(run_id, *agent, message.channel, where, "READY", "", 0, now, now)
            run = self._runs[run_id] = ListedRun(
                head, message.conversation_key, list(message.history), round(now * 1000)
            )
        run.log.append(message.received)
        run.people.update(message.people)
        self._proceed(step, run_id)
        same = outcome == "appended" and message.ends not in ("", run.head.waiting_for)
        waits = run.head.waiting_for if same else ""
        stays = same or run.head.status == "PAUSED"
        self._project(run, s.Projection(run.head.status if stays else "READY", waits), now)
        for key in message.keys:
            self._kept[f"trigger:{key}"] = (run_id, self._now() + s.TRIGGER_TTL)
            if message.digest:
                self._kept[f"digest:{key}"] = (message.digest, self._now() + s.TRIGGER_TTL)
        return s.Admission(run_id, outcome, self._mark_due(run, now, lease_time))

    async def claim(self, run_id: str, owner: str, lease: float, code: str = "") -> s.Claim | None:
        now, lease_time = self._clocks(run_id)
        run = self._runs.get(run_id)
        if run is None or run_id not in self._due or run.lease_until > lease_time:
            return None
        if run.asleep:
            self._due[run_id] = round(now + AWAY, 3)
            raise AsleepError(run_id, run.asleep)
        if run.lease_until:  # whoever held it did not give it back
            run.deaths += 1
            if rest := rest_after(run.deaths, run_id):
                run.lease_until, run.leased_at = 0, None
                self._due[run_id] = round(now + rest, 3)
                if run.deaths > MANY_DEATHS:
                    self._project(run, s.Projection("SET_ASIDE"), now)
                return None
        run.token += 1
        run.lease_until, self._due[run_id] = lease_time + lease, now + lease
        run.leased_at = now
        return s.Claim(run_id, run.token, now, _tail(run, code, 0, b""), run.deaths)

    async def renew(self, claims: Sequence[tuple[str, int]], lease: float) -> dict[str, int]:
        self._now()
        versions = {}
        for run_id, token in claims:
            run = self._runs.get(run_id)
            if run is not None and run.token == token:
                now, lease_time = self._clocks(run_id)
                run.lease_until, self._due[run_id] = lease_time + lease, now + lease
                versions[run_id] = len(run.log)
        return versions

    async def commit(
        self,
        run_id: str,
        token: int,
        version: int,
        events: Sequence[bytes],
        projection: s.Projection,
        release: s.Release | None = None,
        last: bytes = b"",
        snapshot: bytes = b"",
    ) -> s.Committed | s.VersionConflict | s.Lost:
        self._now()
        run = self._runs.get(run_id)
        if run is None or run.token != token or len(run.log) < version:
            return s.Lost()
        if last and run.log[version - 1] != last:
            return s.Lost()
        if len(run.log) > version:
            return s.VersionConflict(tuple(run.log[version:]))
        now, _ = self._clocks(run_id)
        run.log += events
        run.deaths, run.snapshot = 0, snapshot or run.snapshot
        self._project(run, projection, now)
        if release:
            run.token += 1
            run.lease_until, run.leased_at = 0, None
            if release.due is None:
                self._due.pop(run_id, None)
            else:
                self._due[run_id] = release.due
        return s.Committed(len(run.log))

    async def confirm(
        self, run_id: str, token: int, version: int, last: bytes
    ) -> Literal["confirmed", "waiting", "lost"]:
        self._now()
        run = self._runs.get(run_id)
        if run is None or run.token != token or run.log[version - 1 : version] != [last]:
            return "lost"
        return "confirmed" if self.replicated else "waiting"

    async def check_replicas(self) -> None:
        self._now()
        if not self.replicated:
            raise Unavailable("replicas do not confirm")

    async def signal(
        self,
        run_id: str,
        version: int,
        event: bytes,
        projection: s.Projection,
        people: Sequence[str] = (),
    ) -> s.Admission | s.VersionConflict:
        self._now()
        run = self._runs.get(run_id)
        if run is not None and run.asleep:
            raise AsleepError(run_id, run.asleep)
        if run is None or len(run.log) < version:
            raise NotFound(f"there is no run {run_id}")
        if len(run.log) > version:
            return s.VersionConflict(tuple(run.log[version:]))
        now, lease_time = self._clocks(run_id)
        run.log.append(event)
        run.people.update(people)
        self._project(run, projection, now)
        return s.Admission(run_id, "appended", self._mark_due(run, now, lease_time))

    async def sweep(self, limit: int, grace: float, takes_over: bool = True) -> list[str]:
        found: list[str] = []
        self._now()
        clocks = {
            shard: self._clocks(f"{shard:02x}-", True)
            for shard in range(SHARDS)
            if not self._shards or self._shards[shard].kept
        }
        for run_id, due in sorted(self._due.items(), key=lambda entry: entry[1]):
            now, lease_time = clocks[shard_of(run_id)]
            if due > now or len(found) >= limit:
                continue
            left = self._runs[run_id].lease_until - lease_time
            self._due[run_id] = round(now + (left if left > 0 else grace), 3)
            if left <= 0 and (takes_over or not self._runs[run_id].lease_until):
                found.append(run_id)
        return found

    async def load(self, run_id: str, after: int = 0, limit: int = 0) -> tuple[bytes, ...]:
        run = self._to_read(run_id)
        return tuple(run.log[after : after + limit if limit else None]) if run else ()

    async def latest(self, run_id: str, code: str, known: int = 0, last: bytes = b"") -> s.Tail:
        run = self._to_read(run_id)
        return _tail(run, code, known, last) if run else s.Tail(0, b"", ())

    async def drop_snapshot(self, run_id: str) -> None:
        self._now()
        if run := self._runs.get(run_id):
            run.snapshot = b""

    async def versions(self, run_ids: Sequence[str]) -> list[int]:
        self._now()
        return [run.version if (run := self._runs.get(each)) else 0 for each in run_ids]

    async def expire(self, run_id: str, version: int, people: Sequence[str] = ()) -> bool:
        _, lease_time = self._clocks(run_id)
        run = self._runs.get(run_id)
        if (
            run is None
            or run.head.status not in s.FINISHED
            or run.lease_until > lease_time
            or run_id in self._due
            or run.asleep
            or len(run.log) != version
        ):
            return False
        del self._runs[run_id]
        if self._conversations.get(run.conversation_key) == run_id:
            del self._conversations[run.conversation_key]
        return True

    async def sleep(self, run_id: str, version: int, last: bytes, mark: str, idle: float) -> bool:
        self._now()
        run = self._runs.get(run_id)
        due = self._due.get(run_id)
        if (
            run is None
            or run.head.status not in ("WAITING", "PAUSED")
            or run.lease_until
            or run.asleep
            or len(run.log) != version
            or run.log[-1:] != [last]
            or (due is not None and due <= round(self._clocks(run_id, True)[0] + idle, 3))
        ):
            return False
        run.asleep, run.log, run.snapshot = mark, [], b""
        run.head = replace(run.head, asleep=True)
        return True

    async def wake(self, run_id: str, mark: str, log: Sequence[bytes]) -> bool:
        self._now()
        run = self._runs.get(run_id)
        if run is None or run.asleep != mark:
            return False
        run.asleep, run.log = "", [*log, *run.log]
        run.head = replace(run.head, asleep=False, version=len(run.log))
        return True

    async def news(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while (run_id := await queue.get()) is not None:
                yield run_id
        finally:
            self._listeners.discard(queue)

    async def tell(self, text: str) -> None:
        self._now()
        for queue in self._listeners:
            queue.put_nowait(text)

    async def knows(self, key: str, run_id: str) -> bool:
        return self._recall(f"trigger:{key}", self._now()) is not None

    async def checkpoints(self, names: Sequence[str]) -> list[str | None]:
        self._now()
        return [self._checkpoints.get(name) for name in names]

    async def set_checkpoint(self, checkpoint: s.Checkpoint) -> bool:
        self._now()
        if self._checkpoints.get(checkpoint.name) != checkpoint.expected:
            return False
        self._checkpoints[checkpoint.name] = checkpoint.value
        return True

    async def now(self) -> float:
        return self._now()

    async def report(
        self, worker: str, counts: Mapping[str, float], *, alive: bool = True
    ) -> float:
        now = self._now()
        told = {**self._workers, worker: now if alive else 0.0}
        if not alive:  # whoever ends tidies up what others left
            told = {w: at for w, at in told.items() if round(abs(now - at), 3) < s.WORKER_TTL}
        self._workers = told
        self._counters.update(counts)
        return now

    async def gauges(self) -> s.Gauges:
        clock = self._now()
        leased = {each: run.leased_at for each, run in self._runs.items() if run.leased_at}
        return s.Gauges(
            in_flight=len(leased),
            overdue=sum(due <= self._kept_clock(run_id) for run_id, due in self._due.items()),
            oldest_lease=max([0.0, *(self._kept_clock(id) - at for id, at in leased.items())]),
            runs=dict(Counter(run.head.status for run in self._runs.values())),
            workers=sum(abs(clock - seen) <= s.WORKER_TTL for seen in self._workers.values()),
            counters=dict(self._counters),
            asleep=sum(bool(run.asleep) for run in self._runs.values()),
        )

    async def close(self) -> None:
        for queue in self._listeners:
            queue.put_nowait(None)

    def _now(self) -> float:
        if not self.available:
            raise Unavailable("the state server cannot be used: switched off by a test")
        return round(self._clock(), 3)

    def _clocks(self, run_id: str, only_looks: bool = False) -> tuple[float, float]:
        """The time of events, and the lease time, in the shard of this run."""
        server = self._now()
        if not self._shards:
            return server, server
        shard = shard_of(run_id)
        held = {each for each, run in self._runs.items() if run.leased_at is not None}
        due = {each for each, at in self._due.items() if at <= server}
        idle = only_looks and shard not in map(shard_of, held | due)
        now, lease_time = self._shards[shard].read(round(server * 1000), idle)
        return now / 1000, lease_time / 1000

    def _kept_clock(self, run_id: str) -> float:
        kept = self._shards[shard_of(run_id)].kept if self._shards else 0
        return max(self._now(), kept / 1000)

    def _to_read(self, run_id: str) -> ListedRun | None:
        self._now()
        run = self._runs.get(run_id)
        if run is not None and run.asleep:
            raise AsleepError(run_id, run.asleep, run.log)
        return run

    def _proceed(self, step: s.Checkpoint | None, run_id: str) -> None:
        if step:
            self._checkpoints[step.name] = step.value.replace("{run}", run_id)

    def _mark_due(self, run: ListedRun, now: float, lease_time: float) -> bool:
        if run.lease_until > lease_time:
            for queue in self._listeners:
                queue.put_nowait(run.head.id)
            return False
        self._due[run.head.id] = now + s.POKE_GRACE
        return True


AWAY = 10.0
"""Seconds until a run is looked at again that is asleep; `lua/claim.lua` has the same."""


def _tail(run: ListedRun, code: str, known: int, last: bytes) -> s.Tail:
    """As `lua/tail.lua` says it."""

    def fits(version: int, sha: str) -> bool:
        event = run.log[version - 1 : version] if 0 < version < 1e9 else []
        return bool(event) and sha1(event[0]).hexdigest() == sha

    snapshot = b""
    if not fits(known, sha1(last).hexdigest()):
        known = 0
        sealed = _SEAL.match(run.snapshot) if code else None
        if sealed and sealed[3].decode() == code and fits(int(sealed[1]), sealed[2].decode()):
            known, snapshot = int(sealed[1]), run.snapshot
    return s.Tail(known, snapshot, tuple(run.log[max(known, 1) - 1 :]))


_SEAL = re.compile(rb"(\d+) ([0-9a-f]+) ([0-9A-Za-z]+)\n")
