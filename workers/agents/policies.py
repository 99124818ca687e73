"""How people stay in charge of an agent: who approves, what happens while it is busy, what it may
spend. The agent's file says so, and `[agents.NAME]` in ponderd.toml overrides it. Pure data.
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
        raise ValueError(f"{value!r} is not a duration: write 90, 30s, 10m, 4h or 2d")
    return float(found[1]) * _UNITS[found[2]]


def _person(value: str) -> str:
    channel, _, person = value.partition(":")
    if not channel or not person:
        raise ValueError(f"{value!r} names nobody: write slack:U0123, email:ana@example.com, api:*")
    return value.lower() if channel != "slack" else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=1e10)]
"""A number, or a text such as "30s", "10m", "4h", "2d"."""

Person = Annotated[str, AfterValidator(_person)]
"""A person whose identity a channel proves, such as `slack:U0123`. Among approvers also a pattern
with `*`. Slack's ids keep their case, since its API wants it."""


_TEAM = re.compile(r"^slack:[^/]+/")


class Approvals(Frozen):
    """Who is asked, who may answer, and what happens if nobody does."""

    approvers: tuple[Person, ...] = ()
    """Who may answer. Empty: anybody who is in the conversation or holds the API token."""
    ask: tuple[Person, ...] = ()
    """Who is asked in addition to the conversation: people, or a Slack channel as `slack:C0123`."""
    remind_every: Seconds | None = 86400.0
    """Time between reminders. None: no reminders."""
    timeout: Seconds | None = None
    """Time until `on_timeout`. None: the run waits for ever."""
    on_timeout: Literal["deny", "halt", "escalate"] = "halt"
    """deny: the call is not made. halt: the run is paused. escalate: `escalate_to` is asked; if
    nobody answers within another `timeout`, the run is paused."""
    escalate_to: tuple[Person, ...] = ()
    """Who is asked then. They may answer, too."""

    def allow(self, person: str, *, escalated: bool) -> bool:
        """Whether `person` (as `ponderd.channels.message.principal` writes it) may answer. In Slack
        a pattern without a team stands for that person in any."""
        allowed = (*self.approvers, *(self.escalate_to if escalated and self.approvers else ()))
        person = person.lower()
        names = {person, _TEAM.sub("slack:", person)}
        return not allowed or any(
            fnmatch.fnmatchcase(name, pattern.lower()) for name in names for pattern in allowed
        )


BusyPolicy = Literal["queue", "collect", "interrupt", "reject"]


class Busy(Frozen):
    """What becomes of a message that comes while the agent works on another one."""

    policy: BusyPolicy = "queue"
    """queue: it is answered next. collect: messages are answered together, after `silence` or after
    ten times that long since the first one. interrupt: the model call in flight is dropped, and
    both messages are answered together; after three interruptions, further messages wait.
    reject: its sender is asked to try again later."""
    silence: Seconds = 5.0
    """For collect: how long nobody must have written."""
    waiting: Annotated[int, Field(ge=1)] = 200
    """Most messages of one conversation that wait for an answer. Those that come when so many wait
    are not taken, and each of their senders is told how many of theirs."""


class Budget(Frozen):
    """What may be spent. None: no limit."""

    steps: Annotated[float, Field(gt=0)] | None = None
    """Model calls and tool calls."""
    tokens: Annotated[float, Field(gt=0)] | None = None
    """Tokens that the model reads, writes and thinks."""
    seconds: Seconds | None = None
    """Time that the calls took."""
    money: Annotated[float, Field(gt=0)] | None = None
    """In the currency of PONDERD_PRICE_PROMPT and PONDERD_PRICE_COMPLETION."""


class ThoughtBudget(Frozen):
    """Tokens of thinking, not counting answers. None: no limit."""

    conversation: Annotated[int, Field(ge=0)] | None = None
    """For all agents together in one conversation."""
    sender: Annotated[int, Field(ge=0)] | None = None
    """For one person's messages to this agent, per day (UTC)."""
    day: Annotated[int, Field(ge=0)] | None = None
    """For the whole agent, per day (UTC). It becomes available evenly over the day."""


class Thinking(Frozen):
    """How hard an agent's model calls may think."""

    mode: Literal["never", "auto", "always"] = "auto"
    least: int = Field(0, ge=0)
    """Least tokens for a call that thinks."""
    greatest: Annotated[int, Field(ge=0)] | None = None
    """Most tokens for a call that thinks. None: as many as its arm has."""
    arms: tuple[str, ...] = ()
    """The arms it may use: none, short, long, or members of the model family. Empty: all."""
    kind: Literal["answer", "act", "extract", "format"] | None = None
    """What its calls are for. None: guess it from the tools and the output type."""
    deadline: Seconds | None = None
    """Time after a message within which it should be answered."""
    tokens: ThoughtBudget = ThoughtBudget()
    probe: bool = True
    """If the choice is close, ask the model itself, with one token."""
    drafts: bool = False
    """If answers can be compared, two cheap ones must agree."""
    frame: bool = False
    """A thought begins with a sentence about what makes the question hard (AdaCoT's
    meta-reasoning)."""

    @model_validator(mode="after")
    def _bounds_fit(self) -> Thinking:
        if self.greatest is not None and self.least > self.greatest:
            raise ValueError(f"least ({self.least}) is more than greatest ({self.greatest})")
        return self


class Budgets(Frozen):
    """What may be spent, and on what."""

    run: Budget = Budget()
    """On one run."""
    conversation: Budget = Budget()
    """On one conversation, by all agents together."""
    sender: Budget = Budget()
    """On one person's messages to this agent, per day (UTC)."""
    day: Budget = Budget()
    """On the whole agent, per day (UTC)."""


def places_to_ask(people: Iterable[Person], text: str) -> tuple[Address, ...]:
    """The addresses at which `people` are asked `text`, apart from the conversation."""
    places = []
    for person in people:
        channel, _, to = person.partition(":")
        headers = {"subject": f"Approval needed: {text}"} if channel == "email" else {}
        if channel == "slack" and "/" in to:  # in a workspace of its own
            team, _, to = to.partition("/")
            headers = {"team": team}
        places.append(Address(channel=channel, to=to, headers=headers))
    return tuple(places)
