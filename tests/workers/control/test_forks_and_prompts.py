"""A copy of a run's beginning that talks to nobody; the exact bytes of what a model was asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from ponderd.channels.errors import Conflict, Malformed, NotFound
from ponderd.workers.agents.policies import Approvals
from ponderd.workers.agents.shipped.assistant import agent as assistant
from ponderd.workers.agents.versions import register
from ponderd.workers.execution import snapshots
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.model_call import ModelCalls
from ponderd.workers.llm.connect import connect
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run, Status
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.thinking.thinker import Thinker
from tests.services.model_server import Fault, Says, ScriptedModel
from tests.workers.world import LAUNCH, LOOK, REPLY, RING, THREAD, World

ANN = "slack:u1"


async def finished(world: World) -> Run:
    """A run with all kinds of steps: tools, an approval by a button, a reminder, a question."""
    world.become(approvals=Approvals(ask=("email:boss@example.com",), remind_every=100))
    ask = {"action": "ask_human", "text": "Which one?"}
    world.model.lines = [RING, LAUNCH, ask, REPLY]
    run = await world.advance(await world.write("go", reply_to=THREAD, channel="slack"))
    await world.later(101)
    run = await world.decide(run.id, True, ANN)
    run = await world.say(run.id, "that one", reply_to=THREAD, channel="slack")
    assert run.status is Status.COMPLETED
    return run


def told(world: World) -> int:
    return sum(len(channel.sent) for channel in (world.channel, world.slack, world.mail))


class TestAFork:
    async def test_is_possible_at_every_event_but_within_a_tool_call(self, world: World) -> None:
        """And makes the copy what the run was at that event, but for whom it talks to."""
        run = await finished(world)
        types = await world.types(run.id)
        before = told(world), list(world.effects.counted)
        for version in range(2, len(types) + 1):
            if types[version - 1] == "tool_started":
                with pytest.raises(Conflict, match="in the middle of a tool call"):
                    await world.runs.fork(run.id, at=version, by="ann")
                continue
            fork = await world.runs.fork(run.id, at=version, by="ann")
            copy = await world.run(fork.id)
            assert copy.version == version + 1
            assert copy.status == await status_at(world, run.id, version)
            [forked] = await world.of_type(fork.id, e.RunForked)
            assert (forked.source, forked.at_version, forked.by) == (run.id, version, "ann")
        assert (told(world), world.effects.counted) == before

    async def test_that_goes_on_talks_to_nobody_outside(self, world: World) -> None:
        run = await finished(world)
        types = await world.types(run.id)
        before = told(world)
        world.model.lines = [REPLY]
        for version in range(2, len(types) + 1):
            if types[version - 1] == "tool_started":
                continue
            fork = await world.runs.fork(run.id, at=version, by="ann")
            await world.advance(fork.id)
            await world.later(101)
            if (await world.run(fork.id)).work.approval:
                await world.decide(fork.id, True, ANN)
            assert (await world.run(fork.id)).waits_for != "retry"
        assert told(world) == before

    async def test_reminds_nobody_and_asks_no_others(self, world: World) -> None:
        others = Approvals(timeout=50, on_timeout="escalate", escalate_to=("slack:CBOSS",))
        world.become(approvals=others)
        world.model.lines = [LAUNCH, REPLY]
        run = await world.advance(await world.write("go", reply_to=THREAD))
        fork = await world.runs.fork(run.id, at=None, by="ann")
        await world.runs.cancel(run.id, "ann")
        await world.advance(run.id)
        before = told(world)
        for _ in range(3):
            await world.later(51)
        assert (await world.run(fork.id)).status is Status.PAUSED
        assert await world.of_type(fork.id, e.ApprovalEscalated) != []
        assert told(world) == before

    async def test_uses_no_approval_of_the_run_it_copies(self, world: World) -> None:
        run = await finished(world)
        assert world.effects.counted == ["bell", "rocket"]
        approved = (await world.types(run.id)).index("approval_answered") + 1
        fork = await world.runs.fork(run.id, at=approved, by="ann")
        copy = await world.advance(fork.id)
        assert copy.waits_for == "approval"
        assert world.effects.counted == ["bell", "rocket"]
        await world.decide(fork.id, True, ANN)
        assert world.effects.counted == ["bell", "rocket", "rocket"]

    async def test_uses_no_yes_that_was_not_looked_at_yet(self, world: World) -> None:
        world.model.lines = [LAUNCH, REPLY]
        run = await world.advance(await world.write("go", reply_to=THREAD))
        await world.write("yes", reply_to=THREAD)
        fork = await world.runs.fork(run.id, at=None, by="ann")
        assert (await world.advance(fork.id)).waits_for == "approval"
        assert world.effects.counted == []
        await world.advance(run.id)
        assert world.effects.counted == ["rocket"]

    async def test_with_a_text_goes_on_differently(self, world: World) -> None:
        run = await finished(world)
        asked = (await world.types(run.id)).index("reply_sent") + 1
        world.model.lines = [REPLY]
        fork = await world.runs.fork(run.id, at=asked, by="ann", text="never mind")
        copy = await world.advance(fork.id)
        assert (copy.status, copy.outbox.reply) == (Status.COMPLETED, "all done")
        assert "never mind" in world.model.prompts[-1][-1]["content"]
        assert "that one" not in str(world.model.prompts[-1])

    async def test_of_a_fork_is_a_fork(self, world: World) -> None:
        run = await finished(world)
        first = await world.runs.fork(run.id, at=None, by="ann")
        second = await world.runs.fork(first.id, at=None, by="bob")
        assert (await world.run(second.id)).version == run.version + 2

    async def test_with_the_same_key_is_made_once(self, world: World) -> None:
        run = await finished(world)
        keys = ("api:fork:0123456789ab",)
        first = await world.runs.fork(run.id, at=5, by="ann", keys=keys)
        again = await world.runs.fork(run.id, at=5, by="ann", keys=keys)
        assert first.id == again.id

    @pytest.mark.parametrize("version", [-1, 0, 1, 1000])
    async def test_needs_an_event_that_is_there(self, world: World, version: int) -> None:
        run = await finished(world)
        with pytest.raises(Malformed, match="this run has events 2 to"):
            await world.runs.fork(run.id, at=version, by="ann")

    async def test_leaves_the_run_it_copies_alone(self, world: World) -> None:
        run = await finished(world)
        await world.runs.fork(run.id, at=None, by="ann", text="and now?")
        assert await world.run(run.id) == run


async def status_at(world: World, run_id: str, version: int) -> Status:
    return fold((await world.log.events(run_id))[:version]).status


class LlamaServer:
    """llama.cpp's dialect: a template is applied, then continued."""

    def __init__(self) -> None:
        self.rendered: list[bytes] = []

    async def __aenter__(self) -> LlamaServer:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/apply-template", self._template)
        app.router.add_post("/completion", self._completion)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "gguf", "owned_by": "llamacpp"}]})

    async def _template(self, request: web.Request) -> web.Response:
        self.rendered.append(await request.read())
        return web.json_response({"prompt": "<s>"})

    async def _completion(self, _: web.Request) -> web.Response:
        end = {"content": json.dumps(REPLY), "stop": True}
        data = end | {"tokens_predicted": 1, "tokens_evaluated": 1}
        return web.Response(body=f"data: {json.dumps(data)}\n\n".encode())


