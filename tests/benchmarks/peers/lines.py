"""How the benchmark steers a peer: one JSON object a line, on standard input and output."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from tests.benchmarks.peers import agent

Handler = Callable[..., Awaitable[Any]]


async def serve(**handlers: Handler) -> None:
    """Answer `{"do": name, …}` by that handler, one after the other, until the input ends."""
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    print("{}", flush=True)  # ready
    while line := await reader.readline():
        fields = json.loads(line)
        print(json.dumps(await handlers[fields.pop("do")](**fields)), flush=True)
    await agent.close()
