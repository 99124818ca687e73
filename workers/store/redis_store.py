"""The state store on Redis or Valkey. The Lua scripts in `lua/` make its decisions atomically."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, Literal, cast

from redis.asyncio import Redis, RedisCluster

from ponderd.channels.errors import NotFound
from ponderd.workers.store import contract as s
from ponderd.workers.store import redis_gauges
from ponderd.workers.store.asleep import AsleepError
from ponderd.workers.store.redis_admissions import Admissions, step_arguments
from ponderd.workers.store.redis_batches import Batches
from ponderd.workers.store.redis_beside import RedisBeside
from ponderd.workers.store.redis_client import awaited as _answer
from ponderd.workers.store.redis_client import connect
from ponderd.workers.store.redis_client import ms as _ms
from ponderd.workers.store.redis_clocks import ShardClocks
from ponderd.workers.store.redis_due import DueRuns
from ponderd.workers.store.redis_layout import Layouts
from ponderd.workers.store.redis_listings import RedisLists
from ponderd.workers.store.redis_many import Call, ManyCalls
from ponderd.workers.store.redis_news import News
from ponderd.workers.store.redis_versions import Versions
from ponderd.workers.store.replicas import Replicas
from ponderd.workers.store.run_ids import shard_of
from ponderd.workers.store.shards import family, prefixes, shard_of_name

__all__ = ["RedisStore", "connect"]

_LUA = Path(__file__).parent / "lua"
_COMMON = ("clock", "common", "listings", "asleep")
_SCRIPTS = (
    *("commit", "expire", "renew", "signal", "sweep"),
    *("load", "sleep", "wake"),
    *("count", "describe", "index", "list", "tidy"),
)
_MOVING = ("admit", "leave", "step")
_READERS = ("claim", "latest")


def scripts() -> dict[str, str]:
    """The text of each script, as the server gets it."""
    before: dict[str, tuple[str, ...]]
    before = dict.fromkeys(_SCRIPTS, _COMMON) | dict.fromkeys(_READERS, (*_COMMON, "tail"))
    before |= dict.fromkeys(_MOVING, (*_COMMON, "moving"))
    before["heads"] = ()
    return {
        name: "".join((_LUA / f"{part}.lua").read_text() for part in (*parts, name))
        for name, parts in before.items()
    }


class RedisStore(RedisBeside, RedisLists):
    """Implements `RunStore`."""

    def __init__(
        self, redis: Redis | RedisCluster, *, namespace: str = "ponderd", replicas: int = 0
    ) -> None:
        """`replicas`: as many must have what is accepted, and what `confirm` asks for."""
        super().__init__(redis, namespace, Replicas(redis, replicas))
        self._scripts = {name: redis.register_script(text) for name, text in scripts().items()}
        self._many = ManyCalls(redis, self._scripts, prefixes(namespace))
        self._batches = Batches(redis)
        self._news = News(redis, f"{namespace}:news")
        self._prefixes = prefixes(namespace)
        self.layouts = Layouts(redis, namespace, self._prefixes, self._run)
        self._admissions = Admissions(
            redis, self._prefixes, self.layouts, self._replicas, self._run
        )
        self._clocks = ShardClocks(redis, self._prefixes, lambda: self._now_ms())
        self._due = DueRuns(self._clocks, self._run_all)
        self._versions = Versions(redis, self._clocks, self._prefixes)

    async def new_run_id(self, name: str) -> str:
        return await self.layouts.new_run_id(name)

    async def admit(self, message: s.NewMessage) -> s.Admission:
        return await self._admissions.admit(message)

    async def claim(self, run_id: str, owner: str, lease: float, code: str = "") -> s.Claim | None:
        found = await self._run("claim", shard_of(run_id), run_id, _ms(lease), owner, code)
        if found is None:
            return None
        if len(found) == 1:
            raise _asleep(run_id, found)
        token, now, deaths, *tail = found
        return s.Claim(run_id, int(token), int(now) / 1000, _tail(tail), int(deaths))

    async def renew(self, claims: Sequence[tuple[str, int]], lease: float) -> dict[str, int]:
        versions = await self._run_all(
            "renew", [(shard_of(run), (run, token, _ms(lease))) for run, token in claims]
        )
        return {run: now for (run, _), now in zip(claims, versions, strict=True) if now}

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
        if release is None:
            leave = "keep"
        else:
            leave = "idle" if release.due is None else str(_ms(release.due))
        verdict, *rest = await self._run(
            "commit",
            shard_of(run_id),
            run_id,
            token,
            version,
            projection.status,
            projection.waiting_for,
            leave,
            sha1(last).hexdigest() if last else "",
            snapshot,
            _ms(projection.asked_at),
            projection.asks,
            *events,
        )
        match verdict:
            case b"committed":
                return s.Committed(int(rest[0]))
            case b"conflict":
                return s.VersionConflict(tuple(rest))
            case _:
                return s.Lost()

    async def confirm(
        self, run_id: str, token: int, version: int, last: bytes
    ) -> Literal["confirmed", "waiting", "lost"]:
        if not self._replicas.wanted:
            return "confirmed"
        prefix = self._prefix(shard_of(run_id))
        held = ("HGET", f"{prefix}:run:{run_id}", "token")
        known = ("LINDEX", f"{prefix}:log:{run_id}", version - 1)
        now, found, enough = await self._replicas.ask(prefix, held, known)
        if now != str(token).encode() or found != last:
            return "lost"
        return "confirmed" if enough else "waiting"

    async def check_replicas(self) -> None:
        await self._replicas.check(self._prefix(0))

    async def signal(
        self,
        run_id: str,
        version: int,
        event: bytes,
        projection: s.Projection,
        people: Sequence[str] = (),
    ) -> s.Admission | s.VersionConflict:
        prefix = self._prefix(shard_of(run_id))
        await self._replicas.require(prefix)
        verdict, *rest = await self._run(
            "signal",
            shard_of(run_id),
            run_id,
            version,
            projection.status,
            projection.waiting_for,
            event,
            _ms(s.POKE_GRACE),
            _ms(projection.asked_at),
            projection.asks,
            *people,
        )
        match verdict:
            case b"appended":
                log = f"{prefix}:log:{run_id}"
                await self._replicas.accept(prefix, "LPOS", log, event, "RANK", -1)
                return s.Admission(run_id, "appended", bool(rest[0]))
            case b"conflict":
                return s.VersionConflict(tuple(rest))
            case b"asleep":
                raise _asleep(run_id, rest)
            case _:
                raise NotFound(f"there is no run {run_id}")

    async def sweep(self, limit: int, grace: float, takes_over: bool = True) -> list[str]:
        return await self._due.sweep(limit, _ms(grace), takes_over)

    async def load(self, run_id: str, after: int = 0, limit: int = 0) -> tuple[bytes, ...]:
        until = after + limit - 1 if limit else -1
        return tuple(
            _awake(run_id, await self._run("load", shard_of(run_id), run_id, after, until))
        )

    async def latest(self, run_id: str, code: str, known: int = 0, last: bytes = b"") -> s.Tail:
        sha = sha1(last).hexdigest() if known else ""
        found = await self._run("latest", shard_of(run_id), run_id, code, known, sha)
        return _tail(_awake(run_id, found))

    async def drop_snapshot(self, run_id: str) -> None:
        key = f"{self._prefix(shard_of(run_id))}:snapshot:{run_id}"
        await _answer(self._redis.delete(key))

    async def versions(self, run_ids: Sequence[str]) -> list[int]:
        return await self._versions.read(run_ids)

    async def expire(self, run_id: str, version: int, people: Sequence[str] = ()) -> bool:
        return bool(await self._run("expire", shard_of(run_id), run_id, version, *people))

    async def sleep(self, run_id: str, version: int, last: bytes, mark: str, idle: float) -> bool:
        arguments = (run_id, version, sha1(last).hexdigest(), mark, _ms(idle))
        return bool(await self._run("sleep", shard_of(run_id), *arguments))

    async def wake(self, run_id: str, mark: str, log: Sequence[bytes]) -> bool:
        return bool(await self._run("wake", shard_of(run_id), run_id, mark, *log))

    def news(self) -> AsyncIterator[str]:
        return self._news.listen()

    async def tell(self, text: str) -> None:
        await _answer(self._news.tell(text))

    async def knows(self, key: str, run_id: str) -> bool:
        pipe = self._redis.pipeline(transaction=False)
        for shard in family(shard_of(run_id)):
            pipe.exists(f"{self._prefix(shard)}:trigger:{key}")
        return any(await _answer(pipe.execute()))

    async def checkpoints(self, names: Sequence[str]) -> list[str | None]:
        even = await self.layouts.now() == "even"
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            if not even:  # in the order in which it goes from one place to the next
                old = self._prefix(shard_of_name(name, old=True))
                pipe.get(f"{old}:checkpoint:{name}")
                pipe.get(f"{old}:moved:{name}")
            pipe.get(f"{self._prefix(shard_of_name(name))}:checkpoint:{name}")
        found = await _answer(pipe.execute()) if names else []
        places = 1 if even else 3
        each = (found[i : i + places] for i in range(0, len(found), places))
        newest = (next((v for v in reversed(values) if v is not None), None) for values in each)
        return [None if value is None else value.decode() for value in newest]

    async def set_checkpoint(self, checkpoint: s.Checkpoint) -> bool:
        layout, step = await self.layouts.now(), step_arguments(checkpoint)
        if layout != "even":
            old = shard_of_name(checkpoint.name, old=True)
            way = "look" if layout == "moving" else "open"
            if (replaced := await self._run("step", old, *step, way)) != -1:
                return bool(replaced)
            self.layouts.forget()
            await self.layouts.settle(checkpoint.name)
        return bool(await self._run("step", shard_of_name(checkpoint.name), *step, "open"))

    async def now(self) -> float:
        return await self._now_ms() / 1000

    async def report(
        self, worker: str, counts: Mapping[str, float], *, alive: bool = True
    ) -> float:
        now, name = await self._now_ms(), self._namespace
        await _answer(redis_gauges.report(self._redis, name, worker, counts, alive, now))
        return now / 1000

    async def gauges(self) -> s.Gauges:
        shards = await self.layouts.used()
        counted = await self._run_all("count", [(shard, ()) for shard in shards])
        now, name = await self._now_ms(), self._namespace
        used = [self._prefixes[shard] for shard in shards]
        found = redis_gauges.gauges(self._redis, name, used, now, counted)
        return cast(s.Gauges, await _answer(found))

    async def close(self) -> None:
        await self._news.close()
        await self._batches.close()
        await self._redis.aclose()

    async def _used(self) -> Sequence[int]:
        return await self.layouts.used()

    async def _now_ms(self) -> int:
        return int(await _answer(redis_gauges.now_ms(self._redis)))

    def _prefix(self, shard: int) -> str:
        return self._prefixes[shard]

    async def _run(self, name: str, shard: int, *arguments: Any) -> Any:
        call = self._batches.call(self._scripts[name], self._prefix(shard), arguments)
        return await _answer(call)

    async def _run_all(self, name: str, calls: Sequence[Call]) -> list[Any]:
        """Call one script many times in one round trip. `calls` are (shard, arguments)."""
        return await self._many.run(name, calls)

    async def _read_all(
        self, name: str, keys: Sequence[Sequence[str]], arguments: tuple[Any, ...]
    ) -> list[Any]:
        return await self._many.read(name, keys, arguments)


def _asleep(run_id: str, since: Sequence[bytes]) -> AsleepError:
    """`since` is the run's field `asleep`, and the events that came since, if they are known."""
    return AsleepError(run_id, since[0].decode(), since[1:])


def _awake(run_id: str, found: Sequence[Any]) -> Sequence[Any]:
    """What a reading script found. Raises `AsleepError`."""
    if found and isinstance(found[0], list):
        raise _asleep(run_id, found[0])
    return found


def _tail(found: Sequence[Any]) -> s.Tail:
    known, snapshot, *log = found
    return s.Tail(int(known), snapshot, tuple(log))
