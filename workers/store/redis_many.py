"""One script in many shards, in one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

from ponderd.workers.store.redis_client import awaited

Call = tuple[int, tuple[Any, ...]]
"""A shard, and what its script is called with."""

TOGETHER = 12
"""Shards in which one call runs the script, on a server that has all of them: a call costs both
sides more than what most scripts do. Other clients wait meanwhile."""

KEYS_AT_ONCE = 500
"""Keys that one script reads."""

_Sent = tuple[AsyncScript, list[str], tuple[Any, ...]]

_TOGETHER = """local answers = {{}}
for i, key in ipairs(KEYS) do
  answers[i] = (function(KEYS)
{text}
  end)({{key}}) or false
end
return answers
"""


class ManyCalls:
    """Calls scripts of these names in the shards that have these prefixes."""

    def __init__(
        self,
        redis: Redis | RedisCluster,
        scripts: Mapping[str, AsyncScript],
        prefixes: Sequence[str],
    ) -> None:
        self._redis = redis
        self._scripts = scripts
        self._prefixes = prefixes
        self._together: dict[str, AsyncScript] = {}
        """By the SHA-1 of the script that runs in each shard."""

    async def run(self, name: str, calls: Sequence[Call]) -> list[Any]:
        """The answers, in order. Raises `Unavailable`."""
        script = self._scripts[name]
        sent = list[_Sent]()
        for arguments, some in groupby(calls, key=lambda call: call[1]):
            keys = [self._prefixes[shard] for shard, _ in some]
            together = 1 if isinstance(self._redis, RedisCluster) else TOGETHER
            for start in range(0, len(keys), together):
                bite = keys[start : start + together]
                sent.append((self._for_many(script) if len(bite) > 1 else script, bite, arguments))
        answers = await awaited(self._send(sent)) if sent else []
        found = list[Any]()
        for (_, keys, _), answer in zip(sent, answers, strict=True):
            found += answer if len(keys) > 1 else [answer]
        return found

    async def read(
        self, name: str, keys: Sequence[Sequence[str]], arguments: tuple[Any, ...]
    ) -> list[Any]:
        """The answers of a script that takes whole keys, which are in one shard each time. Raises
        `Unavailable`."""
        together = keys
        if not isinstance(self._redis, RedisCluster):
            all_keys = [key for some in keys for key in some]
            bites = range(0, len(all_keys), KEYS_AT_ONCE)
            together = [all_keys[start : start + KEYS_AT_ONCE] for start in bites]
        sent = [(self._scripts[name], list(some), arguments) for some in together]
        answers = await awaited(self._send(sent)) if sent else []
        return [row for rows in answers for row in rows]

    def _for_many(self, script: AsyncScript) -> AsyncScript:
        if (found := self._together.get(script.sha)) is None:
            text = _TOGETHER.format(text=script.script)
            found = self._together[script.sha] = self._redis.register_script(text)
        return found

    async def _send(self, calls: Sequence[_Sent]) -> list[Any]:
        async def send() -> list[Any]:
            pipe = self._redis.pipeline(transaction=False)
            for script, keys, arguments in calls:
                pipe.execute_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
            return await pipe.execute()

        try:
            return await send()
        except NoScriptError:  # the server has restarted and lost its script cache
            for text in {script.script for script, _, _ in calls}:
                await self._redis.script_load(text)
            return await send()
