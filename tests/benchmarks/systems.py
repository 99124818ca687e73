"""The systems that are compared, each with its own workers and its own store, behind one shape.

All run the same agent (`agents/work.py`, `bare.py`, `peers/agent.py`) against the same model
endpoint: with n tool calls, 2n + 1 steps, each of about 1 kB.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil
import redis.asyncio as redis

from ponderd.workers.control.runs import Runs
from tests.benchmarks import bare, copies, postgres
from tests.benchmarks.parts import Bench, Process, bench, trigger

REPOSITORY = Path(__file__).parents[2]

_marks = itertools.count(1)


def new_marks(count: int) -> list[int]:
    """Numbers of runs, by which the model endpoint tells them apart."""
    return list(itertools.islice(_marks, count))


@dataclass(frozen=True)
class Stored:
    """Bytes that the store keeps, and bytes that it has written to its log so far."""

    kept: int
    written: int


class System(ABC):
    """`workers` are the processes that run agents, `store` those that keep their state.

    `queued`: runs wait in the store, so that they can be laid out while the workers are stopped.
    """

    queued: ClassVar[bool] = True
    name: str
    workers: Sequence[Process | psutil.Process]

    @abstractmethod
    async def launch(self, marks: Sequence[int], tool_calls: int) -> None:
        """Hand runs over; returns when all are accepted."""

    @abstractmethod
    async def completed(self) -> int:
        """Runs that have ended well, of all that were launched."""

    @abstractmethod
    def store(self) -> list[psutil.Process]: ...

    @abstractmethod
    async def stored(self) -> Stored: ...

    @abstractmethod
    async def copy(self, mark: int, count: int) -> None:
        """Store `count` more runs, each a copy of the one with that mark, which has ended."""


Start = Callable[..., AbstractAsyncContextManager[System]]
"""Starts a system: `start(model_url, workers=…, slots=…)`."""


class Ponderd(System):
    def __init__(self, name: str, parts: Bench, workers: Sequence[Process], runs: Runs) -> None:
        self.name = name
        self.workers = workers
        self.parts = parts
        self.runs = runs

    async def launch(self, marks: Sequence[int], tool_calls: int) -> None:
        if len(marks) == 1:  # the pokes go out in the background, as they do in the daemon
            await self._accept(self.runs, marks[0], tool_calls)
            return
        async with self.parts.runs() as runs:
            await asyncio.gather(*(self._accept(runs, mark, tool_calls) for mark in marks))

    async def _accept(self, runs: Runs, mark: int, tool_calls: int) -> None:
        await runs.accept("work", trigger(f"mark-{mark} calls-{tool_calls}"))

    async def completed(self) -> int:
        return await self.parts.completed()

    def store(self) -> list[psutil.Process]:
        return [psutil.Process(self.parts.state.process.pid)]

    async def stored(self) -> Stored:
        async with redis.Redis.from_url(self.parts.stack.redis_url) as client:
            kept = (await client.info("memory"))["used_memory"]
            return Stored(kept, (await client.info("persistence"))["aof_current_size"])

    async def copy(self, mark: int, count: int) -> None:
        async with redis.Redis.from_url(self.parts.stack.redis_url) as client:
            await copies.copy_in_redis(client, f"mark-{mark} ", count)


class BareCelery(System):
    """The floor: no durability, and nothing is stored."""

    def __init__(self, name: str, parts: Bench, workers: Sequence[Process]) -> None:
        self.name = name
        self.workers = workers
        self.parts = parts

    async def launch(self, marks: Sequence[int], tool_calls: int) -> None:
        await asyncio.to_thread(self._send, marks, tool_calls)

    def _send(self, marks: Sequence[int], tool_calls: int) -> None:
        for mark in marks:
            self.parts.celery.send_task(bare.ASK, (mark, tool_calls, ""))

    async def completed(self) -> int:
        async with redis.Redis.from_url(self.parts.stack.redis_url) as client:
            return int(await client.get(bare.DONE) or 0)

    def store(self) -> list[psutil.Process]:
        return [psutil.Process(self.parts.state.process.pid)]

    async def stored(self) -> Stored:
        return Stored(0, 0)

    async def copy(self, mark: int, count: int) -> None:
        raise NotImplementedError("bare Celery stores no runs")


class Peer:
    """A process of a peer, steered by lines of JSON (`peers/lines.py`)."""

    def __init__(
        self, python: Path, *command: str | Path, cwd: Path = REPOSITORY, **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            [python, *command],
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lock = asyncio.Lock()

    async def ready(self) -> None:
        await self._read()

    async def do(self, name: str, **fields: Any) -> Any:
        async with self._lock:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps({"do": name} | fields).encode() + b"\n")
            self.process.stdin.flush()
            return await self._read()

    async def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            await asyncio.to_thread(self.process.wait, 15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    async def _read(self) -> Any:
        assert self.process.stdout is not None
        line = await asyncio.to_thread(self.process.stdout.readline)
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended")
        return json.loads(line)


class Earlier(System):
    """ponderd of another commit, from a checkout of it."""

    def __init__(self, name: str, peer: Peer, workers: list[int], store: list[int]) -> None:
        self.name = name
        self.workers = [psutil.Process(pid) for pid in workers]
        self._peer = peer
        self._store = [psutil.Process(pid) for pid in store]

    async def launch(self, marks: Sequence[int], tool_calls: int) -> None:
        await self._peer.do("launch", marks=marks, calls=tool_calls)

    async def completed(self) -> int:
        return int(await self._peer.do("completed"))

    def store(self) -> list[psutil.Process]:
        return self._store

    async def stored(self) -> Stored:
        return Stored(**await self._peer.do("stored"))

    async def copy(self, mark: int, count: int) -> None:
        raise NotImplementedError("the runs of an earlier commit are not copied")


class OnPostgres(System):
    """What DBOS and LangGraph have in common."""

    def __init__(self, name: str, server: postgres.Postgres, peers: Sequence[Peer]) -> None:
        self.name = name
        self.workers = [peer.process for peer in peers]
        self._server = server
        self._peers = peers

    def store(self) -> list[psutil.Process]:
        server = psutil.Process(self._server.process.pid)
        return [server, *server.children()]

    async def stored(self) -> Stored:
        sql = (
            "SELECT pg_database_size(current_database()),"
            " pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
        )
        kept, written = (await self._query(sql)).split("|")
        return Stored(int(kept), int(written))

    async def copy(self, mark: int, count: int) -> None:
        for sql in copies.copy_in_postgres(self._server, str(mark), count):
            await self._query(sql)

    async def _query(self, sql: str) -> str:
        return await asyncio.to_thread(self._server.query, sql)


class Dbos(OnPostgres):
    """`direct`: the worker is told to start the run, instead of finding it in its queue."""

    def __init__(self, *arguments: Any, client: Peer, direct: bool) -> None:
        super().__init__(*arguments)
        self._client = client
        self.queued = not direct  # type: ignore[misc]
        self._turn = itertools.cycle(self._peers) if direct else itertools.repeat(client)

    async def launch(self, marks: Sequence[int], tool_calls: int) -> None:
        await next(self._turn).do("launch", marks=marks, calls=tool_calls)

    async def completed(self) -> int:
        return int(await self._client.do("completed"))


class LangGraph(OnPostgres):
    queued = False

    async def launch(self, marks: Sequence[int], tool_calls: int) -> None:
        """Each process gets its share; single runs go to them in turn."""
        count = len(self._peers)
        shares = [[mark for mark in marks if mark % count == i] for i in range(count)]
        await asyncio.gather(
            *(
                peer.do("launch", marks=share, calls=tool_calls)
                for peer, share in zip(self._peers, shares, strict=True)
                if share
            )
        )

    async def completed(self) -> int:
        return sum([await peer.do("completed") for peer in self._peers])


# -- starting them ------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def ponderd(
    model_url: str, *, workers: int = 1, slots: int = 500, always: bool = False, **settings: str
) -> AsyncIterator[Ponderd]:
    """`always`: the append-only file is synced with every write, not once a second."""
    async with bench(model_url=model_url, PONDERD_SLOTS=str(slots), **settings) as parts:
        if always:
            async with redis.Redis.from_url(parts.stack.redis_url) as client:
                await client.config_set("appendfsync", "always")
        name = "ponderd, appendfsync always" if always else "ponderd"
        async with parts.runs() as runs:
            yield Ponderd(name, parts, await parts.work(workers), runs)


@contextlib.asynccontextmanager
async def earlier(
    checkout: Path, model_url: str, *, workers: int = 1, slots: int = 500, always: bool = False
) -> AsyncIterator[Earlier]:
    """As `ponderd`. `checkout` is a folder with its commit's files and its environment, .venv."""
    options = {"model_url": model_url, "workers": workers, "slots": slots, "always": always}
    peer = Peer(
        checkout / ".venv" / "bin" / "python",
        REPOSITORY / "tests" / "benchmarks" / "peers" / "with_checkout.py",
        json.dumps(options),
        cwd=checkout,
        PYTHONPATH=f"{checkout / 'src'}:{checkout}",
        MODEL_URL=model_url,
    )
    try:
        await peer.ready()
        name = "before" + (", appendfsync always" if always else "")
        yield Earlier(f"ponderd {name}", peer, **await peer.do("processes"))
    finally:
        await peer.stop()


