"""Does harm while people talk: small faults all the time, and disasters, a few at once."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import product

import redis.asyncio as redis

from tests.chaos.faults import Faults, Tour
from tests.chaos.proxy import PHASES, Connection, Fate, Phase, Proxy, Trap
from tests.chaos.world import LEASE, World

NUISANCE = 0.15
"""Seconds between two small faults, on average."""
ARMED = 12
"""Traps for small faults that wait at once."""
LANES = 3
"""Disasters at once."""
TRAP_SECONDS = 4.0
"""How long a trap waits for somebody."""
WRONG_BY = 240.0
"""Seconds by which a clock jumps at most: beyond 300 every signature would be too old."""

STATE_WRONG_BY = 60.0
"""Seconds, for the state server's clock: each tick that it passes over is a run."""

AT_BOUNDARIES = ("kill", "stop", "term", "state.kill")
"""What can happen to whoever passes a boundary."""
DISASTERS = {
    "worker.kill": 2,
    "worker.stop": 3,
    "worker.term": 2,
    "worker.clock": 3,
    "worker.partition": 4,
    "worker.refused": 1,
    "worker.ignorant": 1,
    "broker.garbage": 1,
    "daemon.kill": 2,
    "daemon.stop": 1,
    "daemon.term": 1,
    "daemon.partition": 1,
    "daemon.refused": 1,
    "daemon.clock": 2,
    "state.kill": 1,
    "state.stop": 1,
    "state.clock": 3,
    "state.read_only": 2,
    "state.full": 2,
    "state.busy": 2,
    "state.disk": 2,
    "state.half_open": 3,
    "replica.stop": 2,
    "replica.kill": 1,
    "broker.half_open": 2,
    "model.half_open": 1,
    "model.refused": 1,
}
"""What happens at any time, and its weight."""

QUEUE = "ponderd:celery:ponderd"
GARBAGE = ("garbage", "", "[]", '{"body": 1}', '{"body": "e30=", "headers": {}, "properties": {}}')

Place = tuple[str, Phase, str]
"""Boundary, phase, what happens there."""


