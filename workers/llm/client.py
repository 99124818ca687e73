"""What every client of a model server can do, and the values that go in and out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from ponderd.channels.errors import ModelError
from ponderd.workers.agents.arms import Arms
from ponderd.workers.context.render import Message
from ponderd.workers.run.model_call import CallUsage, ThinkingDecision


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a call asks for, besides its answer."""

    priority: int = 0
    """The server may serve lower numbers earlier."""

    cache_salt: str = ""
    """Keeps tenants from learning, through the prefix cache, what others asked."""

    margin: bool = False
    """Report how sure the model was."""

    draft: int = 0
    """Above 0: ask for one more draft, which may differ from the first."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of the model."""

    content: str
    model: str
    prompt_hash: str
    """SHA-256 of the request body that brought the answer."""

    reasoning: str = ""
    usage: CallUsage = field(default_factory=CallUsage)
    """Includes the requests before it that brought no answer."""

    margin: float | None = None
    """Least log-probability among the tokens that the answer depends on."""

    cut: bool = False
    """The answer ends because it ran out of tokens."""

    counted: bool = True
    """The server reported its thinking tokens; otherwise they are an estimate."""

    def with_cost_of(self, other: Completion) -> Completion:
        """The same answer, which now includes the cost of `other`."""
        return replace(self, usage=self.usage + other.usage)


class ProbeResult(NamedTuple):
    """What the model said to a yes-or-no question."""

    odds: float
    """Log-odds that the model's next token is yes."""

    cost: Completion
    """What asking took. Its content is empty."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server was seen to do (`llm.canary`). Until it was examined, everything is assumed to
    work."""

    switch_off: bool = True
    """Without thinking, the model does not think."""

    switch_on: bool = True
    """With thinking, it does."""

    budget: bool = True
    """A thought ends where its budget does."""

    json: bool = True
    """The answer after a thought is JSON."""

    usage: bool = True
    """Thinking tokens are counted apart."""

    continues: bool = False
    """The server can render a prompt for us and continue it. That replaces all of the above."""


class ModelClient(Protocol):
    async def complete(
        self,
        messages: list[Message],
        *,
        schema: dict[str, Any],
        decision: ThinkingDecision,
        max_tokens: int,
        options: CallOptions = CallOptions(),
    ) -> Completion:
        """Ask for one JSON object that fits `schema`, and let the model think as `decision` allows.

        `max_tokens` bounds the answer; the thinking budget comes on top. Time-outs, 429, 5xx and
        disconnects are retried with backoff, then `ponderd.channels.errors.ModelError` is raised.
        Cancelling the call closes the connection, which frees the server's slot.
        """
        ...

    async def probe(
        self,
        messages: list[Message],
        question: str,
        options: CallOptions = CallOptions(),
    ) -> ProbeResult:
        """Ask the model a yes-or-no question after the real messages, once and briefly.

        The odds range from about -10 to 10. `options` are those of the call that the question is
        about. Raises `ModelError`.
        """
        ...

    async def model(self) -> str:
        """The name of our own model. Raises `ModelError`."""
        ...

    async def arms(self) -> Arms:
        """The arms that a call can use on this server. Raises `ModelError`."""
        ...

    async def examine(self, *, thoroughly: bool = False) -> dict[str, Capabilities | ModelError]:
        """Examine each server once, with a few small calls, and work around what it does not do.

        `thoroughly`: examine also what nothing depends on. The result is by arm; "" stands for our
        own model.
        """
        ...

    async def close(self) -> None: ...
