"""The same agent for every peer: asks the model, uses a tool that does nothing, as often as the
model endpoint says, then answers. A step is one model call or one tool call.

Its state is a list of (role, text); the model sees the first and as many of the last as fit into
the 12,000 characters that ponderd shows it.
"""

from __future__ import annotations

import json
import os
from typing import Any

import aiohttp

Message = tuple[str, str]

CONTEXT_CHARS = 12_000
RESULT = "what the tool found, and every time the same, " * 22

_sessions: list[aiohttp.ClientSession] = []


async def ask(messages: list[Message]) -> str:
    """One streamed model call; returns what the model wrote."""
    if not _sessions:
        connector = aiohttp.TCPConnector(limit=0)
        _sessions.append(aiohttp.ClientSession(os.environ["MODEL_URL"], connector=connector))
    body = {"model": "nothing", "messages": _window(messages), "stream": True}
    said = []
    async with _sessions[0].post("chat/completions", json=body) as answer:
        async for line in answer.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    said.append(choice["delta"].get("content", ""))
    return "".join(said)


async def close() -> None:
    for session in _sessions:
        await session.close()


def first(mark: int, tool_calls: int) -> list[Message]:
    return [("user", f"mark-{mark} calls-{tool_calls}")]


def answered(content: str) -> list[Message]:
    return [("assistant", content)]


def used(result: str) -> list[Message]:
    return [("user", f"[tool] {result}")]


def wants_tool(content: str) -> bool:
    action: dict[str, Any] = json.loads(content)
    return bool(action["action"] != "reply")


def _window(messages: list[Message]) -> list[dict[str, str]]:
    left, latest = CONTEXT_CHARS, len(messages)
    while latest > 1 and (left := left - len(messages[latest - 1][1])) > 0:
        latest -= 1
    seen = messages[:1] + messages[latest:]
    return [{"role": role, "content": text} for role, text in seen]
