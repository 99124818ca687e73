"""Ask again what a run's model was asked: another model, or another prompt. Nothing is written,
no tool is called and nobody is told anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from ponderd.workers.agents.actions import Rejected, interpret
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.prompts import CONTEXT_CHARS
from ponderd.workers.execution.model_call import Prices, complete, receipt
from ponderd.workers.llm.client import ModelClient
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold, reduce


@dataclass(frozen=True, slots=True)
class Replayed:
    """One model call of a run, the outcome of which is its event number `version`: what came of
    it (`recorded`, `before`) and what comes of it now (`now`, `call`)."""

    version: int
    recorded: e.Choice | Rejected
    before: e.ModelCall
    now: e.Choice | Rejected
    call: e.ModelCall

    @property
    def same(self) -> bool:
        """Word for word; of a typed result its fields count."""
        match self.recorded, self.now:
            case e.Answer(output=dict() as recorded), e.Answer(output=dict() as now):
                return recorded == now
            case _:
                return self.recorded == self.now


async def replay(
    events: Sequence[e.Event], agent: Agent, model: ModelClient, prices: Prices | None = None
) -> AsyncIterator[Replayed]:
    """Every model call of a log, in turn: each sees what really happened before it, and may think
    as much as it could then. Raises `ModelError`, ValueError for a log that is none."""
    run = fold(events[:1])
    for event in events[1:]:
        # What arrives while a model is asked waits in the inbox: it saw the same turns.
        # Without a model a doubted draft stood: nothing was asked.
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
                now=interpret(asked.completion.content, agent),
                call=receipt(asked, prices or Prices()),
            )
        run = reduce(run, event)


def _recorded(
    event: e.ModelAnswered | e.ModelRejected | e.ModelDoubted, agent: Agent
) -> e.Choice | Rejected:
    match event:
        case e.ModelAnswered():
            return event.choice
        case e.ModelRejected():
            return Rejected(event.reason, event.detail)
        case e.ModelDoubted():
            return interpret(event.content, agent)
