"""What a call of an agent's function costs in a process of the worker, and in a thread."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ponderd.channels.settings import ChannelSettings
from ponderd.workers.agents.author_calls import Describe
from ponderd.workers.agents.discovery import discover
from ponderd.workers.execution.author_code import MEGABYTE, AuthorCode, InProcesses, InThreads
from tests.benchmarks.report import Figure, Figures, median

CALLS = 500
SAID = '{"category": "bug", "urgency": "high", "summary": "It crashes."}'


async def measure() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        settings = ChannelSettings(data_dir=Path(folder))
        processes = InProcesses([], settings, memory=512 * MEGABYTE, isolated=1)
        try:
            return [
                Figure("a function in a process", await _call(processes) * 1000, "ms"),
                Figure("a function in a thread", await _call(InThreads()) * 1000, "ms"),
            ]
        finally:
            await processes.close()


async def _call(code: AuthorCode) -> float:
    agent = discover([])["triage"]
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await code.call(agent, Describe(SAID), 60)
        taken.append(time.perf_counter() - began)
    return median(taken)
