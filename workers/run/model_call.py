"""One model call: how much it might think, what it cost, what its answer lacked. Pure data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ponderd.channels.message import Frozen

ThinkingMode = Literal["none", "short", "long"]


RejectionReason = Literal[
    "prose", "invalid_json", "empty", "unknown_action", "invalid_arguments", "failed_check"
]


DoubtReason = Literal["margin", "drafts", "cut off"]
"""Why a usable answer is not used: the model was unsure of it, two drafts of it disagree, or it
ran out of tokens."""


class ThinkingDecision(Frozen):
    """How much one model call may think, and why."""

    mode: ThinkingMode = "none"
    """How the model is asked."""

    arm: str = ""
    """What was chosen: one of the modes, or a member of the model family by its name. Not given: as
    the mode."""

    reason: str = "default"
    budget: int = Field(0, ge=0)
    """Most tokens of thought."""

    probability: float = Field(1, gt=0, le=1)
    """The chance that this arm had to be chosen."""

    features: dict[str, float] = Field(default_factory=dict)
    """What was known of the call."""

    policy: str = ""
    """The version of the policy that decided."""

    allowed: tuple[str, ...] = ()
    """The arms to choose from; empty: all there are."""

    frame: str = ""
    """The sentence that the thought begins with."""

    @model_validator(mode="before")
    @classmethod
    def _named_by_mode(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Old decisions have no arm: before there were families, the arms were the modes."""
        return data if data.get("arm") else {**data, "arm": data.get("mode", "none")}


class CallUsage(Frozen):
    """What one answer of a model took. Token counts are the server's own where it reports them."""

    seconds: float = Field(0, ge=0)
    """Wall time of all attempts."""

    attempts: int = Field(1, ge=1)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: CallUsage) -> CallUsage:
        return CallUsage(
            **{name: getattr(self, name) + getattr(other, name) for name in CallUsage.model_fields}
        )


class ModelCall(CallUsage):
    """The receipt of one model call: what was asked, what it took, what it cost."""

    model: str
    decision: ThinkingDecision
    prompt_hash: str
    """SHA-256 of the exact request body."""

    context_chars: int = 0
    """Most characters of conversation that the request could hold; it is rendered again with it."""

    window: int = 0
    """Most characters of conversation that any call of this worker can hold. After it the run
    keeps a few times as many. 0, in old logs: it keeps all."""

    cost: float = 0
    """In the operator's currency."""

    margin: float | None = None
    """Least log-probability among the tokens that the answer depends on; None: not known."""

    cache_salt: str = ""
    priority: int = 0
