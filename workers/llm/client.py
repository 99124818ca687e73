"""The interface of the model client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from workers.events import Decision

Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}"""


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many tokens the thinking modes short and long may spend on this server's model."""

    short: int
    long: int


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of the model and its cost; tokens as the server counts them.

    `prompt_hash` is the SHA-256 of the request body that brought the answer; `seconds` and
    `attempts` include the requests before it that did not.
    """

    content: str
    model: str
    prompt_hash: str
    seconds: float = 0
    attempts: int = 1
    reasoning: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


class ModelClient(Protocol):
    async def complete(
        self,
        messages: list[Message],
        *,
        schema: dict[str, Any],
        decision: Decision,
        max_tokens: int,
    ) -> Completion:
        """Ask for one JSON object that fits `schema`, thinking as `decision` allows.

        `max_tokens` bounds the answer, the thinking budget comes on top. Time-outs, 429, 5xx and
        disconnects are retried with backoff; then `channels.errors.ModelFailed` is raised.
        Cancelling the call closes the connection, which frees the server's slot.
        """
        ...

    async def budgets(self) -> Budgets:
        """The settings' budgets, else what suits the server. Raises `ModelFailed`."""
        ...

    async def close(self) -> None: ...
