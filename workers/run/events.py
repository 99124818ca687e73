"""What can happen to a run. A run is the list of these events; its state is a fold of them. Pure.

Every event carries `at`, Unix seconds. An event never changes once it is written, so a new field
needs a default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, field_serializer, model_validator

from ponderd.channels.message import Address
from ponderd.workers.run.attempt_events import RunSetAside as RunSetAside
from ponderd.workers.run.attempt_events import StepFailed as StepFailed
from ponderd.workers.run.attempt_events import ToolRepeated as ToolRepeated
from ponderd.workers.run.choices import Choice, chosen_in
from ponderd.workers.run.inbound_events import EventBase as _Event
from ponderd.workers.run.inbound_events import EventReceived as EventReceived
from ponderd.workers.run.inbound_events import MessageReceived as MessageReceived
from ponderd.workers.run.inbound_events import MessageRefused as MessageRefused
from ponderd.workers.run.inbound_events import MessagesJoined as MessagesJoined
from ponderd.workers.run.inbound_events import MessagesTurnedAway as MessagesTurnedAway
from ponderd.workers.run.inbound_events import SendersTurnedAway as SendersTurnedAway
from ponderd.workers.run.model_call import (
    DoubtReason,
    ModelCall,
    RejectionReason,
)
from ponderd.workers.run.reply_events import DeliveriesRetried as DeliveriesRetried
from ponderd.workers.run.reply_events import Notice as Notice
from ponderd.workers.run.reply_events import ReplyBounced as ReplyBounced
from ponderd.workers.run.reply_events import ReplyFailed as ReplyFailed
from ponderd.workers.run.reply_events import ReplyPutAside as ReplyPutAside
from ponderd.workers.run.reply_events import ReplySent as ReplySent
from ponderd.workers.run.reply_events import ReplyStarted as ReplyStarted
from ponderd.workers.run.tool_events import LateResultReceived as LateResultReceived
from ponderd.workers.run.tool_events import ToolFailed as ToolFailed
from ponderd.workers.run.tool_events import ToolFinished as ToolFinished
from ponderd.workers.run.tool_events import ToolInterrupted as ToolInterrupted
from ponderd.workers.run.tool_events import ToolOutcomeUnknown as ToolOutcomeUnknown
from ponderd.workers.run.tool_events import ToolStarted as ToolStarted
from ponderd.workers.run.tool_events import Waiting as Waiting

Scope = Literal["run", "conversation", "sender", "day"]
Measure = Literal["steps", "tokens", "seconds", "money"]

FeedbackSource = Literal["thumb", "judge"]
"""Who rates an answer: a person with a reaction, or a program that judges answers."""


class RunLaunched(_Event):
    type: Literal["run_launched"] = "run_launched"
    run_id: str
    agent: str
    agent_version: str
    channel: str
    conversation: str
    source: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_traceparent(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Drop a field of the first version, which nobody ever set or read."""
        return {name: value for name, value in data.items() if name != "traceparent"}


class RunForked(_Event):
    """The run is a copy: the events before this one are those of `source` up to `at_version`."""

    type: Literal["run_forked"] = "run_forked"
    source: str
    at_version: int
    by: str


class VersionAdopted(_Event):
    """From here on the run uses this version of its agent's prompt and tools. `by` is the person
    who chose it, or "ponderd" if nothing of an older version was under way."""

    type: Literal["version_adopted"] = "version_adopted"
    agent_version: str
    by: str


class WaitEnded(_Event):
    """The time that a tool asked to wait has passed."""

    type: Literal["wait_ended"] = "wait_ended"


class ModelAnswered(_Event):
    """The model chose what to do next. `content` is what it wrote, word for word; `thought` is
    what it thought before, if thoughts are kept."""

    type: Literal["model_answered"] = "model_answered"
    choice: Choice
    content: str
    call: ModelCall
    thought: str = ""

    @field_serializer("choice")
    def _whole(self, choice: Choice) -> dict[str, Any]:
        return choice.model_dump()

    @model_validator(mode="before")
    @classmethod
    def _as_it_says(cls, data: dict[str, Any]) -> dict[str, Any]:
        """A log has no choice where the content alone says it."""
        return data if "choice" in data else {"choice": chosen_in(data.get("content", "")), **data}


