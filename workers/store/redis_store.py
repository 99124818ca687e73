"""The state store on Redis or Valkey. The Lua scripts in `lua/` make its decisions atomically."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, Literal, cast

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError

from ponderd.channels.errors import NotFound
from ponderd.workers.store import contract as s
from ponderd.workers.store import cursors, redis_gauges
from ponderd.workers.store.redis_batches import Batches
from ponderd.workers.store.redis_client import awaited as _answer
from ponderd.workers.store.redis_client import connect
from ponderd.workers.store.redis_gauges import HEAD, head_of
from ponderd.workers.store.redis_news import News
from ponderd.workers.store.replicas import Replicas

__all__ = ["RedisStore", "connect"]

_LUA = Path(__file__).parent / "lua"


class RedisStore:
    """Implements `RunStore`."""

    def __init__(
        self, redis: Redis | RedisCluster, *, namespace: str = "ponderd", replicas: int = 0
    ) -> None:
        """`replicas`: as many must have what is accepted, and what `confirm` asks for."""
        self._redis = redis
        self._replicas = Replicas(redis, replicas)
        self._namespace = namespace
        common = (_LUA / "clock.lua").read_text() + (_LUA / "common.lua").read_text()
        self._scripts = {
            name: redis.register_script(common + (_LUA / f"{name}.lua").read_text())
            for name in ("admit", "claim", "commit", "expire", "renew", "signal", "sweep")
        }
        self._swap = redis.register_script((_LUA / "swap.lua").read_text())
        self._batches = Batches(redis)
        self._news = News(redis, f"{namespace}:news")

    async def admit(self, message: s.NewMessage) -> s.Admission:
        step = message.checkpoint
        prefix = self._prefix(s.shard_of(message.run_id))
        await self._replicas.require(prefix)
        run_id, outcome, poke = await self._run(
            "admit",
            s.shard_of(message.run_id),
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
            *message.history,
        )
        if outcome in (b"launched", b"appended"):
            log = f"{prefix}:log:{run_id.decode()}"
            await self._replicas.accept(prefix, "LPOS", log, message.received, "RANK", -1)
        elif outcome == b"duplicate":
            keys = [f"{prefix}:trigger:{key}" for key in message.keys]
            await self._replicas.accept(prefix, "EXISTS", *keys)
        return s.Admission(run_id.decode(), outcome.decode(), bool(poke))

    async def claim(self, run_id: str, owner: str, lease: float) -> s.Claim | None:
        found = await self._run("claim", s.shard_of(run_id), run_id, _ms(lease), owner)
        if found is None:
            return None
        token, now, deaths, *log = found
        return s.Claim(run_id, int(token), int(now) / 1000, tuple(log), int(deaths))

    async def renew(self, claims: Sequence[tuple[str, int]], lease: float) -> dict[str, int]:
        versions = await self._run_all(
            "renew", [(s.shard_of(run), (run, token, _ms(lease))) for run, token in claims]
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
    ) -> s.Committed | s.VersionConflict | s.Lost:
        if release is None:
            leave = "keep"
        else:
            leave = "idle" if release.due is None else str(_ms(release.due))
        verdict, *rest = await self._run(
            "commit",
            s.shard_of(run_id),
            run_id,
            token,
            version,
            projection.status,
            projection.waiting_for,
            leave,
            sha1(last).hexdigest() if last else "",
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
        prefix = self._prefix(s.shard_of(run_id))
        held = ("HGET", f"{prefix}:run:{run_id}", "token")
        known = ("LINDEX", f"{prefix}:log:{run_id}", version - 1)
        now, found, enough = await self._replicas.ask(prefix, held, known)
        if now != str(token).encode() or found != last:
            return "lost"
        return "confirmed" if enough else "waiting"

    async def check_replicas(self) -> None:
        await self._replicas.check(self._prefix(0))

    async def signal(
        self, run_id: str, version: int, event: bytes, projection: s.Projection
    ) -> s.Admission | s.VersionConflict:
        prefix = self._prefix(s.shard_of(run_id))
        await self._replicas.require(prefix)
        verdict, *rest = await self._run(
            "signal",
            s.shard_of(run_id),
            run_id,
            version,
            projection.status,
            projection.waiting_for,
            event,
            _ms(s.POKE_GRACE),
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
        arguments = (limit, _ms(grace), int(takes_over))
        found = await self._run_all("sweep", [(shard, arguments) for shard in range(s.SHARDS)])
        return [run_id.decode() for ids in found for run_id in ids]

    async def load(self, run_id: str) -> tuple[bytes, ...]:
        key = f"{self._prefix(s.shard_of(run_id))}:log:{run_id}"
        return tuple(await _answer(self._redis.lrange(key, 0, -1)))

    async def head(self, run_id: str) -> s.Head | None:
        heads = await self._heads([run_id])
        return heads[0] if heads else None

    async def finished(self, before: float, limit: int) -> list[str]:
        pipe = self._redis.pipeline(transaction=False)
        for shard in range(s.SHARDS):
            key = f"{self._prefix(shard)}:finished"
            pipe.zrangebyscore(key, "-inf", f"({_ms(before)}", 0, limit, withscores=True)
        found = [(ms, run_id) for ids in await _answer(pipe.execute()) for run_id, ms in ids]
        return [run_id.decode() for _, run_id in sorted(found)[:limit]]

    async def expire(self, run_id: str, version: int) -> bool:
        return bool(await self._run("expire", s.shard_of(run_id), run_id, version))

    async def list_runs(
        self, *, status: str | None, agent: str | None, limit: int, cursor: str | None
    ) -> s.HeadPage:
        wanted: list[s.Head] = []
        # Only few of the runs may belong to the agent: with small bites, a thousand others would
        # take a second.
        bite = limit + 1 if agent is None else max(limit + 1, 1000)
        while len(wanted) <= limit:
            ids = await self._newest(status, bite, cursor)
            heads = await self._heads([run_id for _, run_id in ids])
            wanted += [head for head in heads if agent in (None, head.agent)]
            if len(ids) < bite:
                break
            cursor = f"{ids[-1][0]:.0f}:{ids[-1][1]}"
        return cursors.page(wanted, limit)

    def news(self) -> AsyncIterator[str]:
        return self._news.listen()

    async def remember(self, key: str, value: str, ttl: float | None) -> str:
        px = None if ttl is None else _ms(ttl)
        await _answer(self._redis.set(self._remembered(key), value, px=px, nx=True))
        kept = await self.recall(key)  # None: it has expired between the two commands
        return value if kept is None else kept

    async def recall(self, key: str) -> str | None:
        kept = await _answer(self._redis.get(self._remembered(key)))
        return kept.decode() if kept is not None else None

    async def overwrite(self, key: str, value: str, ttl: float | None = None) -> None:
        px = None if ttl is None else _ms(ttl)
        await _answer(self._redis.set(self._remembered(key), value, px=px))

    async def knows(self, key: str, run_id: str) -> bool:
        prefix = self._prefix(s.shard_of(run_id))
        return bool(await _answer(self._redis.exists(f"{prefix}:trigger:{key}")))

    async def swap(
        self, key: str, expected: str | None, value: str, ttl: float | None = None
    ) -> bool:
        step: list[str | int] = [int(expected is None), expected or "", value]
        step += [] if ttl is None else [_ms(ttl)]
        return bool(await _answer(self._swap(keys=[self._remembered(key)], args=step)))

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

    async def put(self, box: str, key: str, value: bytes) -> None:
        name = self._box(box)
        await self._replicas.require(name)
        await _answer(self._redis.hset(name, key, value))
        await self._replicas.accept(name, "HEXISTS", name, key)

    async def box(self, box: str) -> dict[str, bytes]:
        found = await _answer(self._redis.hgetall(self._box(box)))
        return {key.decode(): value for key, value in found.items()}

    async def drop(self, box: str, key: str) -> None:
        await _answer(self._redis.hdel(self._box(box), key))

    async def now(self) -> float:
        return await self._now_ms() / 1000

    async def note(self, ledger: str, entries: Sequence[bytes], keep: int) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for entry in entries:
            pipe.xadd(self._ledger(ledger), {b"e": entry}, maxlen=keep, approximate=True)
        await _answer(pipe.execute())

    async def notes(self, ledger: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        first = f"({after}" if after else "-"
        found = await _answer(self._redis.xrange(self._ledger(ledger), min=first, count=limit))
        return [(position.decode(), fields[b"e"]) for position, fields in found]

    async def spend(
        self, amounts: Mapping[str, Mapping[str, float]], ttl: float
    ) -> dict[str, dict[str, float]]:
        pipe = self._redis.pipeline(transaction=False)
        for account, measures in amounts.items():
            for measure, amount in measures.items():
                pipe.hincrbyfloat(self._account(account), measure, amount)
            pipe.pexpire(self._account(account), _ms(ttl))
        sums = iter(await _answer(pipe.execute()))
        spent = {}
        for account, measures in amounts.items():
            spent[account] = {measure: float(next(sums)) for measure in measures}
            next(sums)
        return spent

    async def spent(self, accounts: Sequence[str]) -> list[dict[str, float]]:
        pipe = self._redis.pipeline(transaction=False)
        for account in accounts:
            pipe.hgetall(self._account(account))
        return [
            {measure.decode(): float(total) for measure, total in measures.items()}
            for measures in await _answer(pipe.execute())
        ]

    async def report(self, worker: str, counts: Mapping[str, float], *, alive: bool = True) -> None:
        now = await self._now_ms()
        report = redis_gauges.report(self._redis, self._namespace, worker, counts, alive, now)
        await _answer(report)

    async def gauges(self) -> s.Gauges:
        prefixes = [self._prefix(shard) for shard in range(s.SHARDS)]
        found = redis_gauges.gauges(self._redis, self._namespace, prefixes, await self._now_ms())
        return cast(s.Gauges, await _answer(found))

    async def close(self) -> None:
        await self._news.close()
        await self._batches.close()
        await self._redis.aclose()

    def _ledger(self, name: str) -> str:
        return f"{self._namespace}:ledger:{name}"

    async def _now_ms(self) -> int:
        return int(await _answer(redis_gauges.now_ms(self._redis)))

    def _prefix(self, shard: int) -> str:
        return f"{{{self._namespace}:{shard:02x}}}"

    def _remembered(self, key: str) -> str:
        return f"{self._namespace}:remember:{key}"

    def _checkpoint(self, name: str) -> str:
        return f"{self._prefix(s.shard_of(s.new_run_id(name)))}:checkpoint:{name}"

    def _box(self, box: str) -> str:
        return f"{self._namespace}:box:{box}"

    def _account(self, account: str) -> str:
        return f"{self._namespace}:spent:{account}"

    async def _run(self, name: str, shard: int, *arguments: Any) -> Any:
        call = self._batches.call(self._scripts[name], self._prefix(shard), arguments)
        return await _answer(call)

    async def _run_all(self, name: str, calls: list[tuple[int, tuple[Any, ...]]]) -> list[Any]:
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

    async def _newest(
        self, status: str | None, limit: int, cursor: str | None
    ) -> list[tuple[float, str]]:
        """(created_at in ms, id) of the next `limit` runs after the cursor, from all shards."""
        below, last_id = cursors.parse_cursor(cursor)
        pipe = self._redis.pipeline(transaction=False)
        for shard in range(s.SHARDS):
            key = f"{self._prefix(shard)}:runs" + (f":{status}" if status else "")
            # Runs of the cursor's own millisecond come again and are dropped below. There are far
            # fewer than 100 of them.
            pipe.zrevrangebyscore(key, below, "-inf", start=0, num=limit + 100, withscores=True)
        found = [
            (score, run_id.decode())
            for ids in await _answer(pipe.execute())
            for run_id, score in ids
        ]
        return sorted((entry for entry in found if entry < (below, last_id)), reverse=True)[:limit]

    async def _heads(self, run_ids: Iterable[str]) -> list[s.Head]:
        ids = list(run_ids)
        pipe = self._redis.pipeline(transaction=False)
        for run_id in ids:
            pipe.hmget(f"{self._prefix(s.shard_of(run_id))}:run:{run_id}", HEAD.split())
        rows = await _answer(pipe.execute()) if ids else []
        return [
            head_of(run_id, row)
            for run_id, row in zip(ids, rows, strict=True)
            if row[0] is not None
        ]


def _step(checkpoint: s.Checkpoint) -> list[str]:
    """As the scripts take it: name, 1 if there must be no value, the one that must be, the new."""
    expected = checkpoint.expected
    absent = "1" if expected is None else "0"
    return [checkpoint.name, absent, expected or "", checkpoint.value]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
