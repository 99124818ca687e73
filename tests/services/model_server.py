"""A scripted model server: speaks vLLM's streaming dialect, says what a test tells it to.

    async with ScriptedModel({"action": "reply", "text": "hello"}) as server:
        ... PONDERD_MODEL_URL=server.url ...

As a process: `python -m tests.services.model_server --port N --delay 1`.
"""

from __future__ import annotations

import argparse
import asyncio
import enum
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import uvloop
from aiohttp import web


class Fault(enum.Enum):
    HANG = "accepts the request and never answers"
    BREAK_OFF = "closes the connection in the middle of the answer"
    GARBAGE = "sends a line that is not JSON"
    ERROR_500 = "HTTP 500"
    BUSY_429 = "HTTP 429 with Retry-After: 0"
    TOO_LONG = "HTTP 400 as vLLM answers an over-long prompt"
    BAD_REQUEST = "HTTP 400 for another reason"
    EMPTY = "content null"
    PROSE = "an answer that is not JSON"


@dataclass(frozen=True)
class Says:
    """`reasoning` is streamed before the content, but only to a request that allows thinking, and
    only as much of it as the request's budget allows, unless `keeps_budget` is False."""

    content: str | None
    reasoning: str = ""
    delay: float = 0
    keeps_budget: bool = True


Line = Mapping[str, Any] | str | Fault | Says
Script = Line | Sequence[Line] | Callable[[dict[str, Any]], Line]
"""One line for every request; or a list, of which the last line repeats; or a function of the
request's body. A mapping is said as JSON."""

DEFAULT: Line = {"action": "reply", "text": "ok"}


@dataclass
class ScriptedModel:
    script: Script = field(default_factory=lambda: DEFAULT)
    delay: float = 0
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    keep_requests: bool = True
    count: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    disconnects: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=4096)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _line(self, body: dict[str, Any]) -> Line:
        if callable(self.script):
            return self.script(body)
        if isinstance(self.script, Sequence) and not isinstance(self.script, str):
            return self.script[min(self.count, len(self.script)) - 1]
        return self.script

    async def _models(self, _: web.Request) -> web.Response:
        model = {"id": "scripted", "object": "model", "owned_by": "vllm", "max_model_len": 32768}
        return web.json_response({"object": "list", "data": [model]})

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _stats(self, _: web.Request) -> web.Response:
        names = ("count", "in_flight", "peak_in_flight", "disconnects")
        return web.json_response({name: getattr(self, name) for name in names})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.count += 1
        if self.keep_requests:
            self.requests.append(body)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            return await self._answer(request, body, self._line(body))
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnects += 1
            raise
        finally:
            self.in_flight -= 1

    async def _answer(
        self, request: web.Request, body: dict[str, Any], line: Line
    ) -> web.StreamResponse:
        match line:
            case Fault.HANG:
                await asyncio.Event().wait()
            case Fault.ERROR_500:
                return _error(500, "internal error")
            case Fault.BUSY_429:
                return _error(429, "busy", headers={"Retry-After": "0"})
            case Fault.TOO_LONG:
                return _error(
                    400, "This model's maximum context length is 4096 tokens, but you sent 9000."
                )
            case Fault.BAD_REQUEST:
                return _error(400, "no such field")
            case Fault.EMPTY:
                says = Says(None)
            case Fault.PROSE:
                says = Says("Sure! Let me think about that for you.")
            case Fault.BREAK_OFF | Fault.GARBAGE:
                says = Says('{"action": "re')
            case Says():
                says = line
            case str():
                says = Says(line)
            case _:
                says = Says(json.dumps(line, ensure_ascii=False))
        await asyncio.sleep(self.delay + says.delay)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        stream = _stream(body, says)
        if line is Fault.BREAK_OFF:
            await response.write(b"".join(stream[:-3]))
            assert request.transport is not None
            request.transport.close()
            return response
        if line is Fault.GARBAGE:
            stream[-3:] = [b"data: {broken\n\n"]
        if says.reasoning:
            for chunk in stream:
                await response.write(chunk)
        else:
            await response.write(b"".join(stream))
        await response.write_eof()
        return response


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "code": status}}, status=status, headers=headers
    )


def _stream(body: Mapping[str, Any], says: Says) -> list[bytes]:
    """The chunks of one answer: role, reasoning word by word, content, finish, usage, [DONE].

    A word counts as a token.
    """
    thinking = body.get("chat_template_kwargs", {}).get("enable_thinking", True)
    thought = says.reasoning.split() if thinking else []
    if says.keeps_budget:
        thought = thought[: body.get("thinking_token_budget", len(thought))]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning": word + " "} for word in thought]
    deltas += [{"content": says.content}]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    prompt = sum(len(message["content"].split()) for message in body.get("messages", ()))
    answer = len((says.content or "").split())
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": len(thought) + answer,
        "total_tokens": prompt + len(thought) + answer,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(thought)},
    }
    chunks: list[dict[str, Any]] = [
        {"id": "c", "object": "chat.completion.chunk", "model": "scripted", "choices": [choice]}
        for choice in choices
    ]
    if body.get("stream_options", {}).get("include_usage"):
        chunks.append({"id": "c", "model": "scripted", "choices": [], "usage": usage})
    return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks] + [b"data: [DONE]\n\n"]


async def _serve(port: int, delay: float, script: Script) -> None:
    async with ScriptedModel(script, delay=delay, port=port, keep_requests=False) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0, help="seconds before each answer")
    parser.add_argument("--say", type=json.loads, default=DEFAULT, help="JSON: a line, or a list")
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.port, arguments.delay, arguments.say))