class ModelRejected(_Event):
    """The model wrote something that is not one of the agent's actions, or failed its check."""

    type: Literal["model_rejected"] = "model_rejected"
    reason: RejectionReason
    detail: str
    content: str
    call: ModelCall
    thought: str = ""


class ModelDoubted(_Event):
    """The model wrote something usable, but it is asked again to think harder. Nothing was done
    with its answer, and the model does not see it again."""

    type: Literal["model_doubted"] = "model_doubted"
    reason: DoubtReason
    content: str
    call: ModelCall


class ModelFailed(_Event):
    """The model server gave no answer. The run asks again at `retry_at`; None: it gives up, because
    it is `refused`, or has `waited` too long. Whoever waits is sent `notice`, if there is one."""

    type: Literal["model_failed"] = "model_failed"
    error: str
    retry_at: float | None
    waited: float = 0
    """Seconds since the first call in a row without an answer began."""
    refused: bool = False
    """The server is there: it answers others, or says no to this request."""
    notice: str = ""


class ModelInterrupted(_Event):
    """The model call in flight was dropped, because its answer is no longer wanted."""

    type: Literal["model_interrupted"] = "model_interrupted"
    reason: str
    seconds: float = Field(0, ge=0)


class ApprovalRequested(_Event):
    """The chosen tool call waits for a person's yes. `digest` (see `approved_call`) binds the yes
    to exactly this call. `ask` names who else is asked, outside the conversation."""

    type: Literal["approval_requested"] = "approval_requested"
    text: str
    digest: str = ""
    ask: tuple[Address, ...] = ()


class LimitReached(_Event):
    """The limit of `account` is reached. The run waits for a yes to use up to `allows`."""

    type: Literal["limit_reached"] = "limit_reached"
    scope: Scope
    account: str = ""
    measure: Measure
    limit: float
    used: float
    allows: float = 0
    text: str
    ask: tuple[Address, ...] = ()


class VersionChanged(_Event):
    """No worker has the version of the agent that the run began with. It waits for a person's yes
    to go on with `agent_version`."""

    type: Literal["version_changed"] = "version_changed"
    agent_version: str
    text: str
    ask: tuple[Address, ...] = ()


