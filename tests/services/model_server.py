"""A scripted model server: speaks vLLM's streaming dialect, says what a test tells it to.

    async with ScriptedModel({"action": "reply", "text": "hello"}) as server:
        ... PONDERD_MODEL_URL=server.url ...

As a process: `python -m tests.services.model_server --port N --delay 1`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import enum
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import uvloop
from aiohttp import web

from ponderd.workers.llm.canary import QUESTION


class Trap(enum.Flag):
    """What real servers were seen to do with the thinking fields. Any of them together."""

    NONE = 0
    IGNORES_BUDGET = enum.auto()
    """vllm#54906, #39573: the field is taken and nothing comes of it."""
    IGNORES_SWITCH = enum.auto()
    """A template that does not know enable_thinking: it always thinks."""
    NEVER_THINKS = enum.auto()
    """A model or template without thinking."""
    NO_JSON_AFTER_THOUGHT = enum.auto()
    """vllm#18819, #42021: content null, all of it in the thought."""
    THOUGHT_IN_CONTENT = enum.auto()
    """A server without --reasoning-parser: the think block stands in the content."""
    REFUSES_BUDGET = enum.auto()
    """The same server answers 400 to thinking_token_budget."""
    REFUSES_IN_STREAM = enum.auto()
    """vLLM 0.32: what is refused comes as an event of the stream, after HTTP 200."""
    REFUSES_PRIORITY = enum.auto()
    """vLLM without --scheduling-policy priority."""
    REFUSES_UNKNOWN = enum.auto()
    """A strict server: every field that OpenAI's API does not have is a 400."""
    OLD_FIELD = enum.auto()
    """reasoning_content instead of reasoning."""
    NO_COUNTS = enum.auto()
    """No completion_tokens_details."""
    EATS_EVERYTHING = enum.auto()
    """vllm#30599: the thought takes all tokens, and the answer is cut off."""
    CUTS_INTO_ANSWER = enum.auto()
    """vllm#44676: where the budget ends, the closing tag stands inside the answer."""
    NO_TOKENIZER = enum.auto()
    """No /tokenize and /detokenize: prompts cannot be rendered and continued by us."""
    NO_LOGPROBS = enum.auto()
    """Log-probabilities are left out although they were asked for."""


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
    logprob: float = -0.01
    """Of the whole content, for whoever asks."""
    cut: bool = False
    """Whether it says that its tokens ran out."""


Line = Mapping[str, Any] | str | Fault | Says
Script = Line | Sequence[Line] | Callable[[dict[str, Any]], Line]
"""One line for every request; or a list, of which the last line repeats; or a function of the
request's body. A mapping is said as JSON."""

DEFAULT: Line = {"action": "reply", "text": "ok"}


