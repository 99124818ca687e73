"""A run keeps the version of its agent that it began with; another one is somebody's choice."""

from __future__ import annotations

import contextlib

import pytest

from ponderd.channels.errors import ModelError
from ponderd.workers.agents.agent import Tool, tool
from ponderd.workers.agents.versions import describe, pinned, recorded_version, register
from ponderd.workers.execution.fleet import GRACE, Fleet
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Run, Status
from tests.workers.world import LAUNCH, LOOK, REPLY, THREAD, Crash, World

ANN = "slack:u1"


@pytest.fixture
async def world(world: World) -> World:
    await register(world.store, [world.agent])
    world.model.lines = [LAUNCH, REPLY]
    return world


async def waiting(world: World) -> Run:
    run = await world.advance(await world.write("launch", reply_to=THREAD))
    assert run.waits_for == "approval"
    return run


def system(world: World) -> str:
    """The system prompt of the latest call."""
    return world.model.prompts[-1][0]["content"]


async def deploy(world: World, **changed: object) -> None:
    world.become(**changed)
    await register(world.store, [world.agent])


def new_launch(world: World) -> Tool:
    """Another schema."""

    @tool(approval="always")
    async def launch(name: str, pad: int = 1) -> str:
        """launch a rocket from a pad"""
        world.effects.counted.append(f"{name} from {pad}")
        return "launched"

    return launch


class TestANewPrompt:
    async def test_is_not_for_a_run_that_waits_for_an_approval(self, world: World) -> None:
        run = await waiting(world)
        await deploy(world, prompt="You are new.")
        run = await world.say(run.id, "yes", reply_to=THREAD)
        assert (run.status, world.effects.counted) == (Status.COMPLETED, ["rocket"])
        assert system(world).startswith("You are a test.")

    async def test_is_not_for_a_run_that_waits_for_an_answer(self, world: World) -> None:
        """In the middle of its work, it asked back."""
        world.model.lines = [LOOK, {"action": "ask_human", "text": "Which one?"}, REPLY]
        run = await world.advance(await world.write("do it", reply_to=THREAD))
        await deploy(world, prompt="You are new.")
        run = await world.say(run.id, "the blue one", reply_to=THREAD)
        assert run.status is Status.COMPLETED
        assert system(world).startswith("You are a test.")

    async def test_is_not_for_a_run_that_waits_for_the_model_server(self, world: World) -> None:
        world.model.lines = [LOOK, ModelError("away"), REPLY]
        run = await world.advance(await world.write("do it"))
        await deploy(world, prompt="You are new.")
        await world.later(3)
        assert (await world.run(run.id)).status is Status.COMPLETED
        assert system(world).startswith("You are a test.")

    async def test_is_for_the_next_message_of_a_run_that_is_over(self, world: World) -> None:
        world.model.lines = [REPLY]
        run = await world.advance(await world.write("one"))
        before = run.agent_version
        await deploy(world, prompt="You are new.")
        run = await world.say(run.id, "two")
        assert system(world).startswith("You are new.")
        [adopted] = await world.of_type(run.id, e.VersionAdopted)
        assert (adopted.by, adopted.agent_version) == ("ponderd", world.agent.version)
        assert run.agent_version == world.agent.version != before

    async def test_is_for_a_run_that_has_not_begun(self, world: World) -> None:
        world.model.lines = [REPLY]
        run_id = await world.write("one")
        await deploy(world, prompt="You are new.")
        await world.advance(run_id)
        assert system(world).startswith("You are new.")

    async def test_is_used_after_a_resume_that_says_so(self, world: World) -> None:
        run = await waiting(world)
        await deploy(world, prompt="You are new.")
        await world.runs.pause(run.id, "ann")
        await world.runs.resume(run.id, "ann", adopt_version=True)
        run = await world.say(run.id, "yes", reply_to=THREAD)
        assert system(world).startswith("You are new.")
        [adopted] = await world.of_type(run.id, e.VersionAdopted)
        assert adopted.by == "ann"
        assert world.effects.counted == ["rocket"]

    async def test_is_not_used_after_a_mere_resume(self, world: World) -> None:
        run = await waiting(world)
        await deploy(world, prompt="You are new.")
        await world.runs.pause(run.id, "ann")
        await world.runs.resume(run.id, "ann")
        await world.say(run.id, "yes", reply_to=THREAD)
        assert system(world).startswith("You are a test.")

    async def test_chosen_for_a_run_that_has_it_already_changes_nothing(self, world: World) -> None:
        run = await waiting(world)
        await world.runs.resume(run.id, "ann", adopt_version=True)
        assert (await world.run(run.id)).version == run.version


