"""Make a model client: finds out which dialect the server speaks, at the first call."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, Protocol

from channels.errors import ModelFailed, StartupFailed
from workers.events import Decision
from workers.llm.client import Budgets, Completion, Message, ModelClient
from workers.llm.http import Http, retried
from workers.llm.llamacpp import LlamaCpp
from workers.llm.vllm import VLLM
from workers.settings import WorkerSettings


class Dialect(Protocol):
    default_budgets: Budgets

    async def attempt(
        self, messages: list[Message], schema: dict[str, Any], decision: Decision, max_tokens: int
    ) -> Completion:
        """One try at an answer; `attempts` of it counts further requests that it needed."""
        ...


def connect(settings: WorkerSettings) -> ModelClient:
    """No input or output happens before the first call."""
    if settings.model_url is None:
        raise StartupFailed("no model server: set PONDERD_MODEL_URL", exit_code=2)
    key = settings.model_api_key
    root = settings.model_url.rstrip("/").removesuffix("/v1")
    return _Client(Http(root, key.get_secret_value() if key else None), settings)


async def detect(http: Http, model: str | None) -> Dialect:
    """`GET /v1/models` tells both the dialect and, unless `model` is set, the model's name."""
    first, owner = await http.get("/v1/models", _first_model)
    name = model or first
    if name is None:
        raise ModelFailed("the model server lists no model: set PONDERD_MODEL", retryable=False)
    return LlamaCpp(http, name) if owner == "llamacpp" else VLLM(http, name)


def _first_model(listing: Any) -> tuple[str | None, str | None]:
    for model in listing["data"]:
        return model["id"], model.get("owned_by")
    return None, None


class _Client:
    def __init__(self, http: Http, settings: WorkerSettings) -> None:
        self._http = http
        self._settings = settings
        self._detecting = asyncio.Lock()
        self._detected: Dialect | None = None

    async def complete(
        self,
        messages: list[Message],
        *,
        schema: dict[str, Any],
        decision: Decision,
        max_tokens: int,
    ) -> Completion:
        started = time.perf_counter()

        async def attempt() -> Completion:
            dialect = await self._dialect()
            return await dialect.attempt(messages, schema, decision, max_tokens)

        answer, number = await retried(attempt, timeout=self._settings.model_timeout)
        return replace(
            answer,
            seconds=time.perf_counter() - started,
            attempts=answer.attempts + number - 1,
        )

    async def budgets(self) -> Budgets:
        settings = self._settings
        if settings.thinking_short and settings.thinking_long:
            return Budgets(settings.thinking_short, settings.thinking_long)
        dialect, _ = await retried(self._dialect, timeout=settings.model_timeout)
        default = dialect.default_budgets
        return Budgets(
            settings.thinking_short or default.short, settings.thinking_long or default.long
        )

    async def close(self) -> None:
        await self._http.close()

    async def _dialect(self) -> Dialect:
        async with self._detecting:  # hundreds of first calls ask once
            if self._detected is None:
                self._detected = await detect(self._http, self._settings.model)
            return self._detected
