"""What ponderd costs while nothing happens, for any number of workers and watchers; how many
connections a loaded worker has; and how soon a lost poke is found.

Redis counts its calls itself, those inside scripts, too, and Celery's.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import secrets
import signal
import time
from collections.abc import AsyncIterator, Sequence

import aiohttp
import psutil
import redis.asyncio as redis

from ponderd.workers.agents.discovery import discover
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from tests.benchmarks.compare import Plan, reached
from tests.benchmarks.parts import AGENTS, Bench, ask_model, bench, cpu_seconds, trigger
from tests.benchmarks.report import Figure, Figures, median
from tests.benchmarks.systems import new_marks
from tests.services.stack import API_TOKEN

SETTLE = 10.0
"""Seconds after which a stack that was started is idle."""

WATCHERS = (10, 50, 200, 500)
LOADED = 200
"""Runs in flight at a worker whose connections are counted."""


async def measure(plan: Plan) -> Figures:
    seconds = 5.0 if plan.quick else 20.0
    return [
        *await _workers(plan, seconds),
        *await _lost_pokes(plan, 2 if plan.quick else 12),
        *await _loaded(plan, seconds),
        *await _watchers(plan, seconds / 2),
    ]


async def _workers(plan: Plan, seconds: float) -> Figures:
    """Calls of an idle stack: one daemon, and one or eight workers."""
    figures, rates = [], []
    for count in (1, 8):
        plan.stage(f"{count} idle workers")
        async with _stack(count) as parts:
            await asyncio.sleep(SETTLE)
            rates.append(await _calls(parts, seconds))
            aim = {1: "< 10", 8: "< 20"}[count]
            name = f"calls a second, {count} idle worker{'s' * (count > 1)}"
            figures.append(Figure(name, rates[-1], "/s", aim))
            if count == 1:
                await waiting_runs(parts, 100)
                await asyncio.sleep(SETTLE)
                rate = await _calls(parts, seconds)
                figures.append(Figure("the same with 100 runs that wait", rate, "/s", "< 10"))
    figures.append(Figure("exponent over workers", _exponent((1, 8), rates), ""))
    return figures


async def _lost_pokes(plan: Plan, times: int) -> Figures:
    """A message of which no worker is told, until the model is asked; at the same moment one of
    three workers is killed or stands still, by chance the one that would have looked."""
    took: dict[str, list[float]] = {"at rest": [], "kill -9": [], "SIGSTOP": []}
    async with _stack(3) as parts:
        runs = Runs(RunLog(parts.store, lambda run_id: None), discover((AGENTS,)))
        for number in range(times):
            plan.stage(f"lost poke {number + 1} of {times}")
            for how in took:
                await asyncio.sleep(random.uniform(1, 2))
                mark = new_marks(1)[0]
                await ask_model(parts.stack.model_url, "watched")
                name = f"work-{random.randrange(3)}"
                victim = parts.stack.processes[name]
                if how == "kill -9":
                    await parts.stack.stop(name, signal.SIGKILL)
                elif how == "SIGSTOP":
                    victim.send_signal(signal.SIGSTOP)
                await runs.accept("work", trigger(f"mark-{mark} calls-0"))
                admitted = time.monotonic()
                seen: dict[str, float] = {}
                while str(mark) not in seen and time.monotonic() < admitted + 30:
                    seen |= (await ask_model(parts.stack.model_url, "watched"))["first"]
                    await asyncio.sleep(0.02)
                took[how].append(seen.get(str(mark), math.inf) - admitted)
                victim.send_signal(signal.SIGCONT)
                if how == "kill -9":
                    parts.stack.start("work", name)
                    await asyncio.sleep(6)
    return [
        figure
        for how, seconds in took.items()
        for figure in (
            Figure(f"lost poke found, {how}, p50", median(seconds), "s"),
            Figure(f"lost poke found, {how}, the last", max(seconds), "s", "< 3"),
        )
    ]


async def _loaded(plan: Plan, seconds: float) -> Figures:
    """Of a worker with many runs in flight to the server: state, broker and news together."""
    plan.stage("connections under load")
    async with _stack(1, delay=0.5) as parts:
        async with parts.runs() as verbs:
            for mark in new_marks(LOADED):
                await verbs.accept("work", trigger(f"mark-{mark} calls-400"))

        async def in_flight() -> int:
            return (await parts.store.gauges()).in_flight

        await reached(LOADED, in_flight)
        peaks = {"serve": 0, "work-0": 0}
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for name in peaks:
                peaks[name] = max(peaks[name], connections(parts, name))
            await asyncio.sleep(0.1)
    return [
        Figure("connections of a loaded worker", peaks["work-0"], "", "16"),
        Figure("connections of its daemon", peaks["serve"], "", "16"),
    ]


async def _watchers(plan: Plan, seconds: float) -> Figures:
    """Live streams of runs that wait."""
    figures: Figures = []
    shares, limits = [], {"PONDERD_HTTP_PEER_CONNECTIONS": "2000"}
    async with _stack(1, **limits) as parts:
        daemon = [parts.stack.processes["serve"]]
        ids = await waiting_runs(parts, max(WATCHERS))
        async with aiohttp.ClientSession(
            parts.stack.url,
            connector=aiohttp.TCPConnector(limit=0),
            headers={"authorization": f"Bearer {API_TOKEN}", "accept": "text/event-stream"},
            timeout=aiohttp.ClientTimeout(total=None),
        ) as session:
            await asyncio.sleep(5)
            at_rest = await _calls(parts, seconds)
            idle, began = cpu_seconds(daemon), time.monotonic()
            await asyncio.sleep(seconds)
            idle = (cpu_seconds(daemon) - idle) / (time.monotonic() - began)
            for count in WATCHERS:
                plan.stage(f"{count} watchers")
                async with _streams(session, ids[:count]) as last:
                    await asyncio.sleep(3)
                    before, began = cpu_seconds(daemon), time.monotonic()
                    calls = await _calls(parts, seconds) - at_rest
                    spent = (cpu_seconds(daemon) - before) / (time.monotonic() - began)
                    shares.append(max(spent - idle, 0.0001))
                    aim = "< 20" if count == max(WATCHERS) else ""
                    figures += [
                        Figure(f"daemon's CPU, {count} watchers", shares[-1] * 100, "%", aim),
                        Figure(f"calls a second, {count} watchers", calls, "/s"),
                    ]
                    if count == max(WATCHERS):
                        took = [await _heard(parts, ids[n], last) for n in range(0, count, 25)]
                        figures += [
                            Figure("event to its watcher, p50", median(took) * 1000, "ms"),
                            Figure("event to its watcher, the last", max(took) * 1000, "ms"),
                        ]
    figures.append(Figure("exponent over watchers", _exponent(WATCHERS, shares), ""))
    return figures


@contextlib.asynccontextmanager
async def _stack(workers: int, delay: float = 0, **settings: str) -> AsyncIterator[Bench]:
    async with bench(model_url="", delay=delay, **settings) as parts:
        parts.stack.start("serve")
        await parts.work(workers)
        await parts.stack.ready()
        yield parts


async def _calls(parts: Bench, seconds: float) -> float:
    """Calls a second that the server counts, but for the two that ask."""
    client = redis.Redis.from_url(parts.state.url)
    try:
        before, began = (await client.info("stats"))["total_commands_processed"], time.monotonic()
        await asyncio.sleep(seconds)
        after = (await client.info("stats"))["total_commands_processed"]
        return float((after - before - 1) / (time.monotonic() - began))
    finally:
        await client.aclose()


async def waiting_runs(parts: Bench, count: int) -> list[str]:
    """Runs that wait for a person's yes."""
    async with parts.runs() as verbs:
        accepted = [
            (await verbs.accept("careful", trigger(f"mark-{mark} calls-1"))).run_id
            for mark in new_marks(count)
        ]

    async def asked() -> int:
        return (await parts.store.gauges()).runs["WAITING"]

    await reached(count, asked)
    return accepted


