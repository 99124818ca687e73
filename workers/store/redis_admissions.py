"""The way of a message into the store on Redis or Valkey: one script, and more of them only while a
store moves to the even layout (`redis_layout`) and where an archived run of before comes back.

Whatever began in an old shard goes on there: its runs, and the triggers that it knows again. A
script in an old shard that finds nothing of a message closes the shard, says 'moved', and so never
knows anything of it later. Only then the new shard is asked. A run of an old shard that comes back
from the archive leaves word in the new one before: for its conversation, and from then on for each
trigger that is sent on to it ('elsewhere'). So the old shard is asked also for what comes again
when that run is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from redis.asyncio import Redis, RedisCluster

from ponderd.workers.store import contract as s
from ponderd.workers.store.redis_client import awaited, ms
from ponderd.workers.store.redis_layout import Layouts, Run
from ponderd.workers.store.replicas import Replicas
from ponderd.workers.store.run_ids import shard_of
from ponderd.workers.store.shards import OLD_SHARDS, old_shard, shard_of_name


class _Elsewhere(NamedTuple):
    """Nothing was stored: another shard must be asked, perhaps that of a run."""

    run_id: str


class Admissions:
    """Admits messages."""

    def __init__(
        self,
        redis: Redis | RedisCluster,
        prefixes: Sequence[str],
        layouts: Layouts,
        replicas: Replicas,
        run: Run,
    ) -> None:
        self._redis = redis
        self._prefixes = prefixes
        self._layouts = layouts
        self._replicas = replicas
        self._run = run

    async def admit(self, message: s.NewMessage) -> s.Admission:
        """As the contract says it. Raises `StoreMoves` if `run_id` is one of the old layout, and
        the store has left that."""
        layout, shard = await self._layouts.now(), shard_of(message.run_id)
        if shard < OLD_SHARDS:
            if layout != "old" and message.returns:
                return await self._return(message, shard)
            admission = await self._ask(message, shard)
            if not isinstance(admission, _Elsewhere):
                return admission
            self._layouts.forget()
            if message.returns:
                return await self._return(message, shard)
            raise s.StoreMoves("the store moves to another layout; send it again")
        looked = ""
        if layout != "even" and not message.returns:
            admission = await self._ask(message, old_shard(shard), "look")
            if not isinstance(admission, _Elsewhere):
                return admission
            if step := message.checkpoint:
                await self._layouts.settle(step.name)
                if found := await self._without_checkpoint(message, step, shard):
                    return found
            looked = f"{old_shard(shard):02x}"
        return await self._ask_all(message, shard, looked)

    async def _without_checkpoint(
        self, message: s.NewMessage, step: s.Checkpoint, shard: int
    ) -> s.Admission | None:
        """Admit it in the old shard, though its checkpoint has left that: where the conversation
        has a run there since before, or the trigger was stored there. Two scripts, so a crash
        between them leaves the checkpoint as it was, and the repeat is known by its keys."""
        value = await awaited(self._redis.get(f"{self._prefixes[shard]}:checkpoint:{step.name}"))
        if (None if value is None else value.decode()) != step.expected:
            return s.Admission(message.run_id, "stale", False)
        found = await self._ask(replace(message, checkpoint=None), old_shard(shard), "look")
        if isinstance(found, _Elsewhere):
            return None
        if found.outcome in ("appended", "duplicate"):
            after = replace(step, value=step.value.replace("{run}", found.run_id))
            if not await self._run("step", shard, *step_arguments(after), "open"):
                return s.Admission(message.run_id, "stale", False)
        return found

    async def _ask_all(self, message: s.NewMessage, shard: int, looked: str) -> s.Admission:
        """Admit it in `shard`, or in one to which that sends it on."""
        while isinstance(admission := await self._ask(message, shard, "open", looked), _Elsewhere):
            there = shard_of(admission.run_id)
            found = await self._ask(message, there, "look")
            if not isinstance(found, _Elsewhere):
                return found
            looked += f" {there:02x}"
        return admission

    async def _return(self, message: s.NewMessage, shard: int) -> s.Admission:
        """Admit a message to a run of an old shard, also if only the archive has it."""
        admission = await self._ask(message, shard, "look")
        if not isinstance(admission, _Elsewhere):
            return admission
        home = shard_of_name(message.conversation_key)
        admission = await self._ask(message, home, "open", f"{shard:02x}")
        if not isinstance(admission, _Elsewhere):
            return admission  # the conversation has another run by now
        admission = await self._ask(message, shard, "force")
        assert not isinstance(admission, _Elsewhere)
        return admission

    async def _ask(
        self, message: s.NewMessage, shard: int, way: str = "open", looked: str = ""
    ) -> s.Admission | _Elsewhere:
        prefix, step = self._prefixes[shard], message.checkpoint
        await self._replicas.require(prefix)
        run_id, outcome, poke, *asleep = await self._run(
            "admit",
            shard,
            message.agent,
            message.agent_version,
            message.channel,
            message.conversation,
            message.conversation_key,
            message.run_id,
            message.received,
            s.TRIGGER_TTL * 1000,
            ms(s.POKE_GRACE),
            int(message.only_new),
            way,
            looked,
            *(step_arguments(step) if step else ("", 0, "", "")),
            message.digest,
            message.ends,
            len(message.keys),
            *message.keys,
            len(message.people),
            *message.people,
            *message.history,
        )
        if outcome in (b"moved", b"elsewhere"):
            return _Elsewhere(run_id.decode())
        if outcome in (b"launched", b"appended"):
            self._layouts.uses(shard)
            log = f"{prefix}:{'late' if asleep else 'log'}:{run_id.decode()}"
            await self._replicas.accept(prefix, "LPOS", log, message.received, "RANK", -1)
        elif outcome == b"duplicate":
            keys = [f"{prefix}:trigger:{key}" for key in message.keys]
            await self._replicas.accept(prefix, "EXISTS", *keys)
        return s.Admission(run_id.decode(), outcome.decode(), bool(poke))


def step_arguments(checkpoint: s.Checkpoint) -> list[str]:
    """As the scripts take it: name, 1 if there must be no value, the one that must be, the new."""
    expected = checkpoint.expected
    absent = "1" if expected is None else "0"
    return [checkpoint.name, absent, expected or "", checkpoint.value]
