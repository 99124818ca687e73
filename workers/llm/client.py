"""The interface of the model client."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from ponderd.channels.errors import ModelError
from ponderd.workers.agents.arms import Arms
from ponderd.workers.context.render import Message
from ponderd.workers.run.model_call import CallUsage, ThinkingDecision


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a call asks for besides its answer.

    `priority`: lower is served earlier, where the server schedules so. `cache_salt` keeps tenants
    from seeing in the prefix cache what others asked. `margin`: tell how sure the model was.
    `draft`: above 0, one of several tries, each of which may turn out differently.
    """

    priority: int = 0
    cache_salt: str = ""
    margin: bool = False
    draft: int = 0


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
        """The same answer, which also pays for the other one."""
        return replace(self, usage=self.usage + other.usage)


class ProbeResult(NamedTuple):
    """`odds`: the log-odds with which the model's next token is yes. `cost`: what asking took; it
    says nothing."""

    odds: float
    cost: Completion


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server was seen to do (`llm.canary`); until then it is believed to do it.

    `switch_off`: without thinking there is no thought. `switch_on`: with it there is one. `budget`:
    a thought ends where its budget does. `json`: an answer after a thought is JSON. `usage`: tokens
    of thought are counted apart. `continues`: a prompt can be rendered and continued by us, which
    replaces all of these.
    """

    switch_off: bool = True
    switch_on: bool = True
    budget: bool = True
    json: bool = True
    usage: bool = True
    continues: bool = False


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
        """Ask for one JSON object that fits `schema`, thinking as `decision` allows.

        `max_tokens` bounds the answer, the thinking budget comes on top. Time-outs, 429, 5xx and
        disconnects are retried with backoff; then `ponderd.channels.errors.ModelError` is raised.
        Cancelling the call closes the connection, which frees the server's slot.
        """
        ...

    async def probe(
        self,
        messages: list[Message],
        question: str,
        options: CallOptions = CallOptions(),
    ) -> ProbeResult:
        """How much the model leans to yes, asked `question` after the real messages, about -10 to
        10. It is asked once, and not for long. `options` are
        those of the call that it is about. Raises `ModelError`."""
        ...

    async def model(self) -> str:
        """The name of the own model. Raises `ModelError`."""
        ...

    async def arms(self) -> Arms:
        """What a call can be given on this server. Raises `ModelError`."""
        ...

    async def examine(self, *, thoroughly: bool = False) -> dict[str, Capabilities | ModelError]:
        """See what each server does, by a few small calls; what it does not is worked around from
        then on. `thoroughly`: also where nothing depends on it. "" is the own model, the others
        are members of the family, by their arm. One that was seen is not examined again."""
        ...

    async def close(self) -> None: ...