@contextlib.asynccontextmanager
async def celery(model_url: str, *, workers: int = 1, slots: int = 4) -> AsyncIterator[BareCelery]:
    async with bench(model_url=model_url) as parts:
        yield BareCelery("bare Celery", parts, await parts.bare_celery(workers, slots))


@dataclass(frozen=True)
class Peers:
    """Starts the peers, each with a PostgreSQL of its own; `python` is their interpreter."""

    python: Path

    @contextlib.asynccontextmanager
    async def dbos(
        self,
        model_url: str,
        *,
        workers: int = 1,
        slots: int = 20,
        poll: float = 0.05,
        direct: bool = False,
    ) -> AsyncIterator[Dbos]:
        with postgres.running() as server:
            settings = _settings(server, model_url, slots) | {"POLL": str(poll)}
            commands = [("worker", f"w{i}") for i in range(workers)]
            async with self._started("with_dbos", [*commands, ("client",)], settings) as peers:
                await asyncio.sleep(1.5)  # until its queue manager has seen the queue
                how = "started directly" if direct else f"queue polled every {poll:g} s"
                *of_workers, client = peers
                yield Dbos(f"DBOS, {how}", server, of_workers, client=client, direct=direct)

    @contextlib.asynccontextmanager
    async def langgraph(
        self,
        model_url: str,
        *,
        workers: int = 1,
        slots: int = 20,
        savers: int = 4,
        durability: str = "async",
        delta: bool = False,
    ) -> AsyncIterator[LangGraph]:
        with postgres.running() as server:
            settings = _settings(server, model_url, slots) | {
                "SAVERS": str(savers),
                "DURABILITY": durability,
                "CHANNEL": "delta" if delta else "",
            }
            async with self._started("with_langgraph", [()] * workers, settings) as peers:
                how = f"durability {durability}" + (", DeltaChannel (beta)" if delta else "")
                yield LangGraph(f"LangGraph, {how}", server, peers)

    @contextlib.asynccontextmanager
    async def _started(
        self, module: str, commands: Sequence[tuple[str, ...]], settings: dict[str, str]
    ) -> AsyncIterator[list[Peer]]:
        peers: list[Peer] = []
        try:
            for command in commands:  # one after the other: the first makes the tables
                program = ("-m", f"tests.benchmarks.peers.{module}")
                peers.append(Peer(self.python, *program, *command, **settings))
                await peers[-1].ready()
            yield peers
        finally:
            for peer in peers:
                await peer.stop()


def _settings(server: postgres.Postgres, model_url: str, slots: int) -> dict[str, str]:
    return {"DATABASE_URL": server.url, "MODEL_URL": f"{model_url}/", "SLOTS": str(slots)}
