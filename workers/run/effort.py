"""What a run has spent, and what its current message took so far. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ponderd.workers.run.copies import replace
from ponderd.workers.run.model_call import ModelCall, RejectionReason

Trouble = Literal["schema", "doubt", "tool error"]
"""What makes the next model call think harder: an unusable answer, a doubted answer, a failed
tool."""


@dataclass(frozen=True)
class Usage:
    """What the whole run has spent."""

    model_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    tool_calls: int = 0
    seconds: float = 0
    """Time of model calls and tools."""
    cost: float = 0
    """Money, in the operator's currency."""

    def plus(self, call: ModelCall) -> Usage:
        return Usage(
            self.model_calls + 1,
            self.prompt_tokens + call.prompt_tokens,
            self.completion_tokens + call.completion_tokens,
            self.reasoning_tokens + call.reasoning_tokens,
            self.tool_calls,
            self.seconds + call.seconds,
            self.cost + call.cost,
        )

    def since(self, before: Usage) -> dict[str, float]:
        """What was spent after `before`, by name; nothing stands there that is 0."""
        pairs = ((name, value - getattr(before, name)) for name, value in vars(self).items())
        return {name: round(spent, 6) for name, spent in pairs if spent}

    def plus_dropped(self, seconds: float) -> Usage:
        """Add a dropped model call. The server did not say how many tokens it took."""
        return replace(self, model_calls=self.model_calls + 1, seconds=self.seconds + seconds)

    def plus_tool(self, seconds: float) -> Usage:
        return replace(self, tool_calls=self.tool_calls + 1, seconds=self.seconds + seconds)


@dataclass(frozen=True)
class Effort:
    """What the current message took so far. Every message starts with a new one."""

    model_calls: int = 0
    """Model calls since a person last stepped in; `Limits.model_calls` bounds them."""
    rejections: int = 0
    """Unusable answers in a row."""
    last_rejection: RejectionReason | None = None
    model_failures: int = 0
    """Failures of the model server in a row."""
    model_gone: bool = False
    """The model server failed too often; the sender is told so."""
    model_refused: bool = False
    """It is there, but does not take this request; the sender is told so."""
    failing_since: float | None = None
    """Since when the model server has given no answer, Unix seconds."""
    retry_at: float | None = None
    """When the model server is asked again, Unix seconds."""
    arm: str | None = None
    """The arm of the last model call (see `workers.agents.arms`); None before the first."""
    first_arm: str | None = None
    """The arm of the first model call, before anything went wrong."""
    doubts: int = 0
    """Doubted answers in a row."""
    draft: str = ""
    """The newest doubted answer, word for word; "" if there is none."""
    drafted_by: int = 0
    """The event in which `draft` was doubted."""
    episode: int = 0
    """The event of the first model call for this message; 0 before it."""
    trouble: Trouble | None = None
    """What went wrong since the last model call was decided."""
    untroubled: int = 0
    """Model calls since something last went wrong."""
    steps: int = 0
    """All model calls for this message. A person who steps in does not reset them."""
    setbacks: int = 0
    """How often something went wrong. A person who steps in does not reset it."""
    tool_errors: int = 0
    """How often a tool failed. A person who steps in does not reset it."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """How often which call failed, by its digest. A yes to a call does not reset it."""
    failing: str = ""
    """What a person is asked about the call that failed last, in words."""

    @property
    def most_failures(self) -> int:
        """How often the same call failed."""
        return max(self.failures.values(), default=0)

    def asked(self, version: int, arm: str, trouble: Trouble | None = None) -> Effort:
        """Add a model call, the outcome of which is the event `version`."""
        return replace(
            self,
            episode=self.episode or version,
            model_calls=self.model_calls + 1,
            steps=self.steps + 1,
            arm=arm,
            first_arm=self.first_arm or arm,
            trouble=None,
            untroubled=self.untroubled + 1,
        ).troubled(trouble)

    def troubled(self, trouble: Trouble | None) -> Effort:
        if trouble is None:
            return self
        return replace(
            self,
            trouble=trouble,
            untroubled=0,
            setbacks=self.setbacks + 1,
            tool_errors=self.tool_errors + (trouble == "tool error"),
        )

    def failed(self, call: str, text: str) -> Effort:
        """Count a failure of the call with this digest; `text` asks a person about it."""
        times = self.failures.get(call, 0) + 1
        return replace(self, failures={**self.failures, call: times}, failing=text)

    def succeeded(self, call: str) -> Effort:
        kept = {digest: times for digest, times in self.failures.items() if digest != call}
        return replace(self, failures=kept)

    def afresh(self) -> Effort:
        """Count anew after a person stepped in without a new message; the arm and the sums stay."""
        return Effort(
            arm=self.arm,
            first_arm=self.first_arm,
            episode=self.episode,
            steps=self.steps,
            setbacks=self.setbacks,
            tool_errors=self.tool_errors,
            failures=self.failures,
            failing=self.failing,
        )
