"""All that is known of one model call before it is made, and that a decision is made from. Pure
data."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Literal

from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.arms import Arms
from ponderd.workers.agents.policies import Thinking
from ponderd.workers.context.render import readable
from ponderd.workers.run.chat_commands import Switch, switch_of, without_switch
from ponderd.workers.run.effort import Effort, Trouble
from ponderd.workers.run.model_call import RejectionReason
from ponderd.workers.run.state import Run
from ponderd.workers.thinking.criteria import Criteria, read

Kind = Literal["answer", "act", "extract", "format"]
"""The purpose of a call. "answer": answer from what is known. "act": choose what to do, with
tools. "extract": take a typed result out of a text. "format": put something into another form."""

SIMPLE: frozenset[Kind] = frozenset({"extract", "format"})

CHANNELS = ("slack", "email", "webhook")
"""Channels with a feature of their own. The API and the terminal have none."""

FEATURES = (
    "bias",
    "length",
    "numbers",
    "steps",
    "question",
    "code",
    "reasoning",
    "knowledge",
    "solution",
    "intent",
    "steps_before",
    "setbacks_before",
    "tool_error_before",
    "again",
    "tools",
    "prompt",
    *CHANNELS,
    "probed",
    "probe",
)
"""The features, in the order of the learner's vectors. Those named `…_before` describe the
message before, which tells what a follow-up is about. There are none for steps within a message:
nothing is scored there, see `hold`."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What budgets and clocks leave for this call."""

    tokens: int | None = None
    """Tokens of thought that are left; None: no limit."""

    pressure: float = 0
    """The share of the released budget that is used, from 0 to 1."""

    seconds: float | None = None
    """Time until the agent's deadline; None: it has none."""

    rate: float = 0.03
    """Seconds that one token takes."""


@dataclass(frozen=True)
class Case:
    """One model call, before it is made."""

    agent: str
    kind: Kind
    thinking: Thinking
    arms: Arms
    criteria: Criteria
    channel: str = "api"
    switch: Switch | None = None
    arm: str | None = None
    """The arm of the call before this one; None for the first call for a message."""

    first_arm: str | None = None
    """The arm of the first call for this message."""

    before: Effort = field(default_factory=Effort)
    """What the message before this one took."""

    asked_again: bool = False
    trouble: Trouble | None = None
    last_rejection: RejectionReason | None = None
    untroubled: int = 0
    """Calls in a row without trouble."""

    retries: int = 0
    """Answers for this step that were rejected or doubted."""

    may_repeat: bool = True
    """The run may spend one more call to ask for the same again."""

    destructive: bool = False
    tools: int = 0
    prompt_chars: int = 0
    cap: int | None = None
    """Most tokens of thought that the operator allows any call."""

    allowance: Allowance = field(default_factory=Allowance)
    probe: float | None = None
    """Log-odds of yes when the model was asked whether it has to think; None: it was not asked."""

    may_probe: bool = True
    """The model can still be asked."""

    @functools.cached_property
    def features(self) -> dict[str, float]:
        """The features that are not 0, rounded. They are recorded with the call."""
        criteria = self.criteria
        values: dict[str, float] = {
            "bias": 1.0,
            "length": math.log1p(criteria.chars) / 10,
            "numbers": min(criteria.numbers, 6) / 6,
            "steps": float(criteria.several_steps),
            "question": float(criteria.questions > 0),
            "code": float(criteria.code),
            "reasoning": criteria.reasoning,
            "knowledge": criteria.knowledge,
            "solution": criteria.solution,
            "intent": criteria.intent,
            "steps_before": min(self.before.steps, 5) / 5,
            "setbacks_before": min(self.before.setbacks, 3) / 3,
            "tool_error_before": float(self.before.tool_errors > 0),
            "again": float(self.asked_again),
            "tools": min(self.tools, 10) / 10,
            "prompt": math.log1p(self.prompt_chars) / 12,
        }
        if self.channel in CHANNELS:
            values[self.channel] = 1.0
        if self.probe is not None:
            values |= {"probed": 1.0, "probe": max(-1.0, min(1.0, self.probe / 5))}
        return {name: round(value, 3) for name, value in values.items() if value}


def case_of(
    run: Run,
    agent: Agent,
    arms: Arms,
    *,
    prompt_chars: int = 0,
    cap: int | None = None,
    allowance: Allowance | None = None,
    probe: float | None = None,
) -> Case:
    """What is known of the next model call of `run`."""
    effort = run.effort
    switch, criteria = _said(run.message.text)
    return Case(
        agent=agent.name,
        kind=kind_of(agent),
        thinking=agent.thinks,
        arms=arms,
        criteria=criteria,
        channel=run.channel,
        switch=switch,
        arm=effort.arm,
        first_arm=effort.first_arm,
        before=run.effort_before,
        asked_again=run.message.asked_again,
        trouble=effort.trouble,
        last_rejection=effort.last_rejection,
        untroubled=effort.untroubled,
        retries=effort.rejections + effort.doubts,
        destructive=any(tool.destructive for tool in agent.tools),
        tools=len(agent.tools),
        prompt_chars=prompt_chars,
        cap=cap,
        allowance=allowance or Allowance(),
        probe=probe,
    )


@functools.lru_cache(maxsize=256)  # every call for a message reads the same, perhaps long text
def _said(text: str) -> tuple[Switch | None, Criteria]:
    seen = readable(text)
    return switch_of(seen), read(without_switch(seen))


def kind_of(agent: Agent) -> Kind:
    if agent.thinks.kind is not None:
        return agent.thinks.kind
    if agent.tools:
        return "act"
    return "extract" if agent.output is not None else "answer"
