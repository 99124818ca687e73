"""Which run a trigger belongs to, and what feedback is about."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import Conflict, NotFound
from ponderd.channels.message import Address, Trigger
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.run import events as e
from ponderd.workers.store.archive import FolderArchive
from ponderd.workers.store.memory_store import MemoryStore
from tests.workers.world import REPLY, World

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


ROOT = "<m1@team.test>"
ANN, BOB, EVE = "ann@team.test", "bob@team.test", "eve@team.test"


class TestAMailJoins:
    """The run that it answers or whose thread it is in, if its sender takes part in that."""

    @pytest.fixture(params=["mark", "thread"])
    def known_by(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    async def mail(self, world: World, sender: str, run_id: str = "", **fields: Any) -> str:
        bound = {"run_id": run_id, "answers": ("<x>",)} if run_id else {"authentic": False}
        letter = {"channel": "email", "conversation": ROOT, "sender": sender, "agent": "tester"}
        return await world.write(**{"text": "hello", **letter, **bound, **fields})

    async def messages(self, world: World, run_id: str) -> list[e.MessageReceived]:
        return [m for m in await world.log.events(run_id) if isinstance(m, e.MessageReceived)]

    async def test_of_its_first_sender(self, world: World, known_by: str) -> None:
        run_id = await self.mail(world, ANN)
        answered = run_id if known_by == "mark" else ""
        assert await self.mail(world, ANN.upper(), answered) == run_id
        [_, message] = await self.messages(world, run_id)
        assert (message.authentic, message.answers) == (
            (True, ("<x>",)) if answered else (False, ())
        )

    async def test_but_a_newcomer_begins_one_of_their_own(
        self, world: World, known_by: str
    ) -> None:
        run_id = await self.mail(world, ANN, text="the password is tulip")
        answered = run_id if known_by == "mark" else ""
        fields: dict[str, Any] = {"text": "which password?", "keys": ("k1",)}
        fields |= {"written_at": 5.0} if answered else {}
        own = await self.mail(world, EVE, answered, **fields)
        assert own != run_id
        [message] = await self.messages(world, own)
        assert (message.text, message.sender) == ("which password?", EVE)
        assert (message.authentic, message.answers, message.written_at) == (False, (), None)
        assert len(await self.messages(world, run_id)) == 1
        # It goes on there, whatever it is known by, and a repeat is known again.
        assert await self.mail(world, EVE, answered) == own
        assert await self.mail(world, EVE, own) == own
        assert await self.mail(world, EVE, answered, **fields) == own
        assert len(await self.messages(world, own)) == 3
        # Others do not read along there either, and the thread stays that of who began it.
        assert await self.mail(world, BOB, own) not in (own, run_id)
        assert await self.mail(world, ANN, own) == run_id

    async def test_which_has_the_history_that_was_cut(self, world: World) -> None:
        run_id = await self.mail(world, ANN)
        own = await self.mail(world, EVE, run_id, text="Is it?", cut="> It is 4711.")
        assert [(m.text, m.cut) for m in await self.messages(world, own)] == [
            ("Is it?\n\n> It is 4711.", "")
        ]
        await self.mail(world, EVE, own, text="Ah.", cut="> Is it?")
        assert (await self.messages(world, own))[-1].text == "Ah."
        first = await self.mail(world, BOB, conversation="<m2>", cut="Sent by a relay")
        assert [m.cut for m in await self.messages(world, first)] == ["Sent by a relay"]

    async def test_and_the_subject_of_the_thread(self, world: World) -> None:
        run_id = await self.mail(world, ANN)
        to = Address(channel="email", to=EVE, headers={"subject": "Re: Hamburg"})
        own = await self.mail(world, EVE, run_id, text="Is it?", reply_to=to)
        assert [m.text for m in await self.messages(world, own)] == [
            "Subject: Re: Hamburg\n\nIs it?"
        ]

    async def test_of_whom_somebody_wrote_to(self, world: World, known_by: str) -> None:
        run_id = await self.mail(world, ANN, people=(BOB,))
        answered = run_id if known_by == "mark" else ""
        assert await self.mail(world, BOB, answered, people=(EVE,)) == run_id
        assert await self.mail(world, EVE, answered) == run_id

    async def test_another_mail_under_the_same_message_id_is_refused(self, world: World) -> None:
        run_id = await self.mail(world, ANN, keys=("email:<m1>:tester",), digest="1")
        for _ in range(2):
            assert await self.mail(world, ANN, keys=("email:<m1>:tester",), digest="1") == run_id
        for fields in ({}, {"conversation": "<m2@team.test>"}, {"run_id": run_id}):
            with pytest.raises(Conflict, match="came before"):
                await self.mail(world, ANN, keys=("email:<m1>:tester",), digest="2", **fields)
        assert len(await self.messages(world, run_id)) == 1

    async def test_but_nobody_is_let_in_by_a_mail_that_is_not_proven(self, world: World) -> None:
        run_id = await self.mail(world, ANN)
        await self.mail(world, ANN, run_id, people=(EVE,), people_proven=False)
        assert await self.mail(world, EVE, run_id) != run_id

    async def test_of_whom_it_was_answered_or_asked(self, world: World) -> None:
        world.model.lines = [REPLY, REPLY]
        away = Address(channel="email", to=BOB)
        run_id = await self.mail(world, ANN, reply_to=away)
        await world.advance(run_id)
        assert await self.mail(world, BOB, run_id, agent=None) == run_id

    async def test_of_several_runs_that_in_which_its_sender_takes_part(self, world: World) -> None:
        ours = await self.mail(world, ANN)
        other = await self.mail(world, BOB, conversation="<m2@team.test>")
        assert await self.mail(world, ANN, other) == ours
        assert (await self.messages(world, ours))[-1].authentic is False

    async def test_one_run_if_two_strangers_come_at_once(self, world: World) -> None:
        senders = [f"p{number}@team.test" for number in range(9)]
        runs = await asyncio.gather(*(self.mail(world, sender) for sender in senders))
        assert len(set(runs)) == len(senders)
        again = await asyncio.gather(*(self.mail(world, sender) for sender in senders))
        assert again == runs

    async def test_reads_no_log_as_a_whole(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run_id = await self.mail(world, ANN)
        loads: list[str] = []
        load = world.store.load

        async def counted(run_id: str, after: int = 0, limit: int = 0) -> tuple[bytes, ...]:
            loads.extend([run_id] * (not limit))
            return await load(run_id, after, limit)

        monkeypatch.setattr(world.store, "load", counted)
        await self.mail(world, ANN, run_id)
        await self.mail(world, ANN)
        assert loads == []

    async def test_one_that_is_only_in_the_archive(self, world: World, tmp_path: Path) -> None:
        archive = FolderArchive(tmp_path)
        world.serve({"tester": world.agent}, archive)
        world.model.lines = [REPLY]
        run_id = await self.mail(world, ANN)
        await world.advance(run_id)
        log = await world.store.load(run_id)
        await archive.put(run_id, log)
        assert await world.store.expire(run_id, len(log))
        # Somebody else began anew in that thread meanwhile.
        eves = await self.mail(world, EVE)
        assert eves != run_id
        assert await self.mail(world, EVE, run_id) == eves
        back = await self.mail(world, ANN, run_id, text="again", cut="> hello")
        assert back not in (eves, run_id)
        assert [m.sender for m in await self.messages(world, back)] == [ANN]
        assert [m.sender for m in await self.messages(world, eves)] == [EVE, EVE]


async def test_other_channels_know_who_belongs_to_a_conversation(world: World) -> None:
    fields = {"channel": "slack", "conversation": "T1:C1:17.1"}
    run_id = await world.write(sender="U1", **fields)
    assert await world.write(sender="U2", run_id=run_id, **fields) == run_id
    assert await world.write(sender="U3", **fields) == run_id


class TestFeedback:
    async def test_reads_no_log_as_a_whole(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = await world.advance(await world.write())
        load, loads = world.store.load, []

        async def counted(run_id: str, after: int = 0, limit: int = 0) -> tuple[bytes, ...]:
            loads.extend([run_id] * (not limit))
            return await load(run_id, after, limit)

        monkeypatch.setattr(world.store, "load", counted)
        for answer in (None, run.outbox.answered_by):
            loads.clear()
            await world.runs.feedback(run.id, 1, by="ann", source="thumb", answer=answer)
            assert loads == []

    async def test_is_about_an_answer(self, world: World) -> None:
        run_id = await world.write()
        with pytest.raises(Conflict, match="given no answer yet"):
            await world.runs.feedback(run_id, 1, by="ann", source="thumb")
        run = await world.advance(run_id)
        for wrong in (0, 1, run.version, run.version + 1):
            with pytest.raises(NotFound, match=f"event {wrong} of run"):
                await world.runs.feedback(run_id, 1, by="ann", source="thumb", answer=wrong)