def _open() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass
class ScriptedModel:
    script: Script = field(default_factory=lambda: DEFAULT)
    delay: float = 0
    traps: Trap = Trap.NONE
    opens_thought: bool = True
    """Whether the template opens the thought itself, as most do (Qwen3's does not)."""
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    keep_requests: bool = True
    gate: asyncio.Event = field(default_factory=_open)
    """While it is closed, nothing is answered."""
    count: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    disconnects: int = 0
    yes_no: tuple[float, float] = (-1.0, -1.0)
    """Log-probabilities of yes and no, for whoever asks with one token."""
    probes: list[dict[str, Any]] = field(default_factory=list)
    continued: list[dict[str, Any]] = field(default_factory=list)
    """Requests to go on with a prompt."""
    keys: set[str | None] = field(default_factory=set)
    """Authorization headers of chat requests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """It answers nothing meanwhile, so that what a test does happens before it answers. For
        tests in other threads, too."""
        self._loop.call_soon_threadsafe(self.gate.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self.gate.set)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/v1/chat/completions", self._chat)
        if Trap.NO_TOKENIZER not in self.traps:
            app.router.add_post("/tokenize", self._tokenize)
            app.router.add_post("/detokenize", self._detokenize)
            app.router.add_post("/v1/completions", self._complete)
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
        self.keys.add(request.headers.get("Authorization"))
        if refused := self._refused(body):
            return refused
        if is_canary(body):  # no test's script has a line for it
            return await self._answer(request, body, _CANARY)
        if "top_logprobs" in body:
            self.probes.append(body)
            silent = Trap.NO_LOGPROBS in self.traps
            return web.json_response({"choices": [{}]} if silent else _yes_no(self.yes_no))
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

    def _refused(self, body: dict[str, Any]) -> web.Response | None:
        unknown = {
            "thinking_token_budget": Trap.REFUSES_BUDGET,
            "priority": Trap.REFUSES_PRIORITY,
        }
        for name, trap in unknown.items():
            if name in body and trap in self.traps:
                message = f"{name} is set but not configured"
                if Trap.REFUSES_IN_STREAM not in self.traps:
                    return _error(400, message)
                event = json.dumps({"error": {"message": message, "code": 400}})
                text = f"data: {event}\n\ndata: [DONE]\n\n"
                return web.Response(text=text, content_type="text/event-stream")
        if Trap.REFUSES_UNKNOWN in self.traps and (extra := set(body) & set(VLLM_ONLY)):
            return _error(400, f"Unrecognized request argument supplied: {min(extra)}")
        return None

    async def _tokenize(self, request: web.Request) -> web.Response:
        """A token is a character; the template is Qwen3's, about."""
        body = json.loads(await request.read())
        said = "".join(f"<|{m['role']}|>{m['content']}\n" for m in body["messages"])
        switch = body["chat_template_kwargs"]["enable_thinking"]
        thinking = switch or Trap.IGNORES_SWITCH in self.traps
        prompt = said + "<|assistant|>\n"
        if thinking and self.opens_thought:
            prompt += "<think>\n"
        elif not thinking:
            prompt += "<think>\n\n</think>\n\n"
        return web.json_response({"tokens": [ord(c) for c in prompt], "count": len(prompt)})

    async def _detokenize(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        return web.json_response({"prompt": "".join(map(chr, body["tokens"]))})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        """Goes on with a thought, word by word, until it is told to stop; then with the answer."""
        body = json.loads(await request.read())
        if refused := self._refused(body):
            return refused
        self.continued.append(body)
        line = _CANARY if QUESTION[-1]["content"] in body["prompt"] else self._line(body)
        says = line if isinstance(line, Says) else Says(json.dumps(line))
        if isinstance(line, str):
            says = Says(line)
        if "stop" in body:
            words = [f"{word} " for word in says.reasoning.split()][: body["max_tokens"]]
            cut = len(says.reasoning.split()) > body["max_tokens"]
        else:
            words, cut = [says.content or ""], False
        finish = "length" if cut else "stop"
        chunks = [_part(word, None) for word in words] + [_part("", finish)]
        usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": len(words)}
        chunks.append({"choices": [], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

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
        await self.gate.wait()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        stream = _stream(body, says, self.traps)
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


VLLM_ONLY = (
    "thinking_token_budget",
    "chat_template_kwargs",
    "cache_salt",
    "structured_outputs",
    "priority",
)
"""Fields that OpenAI's own API does not have."""

_CANARY = Says('{"canary":"yes"}', reasoning="hm " * 40)


def is_canary(body: Mapping[str, Any]) -> bool:
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    return "canary" in schema.get("properties", {})


def _yes_no(logprobs: tuple[float, float]) -> dict[str, Any]:
    top = [{"token": word, "logprob": p} for word, p in zip(("yes", "no"), logprobs, strict=True)]
    content = [{"token": "yes", "top_logprobs": top}]
    usage = {"prompt_tokens": 12, "completion_tokens": 1}
    return {"choices": [{"logprobs": {"content": content}}], "usage": usage}


def _part(text: str, finish: str | None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": text, "finish_reason": finish}]}


def _stream(body: Mapping[str, Any], says: Says, traps: Trap) -> list[bytes]:
    """The chunks of one answer: role, reasoning word by word, content, finish, usage, [DONE].

    A word counts as a token.
    """
    switch = body.get("chat_template_kwargs", {}).get("enable_thinking", True)
    thinking = (switch or Trap.IGNORES_SWITCH in traps) and Trap.NEVER_THINKS not in traps
    thought = says.reasoning.split() if thinking else []
    budget = body.get("thinking_token_budget", len(thought))
    cut_short = len(thought) > budget
    if says.keeps_budget and Trap.IGNORES_BUDGET not in traps:
        thought = thought[:budget]
    content, finish = says.content, "length" if says.cut else "stop"
    room = body.get("max_completion_tokens", 10**9)
    if len(thought) >= room or (thought and Trap.EATS_EVERYTHING in traps):
        thought, content, finish = thought[:room], None, "length"
    elif thought and Trap.NO_JSON_AFTER_THOUGHT in traps:
        content = None
    elif thought and Trap.THOUGHT_IN_CONTENT in traps:
        content = f"<think>{' '.join(thought)}</think>{content}"
    elif cut_short and Trap.CUTS_INTO_ANSWER in traps:
        content = f'{{"action":"reply","text":"and so on</think>{content}"}}'
    field_name = "reasoning_content" if Trap.OLD_FIELD in traps else "reasoning"
    shown = [] if Trap.THOUGHT_IN_CONTENT in traps else thought
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{field_name: word + " "} for word in shown]
    deltas += [{"content": content}]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    if body.get("logprobs"):
        choices[-1]["logprobs"] = {"content": [{"token": content or "", "logprob": says.logprob}]}
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    prompt = sum(len(message["content"].split()) for message in body.get("messages", ()))
    answer = len((content or "").split())
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": len(shown) + answer,
        "total_tokens": prompt + len(shown) + answer,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(shown)},
    }
    if Trap.NO_COUNTS in traps:
        del usage["completion_tokens_details"]
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
