"""A model endpoint that costs next to nothing, so that it is not what is measured: HTTP by hand on
a bare asyncio protocol, answers made beforehand. Speaks vLLM's streaming dialect.

    python -m tests.benchmarks.model --port N --delay 1 --tool-calls 4

A run gets `--tool-calls` calls of the tool `nothing` before its reply. `GET /stats` tells the
requests in flight, and, for requests that carry `mark-<n>`, when their first byte came
(CLOCK_MONOTONIC, which all processes of a machine share).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_MARK = re.compile(rb"mark-(\d+)")


@dataclass
class State:
    delay: float
    tool_calls: int
    count: int = 0
    in_flight: int = 0
    peak: int = 0
    marks: dict[int, float] = field(default_factory=dict)

    def stats(self) -> bytes:
        return json.dumps(
            {
                "count": self.count,
                "in_flight": self.in_flight,
                "peak": self.peak,
                "marks": self.marks,
            }
        ).encode()


class Endpoint(asyncio.Protocol):
    def __init__(self, state: State) -> None:
        self._state = state
        self._received = b""
        self._arrived = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if not self._received:
            self._arrived = time.monotonic()
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if separator and len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path == b"/v1/models":
            self._transport.write(_plain(_MODELS))
        elif path == b"/stats":
            self._transport.write(_plain(self._state.stats()))
        else:
            self._chat(body)

    def _chat(self, body: bytes) -> None:
        state = self._state
        state.count += 1
        state.in_flight += 1
        state.peak = max(state.peak, state.in_flight)
        for mark in _MARK.findall(body):
            state.marks.setdefault(int(mark), self._arrived)
        said = body.rpartition(b"[new conversation]")[2]
        more = said.count(b'"role":"assistant"') < state.tool_calls
        answer = _TOOL_CALL if more else _REPLY
        if state.delay:
            asyncio.get_running_loop().call_later(state.delay, self._finish, answer)
        else:
            self._finish(answer)

    def _finish(self, answer: bytes) -> None:
        self._state.in_flight -= 1
        self._transport.write(answer)


def _plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


def _streamed(content: str) -> bytes:
    """One whole answer: role, content, end and usage, as chunked server-sent events."""
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None},
        {"index": 0, "delta": {"content": content}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]
    common: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "model": "nothing"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    chunks = [common | {"choices": [choice]} for choice in choices]
    chunks.append(common | {"choices": [], "usage": usage})
    events = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
        + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    )


_MODELS = json.dumps({"data": [{"id": "nothing", "owned_by": "vllm"}]}).encode()
_TOOL_CALL = _streamed('{"action":"nothing"}')
_REPLY = _streamed('{"action":"reply","text":"That is all."}')


async def _serve(port: int, state: State) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Endpoint(state), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0, help="seconds before each answer")
    parser.add_argument("--tool-calls", type=int, default=0, help="tool calls before the reply")
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.port, State(arguments.delay, arguments.tool_calls)))
