"""What is written of steps that were begun and came to nothing: a part of `events`. Pure."""

from __future__ import annotations

from typing import Literal

from ponderd.channels.message import Address
from ponderd.workers.run.inbound_events import EventBase


class ToolRepeated(EventBase):
    """The intent to run a tool again, under the same key: whoever ran it before left no outcome."""

    type: Literal["tool_repeated"] = "tool_repeated"
    key: str


class StepFailed(EventBase):
    """Something that nobody expects went wrong in a step, and left no outcome. The step is tried
    again at `retry_at`."""

    type: Literal["step_failed"] = "step_failed"
    error: str
    retry_at: float


class RunSetAside(EventBase):
    """A step was begun too often without an outcome. Nobody begins it again before a person says
    yes. `digest` binds the yes to the call, if it is one."""

    type: Literal["run_set_aside"] = "run_set_aside"
    text: str
    digest: str = ""
    ask: tuple[Address, ...] = ()
