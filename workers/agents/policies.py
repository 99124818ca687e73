"""How people stay in charge of an agent: who approves, what happens while it is busy, what it may
spend. An agent's file says so; `[agents.NAME]` in ponderd.toml goes before it. Pure data.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ponderd.channels.message import Address, Frozen

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", value)
    if found is None:
        raise ValueError(f"{value!r} is no duration: write 90, 30s, 10m, 4h or 2d")
    return float(found[1]) * _UNITS[found[2]]


def _person(value: str) -> str:
    channel, _, person = value.partition(":")
    if not channel or not person:
        raise ValueError(f"{value!r} names nobody: write slack:U0123, email:ana@example.com, api:*")
    return value.lower() if channel != "slack" else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=1e10)]
Person = Annotated[str, AfterValidator(_person)]
"""A person as a channel proves them, `slack:U0123`; where approvers are listed also with `*`."""


class Approvals(Frozen):
    """Who is asked, who may answer, and what happens when nobody does. Times in seconds."""

    approvers: tuple[Person, ...] = ()
    """Empty: anybody who is in the conversation or holds the API token."""
    ask: tuple[Person, ...] = ()
    """Asked besides the conversation: a person or, as `slack:C0123`, a Slack channel."""
    remind_every: Seconds | None = 86400.0
    timeout: Seconds | None = None
    on_timeout: Literal["deny", "halt", "escalate"] = "halt"
    """deny: the call is not made. halt: the run is paused. escalate: `escalate_to` is asked, and
    after another `timeout` the run is paused."""
    escalate_to: tuple[Person, ...] = ()

    def allow(self, person: str, *, escalated: bool) -> bool:
        """Whether `person` (see `ponderd.channels.message.principal`) may answer."""
        allowed = (*self.approvers, *(self.escalate_to if escalated and self.approvers else ()))
        return not allowed or any(
            fnmatch.fnmatchcase(person.lower(), pattern.lower()) for pattern in allowed
        )


BusyPolicy = Literal["queue", "collect", "interrupt", "reject"]


class Busy(Frozen):
    """What becomes of a message that comes while the agent works on another one.

    queue: it is next. collect: messages are answered together, once there was `silence` (seconds),
    or ten times as long after the first. interrupt: the model call in flight is dropped and both
    are answered together; after three times the others wait. reject: its sender is told to come
    back later.
    """

    policy: BusyPolicy = "queue"
    silence: Seconds = 5.0


class Budget(Frozen):
    """What may be spent: steps are model and tool calls, seconds the time they took, money as
    PONDERD_PRICE_PROMPT and PONDERD_PRICE_COMPLETION say. None: no limit."""

    steps: Annotated[float, Field(gt=0)] | None = None
    tokens: Annotated[float, Field(gt=0)] | None = None
    seconds: Seconds | None = None
    money: Annotated[float, Field(gt=0)] | None = None


class ThoughtBudget(Frozen):
    """Tokens of thinking, without answers. `conversation`: all agents together in one
    conversation. `sender`: one person's messages to this agent, per day (UTC). `day`: the whole
    agent, released evenly over the day. None: no limit."""

    conversation: Annotated[int, Field(ge=0)] | None = None
    sender: Annotated[int, Field(ge=0)] | None = None
    day: Annotated[int, Field(ge=0)] | None = None


class Thinking(Frozen):
    """How hard an agent's model calls may think.

    `least` and `greatest` bound the budget of one call that thinks, in tokens. `arms` are those it
    may use (none, short, long, or members of the model family); empty: all. `kind` says what its
    calls are for, where that cannot be seen from its tools and output. `deadline`: seconds after
    a message within which it should be answered. `probe`: where the choice is close, ask the model
    itself with one token. `drafts`: where answers can be compared, two cheap ones must agree.
    `frame`: a thought begins with a sentence on what makes the question hard (AdaCoT's
    meta-reasoning).
    """

    mode: Literal["never", "auto", "always"] = "auto"
    least: int = Field(0, ge=0)
    greatest: Annotated[int, Field(ge=0)] | None = None
    arms: tuple[str, ...] = ()
    kind: Literal["answer", "act", "extract", "format"] | None = None
    deadline: Seconds | None = None
    tokens: ThoughtBudget = ThoughtBudget()
    probe: bool = True
    drafts: bool = False
    frame: bool = False

    @model_validator(mode="after")
    def _bounds_fit(self) -> Thinking:
        if self.greatest is not None and self.least > self.greatest:
            raise ValueError(f"least ({self.least}) is more than greatest ({self.greatest})")
        return self


class Budgets(Frozen):
    """`run`: this run of the agent. `conversation`: all agents together in one conversation.
    `sender`: one person's messages to this agent, per day (UTC). `day`: the whole agent, per day.
    """

    run: Budget = Budget()
    conversation: Budget = Budget()
    sender: Budget = Budget()
    day: Budget = Budget()


def places_to_ask(people: Iterable[Person], text: str) -> tuple[Address, ...]:
    """Where people are asked `text` who are not in the conversation."""
    places = []
    for person in people:
        channel, _, to = person.partition(":")
        headers = {"subject": f"Approval needed: {text}"} if channel == "email" else {}
        places.append(Address(channel=channel, to=to, headers=headers))
    return tuple(places)