class Injector:
    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._random = faults.random
        self._nuisances: Tour[Place] = Tour(faults.random)
        self._disasters: Tour[Place] = Tour(faults.random)
        self._armed: set[asyncio.Task[None]] = set()
        self._recoveries: set[asyncio.Task[None]] = set()
        self._suffering: set[str] = set()
        """What a disaster is at: nothing suffers two at once."""

    async def run(self) -> None:
        """Until it is over; then everything is healed."""
        await asyncio.gather(self._annoy(), *(self._destroy() for _ in range(LANES)))
        await asyncio.gather(*self._armed)
        await asyncio.gather(*self._recoveries)
        self._world.heal()

    async def tend(self) -> None:
        """What ends by itself is an error, but is started again, as a supervisor would: also when
        the harm is over, for a poisonous call may still have deaths to cause."""
        while True:
            await asyncio.sleep(0.5)
            for recovery in [task for task in self._recoveries if task.done()]:
                recovery.result()  # or nobody would hear that it failed
            for name in self._world.fallen(self._suffering):
                if name in self._suffering or not self._world.has_ended(name):
                    continue  # others have seen to it meanwhile
                self._suffering.add(name)
                await self._world.start(name)
                self._suffering.discard(name)

    # -- small faults ---------------------------------------------------------------------------

    async def _annoy(self) -> None:
        while not self._faults.over.is_set():
            await asyncio.sleep(self._random.expovariate(1 / NUISANCE))
            if self._random.random() < 0.15:
                self._cut_connections()
            elif self._world.traps.passed and len(self._armed) < ARMED:
                task = asyncio.create_task(self._lay_trap())
                self._armed.add(task)
                task.add_done_callback(self._armed.discard)

    def _cut_connections(self) -> None:
        kind = self._random.choice(("state", "broker", "model"))
        if kind == "model":
            hit = self._world.model.cut()
        else:
            hit = self._random.choice(list(self._world.proxies.values())).cut(kind)
        if hit:
            self._faults.struck(f"{kind}.cut")

    async def _lay_trap(self) -> None:
        passed = sorted(self._world.traps.passed)
        places: list[Place] = [(name, phase, "cut") for name, phase in product(passed, PHASES)]
        places += [(name, "before", "late") for name in passed]
        if "poke" in passed:
            places += [("poke", "before", "doubled"), ("poke", "before", "lost")]
        name, phase, how = self._nuisances.next(places)

        async def spring(connection: Connection) -> Fate:
            kind = "poke" if how in ("doubled", "lost") else "state"
            self._faults.struck(f"{kind}.{how}", f"{name} {phase} {how}")
            match how:
                case "late":
                    await asyncio.sleep(self._random.uniform(1, 2) * LEASE)
                    return "pass"
                case "doubled":
                    await self._poke_again(connection)
                    return "pass"
                case "lost":
                    connection.answer(b":1\r\n")
                    return "swallow"
                case _:
                    connection.abort()
                    return "cut"

        await self._caught(Trap(name, phase, spring))

    async def _poke_again(self, connection: Connection) -> None:
        _, queue, *pokes = connection.words
        with contextlib.suppress(redis.RedisError, OSError):
            async with self._world.redis() as client:
                await client.lpush(queue, *(pokes * self._random.randint(1, 5)))

    async def _caught(self, trap: Trap) -> None:
        """Wait until somebody was caught, but not for long."""
        if not self._world.traps.arm(trap):
            await asyncio.sleep(0.05)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(trap.sprung.wait(), TRAP_SECONDS)
        self._world.traps.disarm(trap)

    # -- disasters ------------------------------------------------------------------------------

    async def _destroy(self) -> None:
        kinds, weights = list(DISASTERS), list(DISASTERS.values())
        while not self._faults.over.is_set():
            if self._world.traps.passed and self._random.random() < 0.6:
                await self._at_boundary()
            else:
                [kind] = self._random.choices(kinds, weights)
                await self._somewhere(kind)

    async def _at_boundary(self) -> None:
        places = list(product(sorted(self._world.traps.passed), PHASES, AT_BOUNDARIES))
        name, phase, how = self._disasters.next(places)
        recoveries: list[asyncio.Task[None]] = []

        async def spring(connection: Connection) -> Fate:
            owner = connection.proxy.owner
            assert owner is not None
            kind = how if how == "state.kill" else f"{_role(owner)}.{how}"
            victim = "state" if how == "state.kill" else owner
            if phase == "during":
                await asyncio.sleep(self._random.uniform(0, 0.15))
            if victim in self._suffering or self._faults.over.is_set():
                return "pass"
            self._suffering.add(victim)
            self._faults.struck(kind, f"{name} {phase} {how}")
            # Signalled before the command goes on; what takes time comes afterwards.
            self._strike(kind, owner)
            recoveries.append(asyncio.create_task(self._recover(kind, owner)))
            self._recoveries.add(recoveries[0])  # the trap may spring when nobody waits any more
            return "cut" if how in ("kill", "state.kill") else "pass"

        await self._caught(Trap(name, phase, spring))
        await asyncio.gather(*recoveries)

    def _strike(self, kind: str, name: str) -> None:
        match kind:
            case "state.kill":
                self._world.kill_state()
            case "worker.kill" | "daemon.kill":
                self._world.stack.processes[name].kill()
            case "worker.stop" | "daemon.stop":
                self._world.suspend(name)
            case "worker.term" | "daemon.term":
                self._world.retire(name)
            case _:
                raise AssertionError(kind)

    async def _recover(self, kind: str, name: str) -> None:
        match kind:
            case "state.kill":
                await asyncio.sleep(self._random.uniform(0, LEASE))
                await self._world.start_state()
                self._suffering.discard("state")
                return
            case "worker.kill" | "daemon.kill":
                await self._world.kill(name)
                await self._world.start(name)
            case "worker.stop" | "daemon.stop":
                await self._sleep()
                self._world.wake(name)
            case _:
                await self._world.replace(name)
        self._suffering.discard(name)

    async def _somewhere(self, kind: str) -> None:
        world = self._world
        who, _, how = kind.partition(".")
        name = {
            "worker": self._random.choice(world.workers),
            "daemon": self._random.choice(list(world.daemons)),
        }.get(who, who)
        if name in self._suffering:
            await asyncio.sleep(0.1)
            return
        proxy = world.proxies.get(name) or self._random.choice(list(world.proxies.values()))
        if who == "replica":
            self._suffering.add(name)
            self._faults.struck(kind)
            await world.lose_replica(how, self._random.uniform(0.7, 2.5) * LEASE)
            self._suffering.discard(name)
            return
        if how in ("kill", "term") or (how == "stop" and who != "state"):
            self._suffering.add(name)
            self._faults.struck(kind)
            self._strike(kind, name)
            await self._recover(kind, name)
            return
        self._suffering.add(name)
        match how:
            case "clock" if who == "state":
                self._faults.struck(kind)
                world.set_time(self._random.uniform(-STATE_WRONG_BY, STATE_WRONG_BY))
                await self._sleep()
                world.set_time(0)
            case "clock":
                self._faults.struck(kind)
                world.set_clock(name, self._random.uniform(-WRONG_BY, WRONG_BY))
                await self._sleep()
                world.set_clock(name, 0)
            case "stop":
                self._faults.struck(kind)
                await world.stop_state_for(self._random.uniform(0.5, 1.5) * LEASE)
            case "ignorant":
                self._faults.struck(kind)
                await world.kill(name)
                await world.start(name, ignorant=True)
                await self._sleep()
                await world.kill(name)
                await world.start(name)
            case "garbage":
                self._faults.struck(kind)
                await self._write_garbage()
            case "read_only" | "full" | "busy":
                self._faults.struck(kind)
                await world.make_state_ill(how, self._random.uniform(0.3, 2.5) * LEASE)
            case "disk":
                if world.disk:
                    self._faults.struck(kind)
                    await world.fill_disk(self._random.uniform(0.3, 2.5) * LEASE)
            case "partition":
                proxy.partitioned = True
                await self._endure(kind, proxy, proxy.freeze())
            case "half_open":
                proxy = world.model if who == "model" else proxy
                await self._endure(kind, proxy, proxy.freeze(None if who == "model" else who))
            case "refused":
                proxy = world.model if who == "model" else proxy
                await self._endure(kind, proxy, proxy.refuse())
            case _:
                raise AssertionError(kind)
        self._suffering.discard(name)

    async def _write_garbage(self) -> None:
        """Into the queue of pokes, as other programs do that use the same server."""
        entry = self._random.choice(GARBAGE)
        with contextlib.suppress(redis.RedisError, OSError):
            async with self._world.redis() as client:
                await client.lpush(QUEUE, entry)

    async def _endure(self, kind: str, proxy: Proxy, hit: int) -> None:
        if hit:
            self._faults.struck(kind)
        await self._sleep()
        proxy.heal()
        await proxy.listen()

    async def _sleep(self) -> None:
        """Mostly for longer than a lease."""
        await asyncio.sleep(self._random.uniform(0.7, 2.5) * LEASE)


def _role(owner: str) -> str:
    return "daemon" if owner.startswith("serve") else "worker"
