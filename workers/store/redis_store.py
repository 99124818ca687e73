"""The state store on Redis or Valkey. The Lua scripts in `lua/` make its decisions atomically."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, Literal, cast

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError

from ponderd.channels.errors import NotFound
from ponderd.workers.store import contract as s
from ponderd.workers.store import redis_gauges
from ponderd.workers.store.redis_batches import Batches
from ponderd.workers.store.redis_beside import RedisBeside
from ponderd.workers.store.redis_client import awaited as _answer
from ponderd.workers.store.redis_client import connect
from ponderd.workers.store.redis_client import ms as _ms
from ponderd.workers.store.redis_clocks import ShardClocks
from ponderd.workers.store.redis_due import DueRuns
from ponderd.workers.store.redis_listings import Call, RedisLists
from ponderd.workers.store.redis_news import News
from ponderd.workers.store.redis_versions import Versions
from ponderd.workers.store.replicas import Replicas
from ponderd.workers.store.run_ids import SHARDS, new_run_id, shard_of

__all__ = ["RedisStore", "connect"]

_LUA = Path(__file__).parent / "lua"
_COMMON = ("clock", "common", "listings")
_SCRIPTS = (
    *("admit", "commit", "expire", "renew", "signal", "sweep"),
    *("count", "describe", "heads", "index", "list", "tidy"),
)
_READERS = ("claim", "latest")


def scripts() -> dict[str, str]:
    """The text of each script, as the server gets it."""
    before = dict.fromkeys(_SCRIPTS, _COMMON) | dict.fromkeys(_READERS, (*_COMMON, "tail"))
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
        self._batches = Batches(redis)
        self._news = News(redis, f"{namespace}:news")
        self._prefixes = [self._prefix(shard) for shard in range(SHARDS)]
        self._clocks = ShardClocks(redis, self._prefixes, lambda: self._now_ms())
        self._due = DueRuns(self._clocks, self._run_all)
        self._versions = Versions(redis, self._clocks, self._prefixes)

    async def admit(self, message: s.NewMessage) -> s.Admission:
        step = message.checkpoint
        prefix = self._prefix(shard_of(message.run_id))
        await self._replicas.require(prefix)
        run_id, outcome, poke = await self._run(
            "admit",
            shard_of(message.run_id),
            message.agent,
            message.agent_version,
            message.channel,
            message.conversation,
            message.conversation_key,
            message.run_id,
            message.received,
            s.TRIGGER_TTL * 1000,
            _ms(s.POKE_GRACE),
            int(message.only_new),
            *(_step(step) if step else ("", 0, "", "")),
            message.digest,
            len(message.keys),
            *message.keys,
            len(message.people),
            *message.people,
            *message.history,
        )
        if outcome in (b"launched", b"appended"):
            log = f"{prefix}:log:{run_id.decode()}"
            await self._replicas.accept(prefix, "LPOS", log, message.received, "RANK", -1)
        elif outcome == b"duplicate":
            keys = [f"{prefix}:trigger:{key}" for key in message.keys]
            await self._replicas.accept(prefix, "EXISTS", *keys)
        return s.Admission(run_id.decode(), outcome.decode(), bool(poke))

    async def claim(self, run_id: str, owner: str, lease: float, code: str = "") -> s.Claim | None:
        found = await self._run("claim", shard_of(run_id), run_id, _ms(lease), owner, code)
        if found is None:
            return None
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
            case _:
                raise NotFound(f"there is no run {run_id}")

    async def sweep(self, limit: int, grace: float, takes_over: bool = True) -> list[str]:
        return await self._due.sweep(limit, _ms(grace), takes_over)

    async def load(self, run_id: str, after: int = 0, limit: int = 0) -> tuple[bytes, ...]:
        key = f"{self._prefix(shard_of(run_id))}:log:{run_id}"
        return tuple(
            await _answer(self._redis.lrange(key, after, after + limit - 1 if limit else -1))
        )

    async def latest(self, run_id: str, code: str, known: int = 0, last: bytes = b"") -> s.Tail:
        sha = sha1(last).hexdigest() if known else ""
        return _tail(await self._run("latest", shard_of(run_id), run_id, code, known, sha))

    async def drop_snapshot(self, run_id: str) -> None:
        key = f"{self._prefix(shard_of(run_id))}:snapshot:{run_id}"
        await _answer(self._redis.delete(key))

    async def versions(self, run_ids: Sequence[str]) -> list[int]:
        return await self._versions.read(run_ids)

    async def expire(self, run_id: str, version: int, people: Sequence[str] = ()) -> bool:
        return bool(await self._run("expire", shard_of(run_id), run_id, version, *people))

    def news(self) -> AsyncIterator[str]:
        return self._news.listen()

    async def tell(self, text: str) -> None:
        await _answer(self._news.tell(text))

    async def knows(self, key: str, run_id: str) -> bool:
        prefix = self._prefix(shard_of(run_id))
        return bool(await _answer(self._redis.exists(f"{prefix}:trigger:{key}")))

    async def checkpoints(self, names: Sequence[str]) -> list[str | None]:
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.get(self._checkpoint(name))
        found = await _answer(pipe.execute()) if names else []
        return [None if value is None else value.decode() for value in found]

    async def set_checkpoint(self, checkpoint: s.Checkpoint) -> bool:
        name, absent, was, value = _step(checkpoint)
        key = self._checkpoint(name)
        return bool(await _answer(self._swap(keys=[key], args=[absent, was, value])))

    async def now(self) -> float:
        return await self._now_ms() / 1000

    async def report(
        self, worker: str, counts: Mapping[str, float], *, alive: bool = True
    ) -> float:
        now, name = await self._now_ms(), self._namespace
        await _answer(redis_gauges.report(self._redis, name, worker, counts, alive, now))
        return now / 1000

    async def gauges(self) -> s.Gauges:
        counted = await self._run_all("count", [(shard, ()) for shard in range(SHARDS)])
        now, name = await self._now_ms(), self._namespace
        found = redis_gauges.gauges(self._redis, name, self._prefixes, now, counted)
        return cast(s.Gauges, await _answer(found))

    async def close(self) -> None:
        await self._news.close()
        await self._batches.close()
        await self._redis.aclose()

    async def _now_ms(self) -> int:
        return int(await _answer(redis_gauges.now_ms(self._redis)))

    def _prefix(self, shard: int) -> str:
        return f"{{{self._namespace}:{shard:02x}}}"

    def _checkpoint(self, name: str) -> str:
        return f"{self._prefix(shard_of(new_run_id(name)))}:checkpoint:{name}"

    async def _run(self, name: str, shard: int, *arguments: Any) -> Any:
        call = self._batches.call(self._scripts[name], self._prefix(shard), arguments)
        return await _answer(call)

    async def _run_all(self, name: str, calls: list[Call]) -> list[Any]:
        """Call one script many times in one round trip. `calls` are (shard, arguments)."""
        script = self._scripts[name]

        async def send() -> list[Any]:
            pipe = self._redis.pipeline(transaction=False)
            for shard, arguments in calls:
                pipe.execute_command("EVALSHA", script.sha, 1, self._prefix(shard), *arguments)
            return await pipe.execute()

        async def send_or_load() -> list[Any]:
            try:
                return await send()
            except NoScriptError:  # the server has restarted and lost its script cache
                await self._redis.script_load(script.script)
                return await send()

        return await _answer(send_or_load()) if calls else []


def _tail(found: Sequence[Any]) -> s.Tail:
    known, snapshot, *log = found
    return s.Tail(int(known), snapshot, tuple(log))


def _step(checkpoint: s.Checkpoint) -> list[str]:
    """As the scripts take it: name, 1 if there must be no value, the one that must be, the new."""
    expected = checkpoint.expected
    absent = "1" if expected is None else "0"
    return [checkpoint.name, absent, expected or "", checkpoint.value]
