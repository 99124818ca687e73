"""Make a model client. At the first call it finds out which dialect the server speaks, and each
call goes to the server of its arm."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from ponderd.channels.errors import ModelError, StartupError
from ponderd.workers.agents.arms import Arm, Arms, find, own_arms, with_family
from ponderd.workers.context.render import Message
from ponderd.workers.llm.client import (
    CallOptions,
    Capabilities,
    Completion,
    ModelClient,
    ProbeResult,
)
from ponderd.workers.llm.http import Http, retried
from ponderd.workers.llm.llamacpp import LlamaCpp
from ponderd.workers.llm.probe import with_question
from ponderd.workers.llm.vllm import VLLM
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.settings import WorkerSettings

T = TypeVar("T")

PROBE_SECONDS = 5.0
"""Longest that a probe may take. A model that needs longer for one token is too busy to be asked.
"""


class Dialect(Protocol):
    model: str
    default_budgets: tuple[int, int]
    """Tokens of a short and of a long thought."""

    capabilities: Capabilities

    async def attempt(
        self,
        messages: list[Message],
        schema: dict[str, Any],
        decision: ThinkingDecision,
        max_tokens: int,
        options: CallOptions,
    ) -> Completion:
        """Try once. The `attempts` of the answer include further requests that this try needed."""
        ...

    async def probe(self, messages: list[Message], options: CallOptions) -> ProbeResult:
        """Ask the model to continue with yes or no. The caller adds the `seconds`."""
        ...

    async def examine(self, *, thoroughly: bool) -> Capabilities:
        """Find out with a few small calls what the server does, and work around the rest from now
        on."""
        ...


def connect(settings: WorkerSettings, family: Arms = ()) -> ModelClient:
    """Make the client, without any I/O before its first call. `family` are further models."""
    if settings.model_url is None:
        raise StartupError("no model server: set PONDERD_MODEL_URL", exit_code=2)
    key = settings.model_api_key
    return _Client(settings, family, key.get_secret_value() if key else "")


async def detect(http: Http, model: str | None) -> Dialect:
    """Read the dialect from `GET /v1/models`, and the model's name unless `model` is given."""
    first, owner = await http.get("/v1/models", _first_model)
    name = model or first
    if name is None:
        raise ModelError(
            "the model server lists no model: set PONDERD_MODEL", cause="mendable", retryable=False
        )
    return LlamaCpp(http, name) if owner == "llamacpp" else VLLM(http, name)


def _first_model(listing: Any) -> tuple[str | None, str | None]:
    for model in listing["data"]:
        return model["id"], model.get("owned_by")
    return None, None


class _Server:
    """One model on one server."""

    def __init__(self, url: str, model: str | None, key: str) -> None:
        self._http = Http(url.rstrip("/").removesuffix("/v1"), key)
        self._model = model
        self._detecting = asyncio.Lock()
        self.detected: Dialect | None = None
        self.examined: Capabilities | None = None

    async def dialect(self) -> Dialect:
        if self.detected is not None:
            return self.detected
        async with self._detecting:  # hundreds of first calls send one request
            if self.detected is None:
                self.detected = await detect(self._http, self._model)
            return self.detected

    def forget(self) -> None:
        """Find out again what the server is."""
        self.detected = None

    async def examine(self, thoroughly: bool) -> Capabilities:
        self.examined = await (await self.dialect()).examine(thoroughly=thoroughly)
        return self.examined

    async def close(self) -> None:
        await self._http.close()


class _Client:
    def __init__(self, settings: WorkerSettings, family: Arms, key: str) -> None:
        assert settings.model_url is not None
        self._settings = settings
        self._family = family
        self._own = _Server(settings.model_url, settings.model, key)
        self._members = {
            arm.name: _member(arm, settings, key) for arm in family if arm.url or arm.model
        }

    async def complete(
        self,
        messages: list[Message],
        *,
        schema: dict[str, Any],
        decision: ThinkingDecision,
        max_tokens: int,
        options: CallOptions = CallOptions(),  # noqa: B008
    ) -> Completion:
        started = time.perf_counter()
        server = self._members.get(decision.arm, self._own)

        async def attempt() -> Completion:
            dialect = await server.dialect()
            try:
                return await dialect.attempt(messages, schema, decision, max_tokens, options)
            except ModelError as error:
                if error.cause == "mendable":  # it may serve another model by now
                    server.forget()
                raise

        answer, number = await self._retried(attempt)
        return _timed(answer, started, retries=number - 1)

    async def probe(
        self,
        messages: list[Message],
        question: str,
        options: CallOptions = CallOptions(),  # noqa: B008
    ) -> ProbeResult:
        started = time.perf_counter()

        async def attempt() -> ProbeResult:
            return await (await self._own.dialect()).probe(
                with_question(messages, question), options
            )

        result, _ = await retried(attempt, timeout=PROBE_SECONDS, attempts=1)
        return ProbeResult(result.odds, _timed(result.cost, started))

    async def model(self) -> str:
        dialect, _ = await self._retried(self._own.dialect)
        return dialect.model

    async def arms(self) -> Arms:
        short, long = self._settings.thinking_short, self._settings.thinking_long
        if not (short and long):
            dialect = self._own.detected or (await self._retried(self._own.dialect))[0]
            default_short, default_long = dialect.default_budgets
            short, long = short or default_short, long or default_long
        return _all_arms(short, long, self._family)

    async def examine(self, *, thoroughly: bool = False) -> dict[str, Capabilities | ModelError]:
        found: dict[str, Capabilities | ModelError] = {}
        for name, server in {"": self._own, **self._members}.items():
            if server.examined is not None:
                found[name] = server.examined
                continue
            try:
                look = functools.partial(server.examine, thoroughly)
                found[name], _ = await self._retried(look)
            except ModelError as error:
                found[name] = error
        return found

    async def close(self) -> None:
        for server in (self._own, *self._members.values()):
            await server.close()

    async def _retried(self, attempt: Callable[[], Awaitable[T]]) -> tuple[T, int]:
        return await retried(attempt, timeout=self._settings.model_timeout)


def _member(arm: Arm, settings: WorkerSettings, key: str) -> _Server:
    """A server of the model family. It never gets the key of our own server."""
    assert settings.model_url is not None
    url = arm.url or settings.model_url
    if arm.api_key_env:
        key = os.environ.get(arm.api_key_env, "")
    elif urlsplit(url).netloc != urlsplit(settings.model_url).netloc:
        key = ""
    return _Server(url, arm.model or settings.model, key)


def _timed(answer: Completion, started: float, retries: int = 0) -> Completion:
    usage = {
        "seconds": time.perf_counter() - started,
        "attempts": answer.usage.attempts + retries,
    }
    return replace(answer, usage=answer.usage.model_copy(update=usage))


@functools.lru_cache(maxsize=8)  # every call asks
def _all_arms(short: int, long: int, family: Arms) -> Arms:
    own = own_arms(short, max(short, long))
    return with_family(own, tuple(_filled(arm, own) for arm in family))


def _filled(arm: Arm, own: Arms) -> Arm:
    """Give a member without a budget of its own the budget of its mode."""
    usual = find(own, arm.mode)
    return replace(arm, budget=usual.budget) if usual and arm.thinks and not arm.budget else arm
