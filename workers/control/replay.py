"""Ask a model again what it was asked in a run, with another model or another prompt. Writes
nothing, calls no tool, and tells nobody anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from ponderd.workers.agents.actions import Rejected, interpret
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.prompts import CONTEXT_CHARS
from ponderd.workers.execution.answers import read_answer
from ponderd.workers.execution.author_code import InThreads
from ponderd.workers.execution.model_call import Prices, complete, receipt
from ponderd.workers.llm.client import ModelClient
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer, Choice
from ponderd.workers.run.model_call import ModelCall
from ponderd.workers.run.reduce import fold, reduce


@dataclass(frozen=True, slots=True)
class Replayed:
    """One model call of a run, as it was and as it is now."""

    version: int
    """The number of the event that recorded the outcome."""
    recorded: Choice | Rejected
    """The outcome in the run."""
    before: ModelCall
    """What the call in the run took."""
    now: Choice | Rejected
    """The outcome of asking again."""
    call: ModelCall
    """What asking again took."""

    @property
    def same(self) -> bool:
        """Whether both outcomes are equal: a typed result by its fields, all else word for word."""
        match self.recorded, self.now:
            case Answer(output=dict() as recorded), Answer(output=dict() as now):
                return recorded == now
            case _:
                return self.recorded == self.now


async def replay(
    events: Sequence[e.Event], agent: Agent, model: ModelClient, prices: Prices | None = None
) -> AsyncIterator[Replayed]:
    """Repeat every model call of a log in order. Each sees what really happened before it, and may
    think as much as it could then.

    Raises `ModelError`, and ValueError if the log does not begin with `RunLaunched`.
    """
    run = fold(events[:1])
    for event in events[1:]:
        # Messages that arrive during a call wait in the inbox, so the model saw these turns.
        # An outcome without a model is a doubted draft that was used: nothing was asked.
        if (
            isinstance(event, e.ModelAnswered | e.ModelRejected | e.ModelDoubted)
            and event.call.model
        ):
            before = event.call
            limit = before.context_chars or CONTEXT_CHARS
            asked = await complete(model, run, agent, before.decision, limit)
            yield Replayed(
                version=run.version + 1,
                recorded=_recorded(event, agent),
                before=before,
                now=await read_answer(InThreads(), asked.completion.content, agent),
                call=receipt(asked, prices or Prices()),
            )
        run = reduce(run, event)


def _recorded(
    event: e.ModelAnswered | e.ModelRejected | e.ModelDoubted, agent: Agent
) -> Choice | Rejected:
    match event:
        case e.ModelAnswered():
            return event.choice
        case e.ModelRejected():
            return Rejected(event.reason, event.detail)
        case e.ModelDoubted():
            return interpret(event.content, agent)