Ask = Callable[[str, str], Any]


@pytest.fixture
async def asks(world: World) -> AsyncIterator[Ask]:
    """Lets the world's worker ask a real model client."""
    clients = []

    async def ask(url: str, text: str, **fields: Any) -> Run:
        client = connect(WorkerSettings(model_url=url))
        clients.append(client)
        calls = ModelCalls(client, Metrics(), 2_000, Thinker(client, world.store))
        world.executor = world.worker(model=calls)
        return await world.advance(await world.write(text, **fields))

    yield ask
    for client in clients:
        await client.close()


async def all_verified(world: World, run_id: str) -> list[bytes]:
    """The requests of all model calls of a run."""
    bodies = []
    for version, event in enumerate(await world.log.events(run_id), 1):
        if isinstance(event, e.ModelAnswered | e.ModelRejected):
            prompt = await world.runs.prompt(run_id, version)
            assert prompt.verified
            assert prompt.sha256 == hashlib.sha256(prompt.body).hexdigest()
            assert prompt.sha256 == event.call.prompt_hash
            bodies.append(prompt.body)
    return bodies


class TestAPrompt:
    async def test_is_shown_as_vllm_got_it(self, world: World, asks: Ask) -> None:
        async with ScriptedModel([LOOK, "prose", REPLY]) as server:
            run = await asks(server.url, "Grüße, wie geht's? 👋")
        bodies = await all_verified(world, run.id)
        assert [json.loads(body) for body in bodies] == server.requests
        assert "Grüße" in bodies[0].decode()

    async def test_is_shown_as_llama_cpp_got_it(self, world: World, asks: Ask) -> None:
        async with LlamaServer() as server:
            run = await asks(server.url, "Grüße")
            run = await world.say(run.id, "/think harder")
        assert await all_verified(world, run.id) == server.rendered
        assert b'"enable_thinking":true' in server.rendered[1]

    @pytest.mark.parametrize("text", ["/think about it", "plainly"])
    @pytest.mark.parametrize("refused", [0, 1, 2])
    async def test_is_shown_without_what_the_server_refused(
        self, world: World, asks: Ask, text: str, refused: int
    ) -> None:
        script = [*[Fault.BAD_REQUEST] * refused, REPLY]
        async with ScriptedModel(script) as server:
            run = await asks(server.url, text)
        [body] = await all_verified(world, run.id)
        assert json.loads(body) == server.requests[-1]

    async def test_is_the_second_one_when_thinking_broke_the_first(
        self, world: World, asks: Ask
    ) -> None:
        async with ScriptedModel([Says(None, reasoning="a b"), REPLY]) as server:
            run = await asks(server.url, "/think about it")
        [body] = await all_verified(world, run.id)
        assert json.loads(body) == server.requests[1]

    async def test_is_the_shorter_one_when_it_was_too_long(self, world: World, asks: Ask) -> None:
        async with ScriptedModel([Fault.TOO_LONG, Fault.TOO_LONG, REPLY]) as server:
            run = await asks(server.url, "x " * 5_000)
        [body] = await all_verified(world, run.id)
        assert json.loads(body) == server.requests[2] != server.requests[0]

    async def test_is_found_though_others_wrote_meanwhile(self, world: World, asks: Ask) -> None:
        async def meanwhile(count: int) -> None:
            for number in range(count):
                await world.write(f"and {number}")
            await world.runs.event(await world.write("!pause"), "paid", "", "shop")

        commit = world.store.commit

        async def before_record(*args: Any, **kwargs: Any) -> Any:
            if b"model_answered" in b"".join(args[3]):
                world.store.commit = commit  # type: ignore[method-assign]
                await meanwhile(20)
            return await commit(*args, **kwargs)

        world.store.commit = before_record  # type: ignore[method-assign]
        async with ScriptedModel(REPLY) as server:
            run = await asks(server.url, "hello")
            assert run.status is Status.PAUSED
            bodies = await all_verified(world, run.id)
        assert [json.loads(body) for body in bodies] == server.requests
        assert b"and 0" not in bodies[0]

    async def test_is_shown_though_the_run_keeps_less_by_now(
        self, world: World, asks: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And though the worker went on from a snapshot, not from the log."""
        monkeypatch.setattr(snapshots, "EVENTS", 1)
        gone = []
        async with ScriptedModel(REPLY) as server:
            for number in range(14):
                run = await asks(server.url, f"message {number:02}. " + "blah " * 150)
                gone.append(run.turns_gone)
        assert gone[0] == 0 and gone[-1] > gone[len(gone) // 2] > 0
        bodies = await all_verified(world, run.id)
        assert [json.loads(body) for body in bodies] == server.requests
        assert b"message 00" in bodies[0] and b"message 00" not in bodies[-1]

    async def test_is_that_of_the_version_it_was_asked_with(self, world: World, asks: Ask) -> None:
        await register(world.store, [world.agent])
        async with ScriptedModel(REPLY) as server:
            run = await asks(server.url, "one")
            world.become(prompt="You are new.")
            run = await asks(server.url, "two")
        first, second = await all_verified(world, run.id)
        assert b"You are a test." in first
        assert b"You are new." in second

    async def test_of_an_unknown_version_is_shown_as_not_verified(
        self, world: World, asks: Ask
    ) -> None:
        async with ScriptedModel(REPLY) as server:
            run = await asks(server.url, "one")
        world.become(prompt="You are new.")
        prompt = await world.runs.prompt(run.id, 3)
        assert not prompt.verified
        assert b"You are new." in prompt.body

    async def test_of_a_fork_is_that_of_the_run_it_copies(self, world: World, asks: Ask) -> None:
        async with ScriptedModel([LOOK, REPLY]) as server:
            run = await asks(server.url, "one")
        fork = await world.runs.fork(run.id, at=None, by="ann")
        assert await all_verified(world, fork.id) == await all_verified(world, run.id)

    @pytest.mark.parametrize("version", [0, 1, 2, 4, 99])
    async def test_of_what_is_no_model_call_is_not_found(self, world: World, version: int) -> None:
        run = await world.advance(await world.write())
        with pytest.raises(NotFound, match="not an answer of the model"):
            await world.runs.prompt(run.id, version)

    async def test_of_an_agent_with_examples_and_a_type_is_the_same(
        self, world: World, asks: Ask
    ) -> None:
        world.become(
            prompt=assistant.prompt, examples=assistant.examples, tools=tuple(assistant.tools)
        )
        async with ScriptedModel(REPLY) as server:
            run = await asks(server.url, "What is 3 times 4?")
        assert [json.loads(b) for b in await all_verified(world, run.id)] == server.requests