@contextlib.asynccontextmanager
async def _streams(
    session: aiohttp.ClientSession, run_ids: Sequence[str]
) -> AsyncIterator[dict[str, float]]:
    """Follow these runs; when the last event of each came."""
    last: dict[str, float] = {}

    async def follow(run_id: str) -> None:
        async with session.get(f"/runs/{run_id}/events") as response:
            async for line in response.content:
                if line.startswith(b"id: "):
                    last[run_id] = time.monotonic()

    tasks = [asyncio.create_task(follow(run_id)) for run_id in run_ids]
    try:
        while len(last) < len(run_ids):
            await asyncio.sleep(0.05)
        yield last
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _heard(parts: Bench, run_id: str, last: dict[str, float]) -> float:
    """Seconds from a message to a run until its watcher sees it."""
    await asyncio.sleep(0.3)
    async with parts.runs() as verbs:
        sent = time.monotonic()
        await verbs.message(run_id, "hm", sender=secrets.token_hex(2))
        while last[run_id] < sent:
            await asyncio.sleep(0.005)
    return last[run_id] - sent


def connections(parts: Bench, name: str) -> int:
    process = psutil.Process(parts.stack.processes[name].pid)
    return sum(
        bool(one.raddr) and one.raddr.port == parts.state.port
        for one in process.net_connections("tcp")
        if one.status == psutil.CONN_ESTABLISHED
    )


def _exponent(counts: Sequence[int], values: Sequence[float]) -> float:
    """With which power of the count the value grows, from the first to the last."""
    return math.log(values[-1] / values[0]) / math.log(counts[-1] / counts[0])
