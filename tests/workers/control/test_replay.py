"""Asking again what a model was asked, with another model or prompt: nothing else happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import BaseModel

from ponderd.channels.errors import ModelError
from ponderd.workers.agents.actions import Rejected
from ponderd.workers.control.replay import Replayed, replay
from ponderd.workers.execution.model_call import Prices
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.state import Run, Status
from tests.services.fakes import FakeModel
from tests.workers.world import CALLBACK, LOOK, REPLY, RING, World


async def ran(world: World) -> Run:
    world.model.lines = [RING, "prose", REPLY]
    run = await world.advance(await world.write("ring", reply_to=CALLBACK))
    assert run.status is Status.COMPLETED
    return run


async def replayed(world: World, run: Run, model: FakeModel, **changed: object) -> list[Replayed]:
    events = await world.log.events(run.id)
    agent = replace(world.agent, **changed)
    return [found async for found in replay(events, agent, model)]


async def test_the_same_model_is_asked_the_same_and_says_the_same(world: World) -> None:
    run = await ran(world)
    model = FakeModel([RING, "prose", REPLY])
    found = await replayed(world, run, model)
    assert [(one.version, one.same) for one in found] == [(3, True), (6, True), (7, True)]
    assert model.prompts == world.model.prompts
    assert model.decisions == world.model.decisions
    assert isinstance(found[1].recorded, Rejected)


async def test_another_model_is_asked_what_really_happened_before(world: World) -> None:
    run = await ran(world)
    model = FakeModel([LOOK, REPLY, REPLY])
    found = await replayed(world, run, model)
    assert [one.same for one in found] == [False, False, True]
    assert found[0].recorded == ToolCall(tool="ring", arguments={"name": "bell"})
    assert found[0].now == ToolCall(tool="look", arguments={"name": "sky"})
    assert model.prompts == world.model.prompts  # not what it would have led to


async def test_another_prompt_is_what_the_model_sees(world: World) -> None:
    run = await ran(world)
    model = FakeModel([RING])
    await replayed(world, run, model, prompt="You are new.")
    assert [prompt[0]["content"][:12] for prompt in model.prompts] == ["You are new."] * 3
    assert [prompt[1:] for prompt in model.prompts] == [p[1:] for p in world.model.prompts]


async def test_no_tool_is_called_nothing_is_said_and_nothing_is_written(world: World) -> None:
    run = await ran(world)
    before = list(world.channel.texts), list(world.effects.counted)
    await replayed(world, run, FakeModel([RING]))
    assert (world.channel.texts, world.effects.counted) == before
    assert await world.run(run.id) == run


async def test_what_it_costs_is_told(world: World) -> None:
    run = await ran(world)
    events = await world.log.events(run.id)
    prices = Prices(prompt=1_000_000, completion=0)
    found = [one async for one in replay(events, world.agent, FakeModel([REPLY]), prices)]
    assert [(one.before.cost, one.call.cost) for one in found] == [(0, 10)] * 3
    assert found[0].call.completion_tokens == 5
    assert found[0].call.decision == found[0].before.decision


async def test_a_tool_that_is_gone_is_an_unusable_answer(world: World) -> None:
    run = await ran(world)
    found = await replayed(world, run, FakeModel([RING]), tools=world.agent.tools[:1])
    assert isinstance(found[0].now, Rejected)
    assert found[0].now.reason == "unknown_action"


async def test_a_typed_result_is_the_same_whatever_the_text_around_it(world: World) -> None:
    class Verdict(BaseModel):
        score: int

    world.become(output=Verdict, describe=lambda verdict: f"It is {verdict.score}.")
    world.model.lines = [{"action": "done", "score": 3}]
    run = await world.advance(await world.write())
    other = {"describe": lambda verdict: f"Score: {verdict.score}"}
    [same] = await replayed(world, run, FakeModel([{"action": "done", "score": 3}]), **other)
    [differs] = await replayed(world, run, FakeModel([{"action": "done", "score": 4}]), **other)
    assert (same.same, differs.same) == (True, False)


async def test_a_server_that_is_away_is_an_error(world: World) -> None:
    run = await ran(world)
    with pytest.raises(ModelError):
        await replayed(world, run, FakeModel([ModelError("away")]))


async def test_calls_of_a_run_that_was_cancelled_meanwhile_count(world: World) -> None:
    run_id = await world.write()
    world.model.before_answer = lambda call: world.runs.cancel(run_id, "ann")
    run = await world.advance(run_id)
    assert len(await replayed(world, run, FakeModel())) == 1
