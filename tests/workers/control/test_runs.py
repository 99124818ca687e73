"""Which run a trigger belongs to, and what feedback is about."""

import pytest

from ponderd.channels.errors import Conflict, NotFound
from ponderd.channels.message import Trigger
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.store.memory_store import MemoryStore
from tests.workers.world import World

AGENTS = {name: Agent(name=name, description="", prompt="", tools=()) for name in ("a", "b")}


def written(agent: str | None, run_id: str | None = None) -> Trigger:
    return Trigger(
        channel="email",
        conversation="<m1@team.test>",
        text="which one?",
        sender="ann@team.test",
        agent=agent,
        run_id=run_id,
        authentic=run_id is not None,
    )


async def test_what_names_no_agent_goes_to_the_run_it_answers_whichever_agent_has_it() -> None:
    log = RunLog(MemoryStore(), lambda run_id: None)
    runs = Runs(log, AGENTS)
    asked = await runs.accept("b", written("b"))
    answer = await runs.accept("a", written(None, asked.run_id))
    assert answer.run_id == asked.run_id
    assert (await log.events(asked.run_id))[-1].authentic is True


async def test_what_names_an_agent_goes_to_that_one_and_proves_nothing_there() -> None:
    log = RunLog(MemoryStore(), lambda run_id: None)
    runs = Runs(log, AGENTS)
    asked = await runs.accept("b", written("b"))
    other = await runs.accept("a", written("a", asked.run_id))
    assert other.run_id != asked.run_id
    assert (await log.events(other.run_id))[-1].authentic is False


class TestFeedback:
    async def test_reads_the_log_once(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        run = await world.advance(await world.write())
        load, loads = world.store.load, []

        async def counted(run_id: str) -> tuple[bytes, ...]:
            loads.append(run_id)
            return await load(run_id)

        monkeypatch.setattr(world.store, "load", counted)
        for answer in (None, run.outbox.answered_by):
            loads.clear()
            await world.runs.feedback(run.id, 1, by="ann", source="thumb", answer=answer)
            assert loads == [run.id]

    async def test_is_about_an_answer(self, world: World) -> None:
        run_id = await world.write()
        with pytest.raises(Conflict, match="given no answer yet"):
            await world.runs.feedback(run_id, 1, by="ann", source="thumb")
        run = await world.advance(run_id)
        for wrong in (0, 1, run.version, run.version + 1):
            with pytest.raises(NotFound, match=f"event {wrong} of run"):
                await world.runs.feedback(run_id, 1, by="ann", source="thumb", answer=wrong)