class ApprovalAnswered(_Event):
    """Somebody decided.

    `by` is their name in the channel `via`, `remark` what else they wrote. `approval` is the id of
    what they decided; "" means the open one. `arguments` replace those of the call. If `withdrawn`,
    they wrote neither yes nor no, so the call is not made.
    """

    type: Literal["approval_answered"] = "approval_answered"
    approved: bool
    by: str
    via: str = ""
    remark: str = ""
    approval: str = ""
    withdrawn: bool = False
    arguments: dict[str, Any] | None = None
    digest: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_withdrawn(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Older logs lack the field. There, only a withdrawal has a remark."""
        withdrawn = "approval" not in data and bool(data.get("remark"))
        return {"withdrawn": withdrawn, **data}


class ApprovalReminded(_Event):
    """Nobody has answered yet, so everybody who was asked is asked again."""

    type: Literal["approval_reminded"] = "approval_reminded"


class ApprovalEscalated(_Event):
    """Nobody answered in time, so others are asked, too."""

    type: Literal["approval_escalated"] = "approval_escalated"
    to: tuple[Address, ...]


class ApprovalExpired(_Event):
    """Nobody answered for `waited` seconds. No person denied anything: `policy` decides."""

    type: Literal["approval_expired"] = "approval_expired"
    policy: Literal["deny", "halt"]
    waited: float


class QuestionAsked(_Event):
    """ponderd itself asks something. A question of the model is a `ModelAnswered`."""

    type: Literal["question_asked"] = "question_asked"
    text: str


class FeedbackReceived(_Event):
    """Somebody rates an answer, from 0 (useless) to 1 (just right). `answer` is the number of the
    event with the rated model call; None is the newest answer. The run does not change."""

    type: Literal["feedback_received"] = "feedback_received"
    value: float = Field(ge=0, le=1)
    by: str
    source: FeedbackSource
    answer: int | None = None


class RunFailed(_Event):
    """The agent cannot go on. The sender is told `error`."""

    type: Literal["run_failed"] = "run_failed"
    error: str


class RunRetried(_Event):
    """Somebody wants a run that failed, or was set aside, to go on from that step. Nothing happens
    to any other."""

    type: Literal["run_retried"] = "run_retried"
    by: str


class AgentMissed(_Event):
    """No worker has the run's agent. Whoever waits is told `text`; the run waits for the agent."""

    type: Literal["agent_missed"] = "agent_missed"
    text: str


class AgentFound(_Event):
    """A worker has the run's agent again, so it goes on."""

    type: Literal["agent_found"] = "agent_found"


class RunPaused(_Event):
    """Somebody paused the run. If `command`, a message asked for it and its sender is told."""

    type: Literal["run_paused"] = "run_paused"
    by: str
    command: bool = False


class RunResumed(_Event):
    """Somebody resumed the run. If `command`, a message asked for it and its sender is told."""

    type: Literal["run_resumed"] = "run_resumed"
    by: str
    command: bool = False


class RunCancelled(_Event):
    """Somebody cancelled the run. If `command`, a message asked for it and its sender is told."""

    type: Literal["run_cancelled"] = "run_cancelled"
    by: str
    reason: str = ""
    command: bool = False


Event = Annotated[
    RunLaunched
    | RunForked
    | VersionAdopted
    | MessageReceived
    | MessagesJoined
    | MessageRefused
    | MessagesTurnedAway
    | SendersTurnedAway
    | EventReceived
    | WaitEnded
    | ModelAnswered
    | ModelRejected
    | ModelDoubted
    | ModelFailed
    | ModelInterrupted
    | ApprovalRequested
    | LimitReached
    | VersionChanged
    | ApprovalAnswered
    | ApprovalReminded
    | ApprovalEscalated
    | ApprovalExpired
    | QuestionAsked
    | ToolStarted
    | ToolRepeated
    | StepFailed
    | RunSetAside
    | ToolFinished
    | ToolFailed
    | ToolInterrupted
    | ToolOutcomeUnknown
    | LateResultReceived
    | ReplyStarted
    | ReplySent
    | ReplyFailed
    | ReplyPutAside
    | DeliveriesRetried
    | ReplyBounced
    | FeedbackReceived
    | RunFailed
    | RunRetried
    | AgentMissed
    | AgentFound
    | RunPaused
    | RunResumed
    | RunCancelled,
    Field(discriminator="type"),
]

_codec: TypeAdapter[Event] = TypeAdapter(Event)


_TYPE, _TYPE_AND_CHOICE = {"type"}, {"type", "choice"}


def encode(event: Event) -> bytes:
    """Without what `decode` adds: fields that are as by default, and a choice that the content of
    its answer says by itself."""
    left_out = _TYPE
    if isinstance(event, ModelAnswered):
        plain, choice = chosen_in(event.content), event.choice
        if plain is not None and plain.model_dump_json() == choice.model_dump_json():
            left_out = _TYPE_AND_CHOICE
    # Where the field is missing, an older answer may have been withdrawn.
    short = not isinstance(event, ApprovalAnswered)
    fields = event.model_dump_json(exclude=left_out, exclude_defaults=short)
    return f'{{"type":"{event.type}",{fields[1:]}'.encode()


def decode(data: bytes | str) -> Event:
    """Raises `pydantic.ValidationError` for an entry that is not a known event."""
    return _codec.validate_json(data)


def decode_all(log: Sequence[bytes | str]) -> tuple[Event, ...]:
    return tuple(decode(entry) for entry in log)
