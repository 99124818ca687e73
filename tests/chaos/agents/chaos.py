"""An agent whose tools leave evidence outside: a file for every time that one was run."""

import asyncio
import json
import os
import signal
import time
import uuid
import zlib
from pathlib import Path

from ponderd import Agent, ToolContext, tool
from ponderd.workers.execution import snapshots

snapshots.EVENTS = 4
"""Runs are short here. So workers and daemons go on from snapshots all the same."""

STEP = 0.05
"""Seconds before and after an effect, so that faults find a tool at work."""


async def take_effect(name: str, order: str, context: ToolContext) -> str:
    await asyncio.sleep(STEP)
    folder = context.data_dir / "effects" / name
    folder.mkdir(parents=True, exist_ok=True)
    evidence = {"order": order, "key": context.idempotency_key, "run": context.run_id}
    write(folder, evidence)
    await asyncio.sleep(STEP)
    return f"{name} {order}"


def write(folder: Path, evidence: dict[str, str]) -> None:
    file = folder / f"{uuid.uuid4().hex}.json"
    file.with_suffix(".new").write_text(json.dumps(evidence))
    file.with_suffix(".new").replace(file)


@tool(idempotent=True)
async def keep(order: str, context: ToolContext) -> str:
    """do what may be repeated: what has its key counts once"""
    return await take_effect("keep", order, context)


@tool()
async def once(order: str, context: ToolContext) -> str:
    """do what must not be repeated"""
    return await take_effect("once", order, context)


@tool(approval="always")
async def risky(order: str, context: ToolContext) -> str:
    """do what must not be repeated, and needs a yes"""
    return await take_effect("risky", order, context)


@tool(timeout=0.3)
async def late(order: str, context: ToolContext) -> str:
    """do what must not be repeated, after nobody waits for it any more"""
    if _number(order) % 2:
        time.sleep(0.8)  # noqa: ASYNC251 - a mistake that authors make
    await asyncio.sleep(0.8)
    return await take_effect("late", order, context)


@tool(idempotent=True)
async def fatal(order: str, context: ToolContext) -> str:
    """kill the worker: for some orders once or twice, for others each time"""
    deaths = context.data_dir / "deaths" / order
    deaths.mkdir(parents=True, exist_ok=True)
    kind = _number(order) % 3
    if kind == 0 or len(list(deaths.iterdir())) < kind:
        (deaths / uuid.uuid4().hex).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return await take_effect("fatal", order, context)


def _number(order: str) -> int:
    return zlib.crc32(order.encode())


agent = Agent(
    "chaos",
    "for the chaos harness",
    "You are a test.",
    tools=(keep, once, risky, late, fatal),
)
