"""What the store on Redis or Valkey keeps beside the logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from redis.asyncio import Redis, RedisCluster

from ponderd.workers.store.redis_client import awaited as _answer
from ponderd.workers.store.redis_client import ms as _ms
from ponderd.workers.store.redis_tables import RedisTables
from ponderd.workers.store.replicas import Replicas

_SWAP = Path(__file__).parent / "lua" / "swap.lua"


class RedisBeside(RedisTables):
    """Implements `Beside`."""

    def __init__(self, redis: Redis | RedisCluster, namespace: str, replicas: Replicas) -> None:
        super().__init__(redis, namespace, replicas)
        self._swap = redis.register_script(_SWAP.read_text())

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

    async def swap(
        self, key: str, expected: str | None, value: str, ttl: float | None = None
    ) -> bool:
        step: list[str | int] = [int(expected is None), expected or "", value]
        step += [] if ttl is None else [_ms(ttl)]
        return bool(await _answer(self._swap(keys=[self._remembered(key)], args=step)))

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

    def _ledger(self, name: str) -> str:
        return f"{self._namespace}:ledger:{name}"

    def _remembered(self, key: str) -> str:
        return f"{self._namespace}:remember:{key}"

    def _box(self, box: str) -> str:
        return f"{self._namespace}:box:{box}"

    def _account(self, account: str) -> str:
        return f"{self._namespace}:spent:{account}"
