"""A model endpoint that costs next to nothing, so that it is not what is measured: HTTP by hand on
a bare asyncio protocol, answers made beforehand. Speaks vLLM's streaming dialect.

    python -m tests.benchmarks.model --port N --delay 1 --tool-calls 4 --size 1000

A conversation gets `--tool-calls` calls of a tool before its reply, or as many as it asks for with
`calls-<n>`. One that carries `mark-<n>` is watched: `GET /watched` tells when its first request
began (CLOCK_MONOTONIC, which all processes of a machine share) and how long it was between each
answer and the request after it, of all that were watched since the last time. `GET /stats` tells
the requests in flight. With `--size`, answers carry that many characters of text.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import uvloop

VARIANTS = 64
"""Different texts, so that a store that compresses finds no more than in real ones."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_MARK = re.compile(rb"mark-(\d+)")
_CALLS = re.compile(rb"calls-(\d+)")


@dataclass
class Stats:
    count: int = 0
    marked: int = 0
    """Requests that carry a mark: a worker's look at the server itself has none."""
    replies: int = 0
    in_flight: int = 0
    peak: int = 0


@dataclass
class Watched:
    """When the first and the latest request of each mark began; seconds between the calls of one
    run, from an answer to the next request."""

    first: dict[int, float] = field(default_factory=dict)
    latest: dict[int, float] = field(default_factory=dict)
    gaps: list[float] = field(default_factory=list)


class Model:
    def __init__(self, delay: float, tool_calls: int, size: int) -> None:
        self.delay = delay
        self.tool_calls = tool_calls
        self.stats = Stats()
        self.watched = Watched()
        self._answered: dict[int, float] = {}
        self._calls: dict[int, int] = {}
        notes = [_words(i, size) for i in range(VARIANTS if size else 1)]
        self._tool_calls = [_streamed({"action": "nothing"} | _note(note)) for note in notes]
        self._replies = [
            _streamed({"action": "reply", "text": note or "That is all."}) for note in notes
        ]

    def begin(self, body: bytes, arrived: float) -> tuple[bytes, int | None]:
        """The answer to a request, and the mark it carries."""
        stats = self.stats
        stats.count += 1
        stats.in_flight += 1
        stats.peak = max(stats.peak, stats.in_flight)
        newest = max(0, body.rfind(b"mark-"))  # of a conversation with several messages
        if (found := _MARK.match(body, newest)) is None:
            said = body.rpartition(b"[new conversation]")[2]
            more = said.count(b'"role":"assistant"') < self.tool_calls
            mark = None
        else:
            mark = int(found[1])
            stats.marked += 1
            wanted = _CALLS.search(body)
            self._calls[mark] = self._calls.get(mark, 0) + 1
            more = self._calls[mark] <= (int(wanted[1]) if wanted else self.tool_calls)
            self.watched.first.setdefault(mark, arrived)
            self.watched.latest[mark] = arrived
            if mark in self._answered:
                self.watched.gaps.append(arrived - self._answered.pop(mark))
        stats.replies += not more
        answers = self._tool_calls if more else self._replies
        return answers[stats.count % len(answers)], mark

    def end(self, mark: int | None) -> None:
        self.stats.in_flight -= 1
        if mark is not None:
            self._answered[mark] = time.monotonic()

    def take_watched(self) -> Watched:
        taken, self.watched = self.watched, Watched()
        self._answered.clear()
        return taken


class Endpoint(asyncio.Protocol):
    def __init__(self, model: Model) -> None:
        self._model = model
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
            self._transport.write(_plain({"data": [{"id": "nothing", "owned_by": "vllm"}]}))
        elif path == b"/stats":
            self._transport.write(_plain(asdict(self._model.stats)))
        elif path == b"/watched":
            self._transport.write(_plain(asdict(self._model.take_watched())))
        else:
            self._chat(body)

    def _chat(self, body: bytes) -> None:
        answer, mark = self._model.begin(body, self._arrived)
        if self._model.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self._model.delay, self._finish, answer, mark)
        else:
            self._finish(answer, mark)

    def _finish(self, answer: bytes, mark: int | None) -> None:
        self._model.end(mark)
        if not self._transport.is_closing():  # the worker may be dead by now
            self._transport.write(answer)


def _plain(content: Any) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


def _streamed(said: dict[str, str]) -> bytes:
    """One whole answer: role, content, end and usage, as chunked server-sent events."""
    content = json.dumps(said, separators=(",", ":"))
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


def _note(note: str) -> dict[str, str]:
    return {"note": note} if note else {}


def _words(seed: int, size: int) -> str:
    """`size` characters of text that compresses about as well as prose."""
    chance = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgk"
    known = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(400)]
    text = ""
    while len(text) < size:
        text += chance.choice(known) + " "
    return text[:size].strip()


async def _serve(port: int, model: Model) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Endpoint(model), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0, help="seconds before each answer")
    parser.add_argument("--tool-calls", type=int, default=0, help="tool calls before the reply")
    parser.add_argument("--size", type=int, default=0, help="characters of text in each answer")
    arguments = parser.parse_args()
    model = Model(arguments.delay, arguments.tool_calls, arguments.size)
    uvloop.run(_serve(arguments.port, model))