async def meet(world: World) -> None:
    """The new worker has only just begun to hear of the others."""
    fleet = Fleet("new", [world.agent])
    await fleet.meet(world.store)
    world.executor = world.worker(fleet=fleet)


class TestANewTool:
    async def changed(self, world: World) -> Run:
        """A run that may go on when somebody says so: its tool is not what it was."""
        run = await waiting(world)
        await deploy(world, tools=(new_launch(world),))
        await meet(world)
        await world.say(run.id, "yes", reply_to=THREAD)
        assert world.effects.counted == []
        return run

    async def test_is_left_to_older_workers_for_a_while(self, world: World) -> None:
        older = world.executor
        run = await self.changed(world)
        assert (await world.run(run.id)).work.approval is None
        world.clock.now += GRACE / 2
        assert await world.store.sweep(10, 1) == [run.id]
        await older.advance(run.id)
        assert world.effects.counted == ["rocket"]
        assert await world.of_type(run.id, e.VersionChanged) == []

    async def test_is_a_question_when_no_older_worker_is_left(self, world: World) -> None:
        run = await self.changed(world)
        await world.later(GRACE + 1)
        run = await world.run(run.id)
        assert run.work.approval is not None
        assert (run.waits_for, run.work.approval.subject) == ("approval", "version")
        assert "have changed since I began" in world.slack.texts[-1]

    async def test_waits_no_longer_because_somebody_writes(self, world: World) -> None:
        run = await self.changed(world)
        world.clock.now += GRACE - 1
        await world.say(run.id, "well?", reply_to=THREAD)
        await world.later(2)
        assert await world.of_type(run.id, e.VersionChanged)

    async def test_is_used_after_a_yes_and_the_call_is_approved_anew(self, world: World) -> None:
        run = await self.changed(world)
        await world.later(GRACE + 1)
        run = await world.say(run.id, "yes", reply_to=THREAD)
        assert run.agent_version == world.agent.version
        assert world.effects.counted == []  # the yes was for the version, not for the call
        assert run.work.approval is not None
        assert run.work.approval.subject == "tool"
        run = await world.say(run.id, "yes", reply_to=THREAD)
        assert world.effects.counted == ["rocket from 1"]
        assert run.status is Status.COMPLETED

    async def test_is_not_used_after_a_no(self, world: World) -> None:
        run = await self.changed(world)
        await world.later(GRACE + 1)
        run = await world.decide(run.id, False, ANN)
        assert (run.status, world.effects.counted) == (Status.FAILED, [])
        assert world.slack.sent[-1][0].kind == "failure"

    async def test_is_for_the_next_message_of_a_run_that_is_over(self, world: World) -> None:
        world.model.lines = [REPLY]
        run = await world.advance(await world.write("one"))
        await deploy(world, tools=(new_launch(world),))
        run = await world.say(run.id, "two")
        assert (run.status, run.agent_version) == (Status.COMPLETED, world.agent.version)

    async def test_in_place_of_one_that_was_begun_leaves_the_outcome_unknown(
        self, world: World
    ) -> None:
        """Killed in an idempotent tool, which is not the same any more afterwards."""
        world.model.lines = [LOOK, REPLY]
        run_id = await world.write("look", reply_to=THREAD)
        world.effects.crash = True
        with contextlib.suppress(Crash):
            await world.executor.advance(run_id)
        world.effects.crash = False

        @tool(idempotent=True)
        async def look(name: str, closely: bool) -> str:
            """look at something, perhaps closely"""
            return ""

        await deploy(world, tools=(look,))
        for _ in range(20):
            await world.later(20)
        run = await world.run(run_id)
        assert run.waits_for == "answer"
        assert "I started look(" in world.slack.texts[-1]
        assert world.effects.counted == ["sky"]


class TestAVersion:
    async def test_is_written_down_once_and_read_again(self, world: World) -> None:
        agent = world.agent
        version = await recorded_version(world.store, agent.name, agent.version)
        assert version == describe(agent)
        assert version is not None
        older = pinned(agent, version)
        assert older is not None
        assert older.version == agent.version

    async def test_that_nobody_wrote_down_is_unknown(self, world: World) -> None:
        assert await recorded_version(world.store, "tester", "0") is None

    async def test_with_fewer_tools_shows_the_model_no_more(self, world: World) -> None:
        run = await waiting(world)
        await deploy(world, tools=(*world.agent.tools, extra()))
        run = await world.say(run.id, "yes", reply_to=THREAD)
        assert run.status is Status.COMPLETED
        assert "extra" not in system(world)


def extra() -> Tool:
    @tool()
    async def extra() -> str:
        """do something extra"""
        return ""

    return extra
