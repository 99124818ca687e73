"""What one answer costs, and what happens to it when somebody else writes to the run meanwhile.

tests/workers/steps/test_approval.py and test_questions.py hold what an answer does to the run.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ponderd.channels.errors import Conflict, NotFound, Unauthenticated
from ponderd.channels.message import Verdict
from ponderd.workers.control import inquiries
from ponderd.workers.control.views import OpenApprovals
from ponderd.workers.run import events as e
from ponderd.workers.run import open_approval
from ponderd.workers.run.state import Status
from tests.workers.payments import ANN, BOB, PAY, asked, with_payments
from tests.workers.world import REPLY, World

COLOURS = {
    "action": "ask_human",
    "text": "Which colour?",
    "format": "choices",
    "choices": ["red", "blue"],
    "urgency": "normal",
}


@pytest.fixture
def loads(world: World) -> list[str]:
    """The run of each reading of a log or of its end, by anybody."""
    found: list[str] = []

    def counted(read: Any) -> Any:
        async def reads(run_id: str, *args: Any) -> Any:
            found.append(run_id)
            return await read(run_id, *args)

        return reads

    world.store.load = counted(world.store.load)  # type: ignore[method-assign]
    world.store.latest = counted(world.store.latest)  # type: ignore[method-assign]
    return found


def interfere(world: World, act: Callable[[], Awaitable[Any]]) -> None:
    """Somebody acts between the next reading of a log and its writing."""
    signal = world.store.signal

    async def late(*args: Any) -> Any:
        world.store.signal = signal  # type: ignore[method-assign]
        await act()
        return await signal(*args)

    world.store.signal = late  # type: ignore[method-assign]


async def approval(world: World) -> Verdict:
    """A yes of Ann's to an approval that is open."""
    run = await asked(with_payments(world))
    assert run.work.approval is not None
    return Verdict(inquiry=run.work.approval.id, choice="approve", by=ANN)


async def question(world: World) -> Verdict:
    """A choice of Ann's for a question that is open."""
    world.become(questions="any")
    world.model.lines = [COLOURS, REPLY]
    run = await world.advance(await world.write("paint it", channel="slack", sender="U1"))
    assert run.work.question is not None
    return Verdict(inquiry=run.work.question.id, choice="red", by=ANN)


ASKED = pytest.mark.parametrize("ask", [approval, question])


class TestAnAnswer:
    @ASKED
    async def test_reads_the_log_once(self, world: World, loads: list[str], ask: Any) -> None:
        verdict = await ask(world)
        loads.clear()
        told = await world.inquiries.answer(verdict)
        assert len(loads) == 1
        assert told in (f"Approved by {ANN}.", f"{ANN}: red")

    @ASKED
    async def test_reads_its_end_and_all_of_it_if_it_is_given_again(
        self, world: World, loads: list[str], ask: Any
    ) -> None:
        verdict = await ask(world)
        told = await world.inquiries.answer(verdict)
        version = (await world.run(loads[0])).version
        loads.clear()
        assert await world.inquiries.answer(verdict) == told
        assert len(loads) == 2
        assert (await world.run(loads[0])).version == version

    @ASKED
    async def test_reads_it_once_though_somebody_interferes(
        self, world: World, loads: list[str], ask: Any
    ) -> None:
        verdict = await ask(world)
        run_id = loads[0]
        interfere(world, lambda: world.runs.pause(run_id, "bob"))
        loads.clear()
        await world.inquiries.answer(verdict)
        assert len(loads) == 2  # one of them Bob's
        types = await world.types(run_id)
        assert types.index("run_paused") < len(types) - 1

    @ASKED
    async def test_loses_against_one_that_comes_between(self, world: World, ask: Any) -> None:
        verdict = await ask(world)
        other = {"approve": "deny", "red": "blue"}[verdict.choice]
        faster = verdict.model_copy(update={"choice": other, "by": BOB})
        interfere(world, lambda: world.inquiries.answer(faster))
        with pytest.raises(Conflict, match=rf"already .* ?by {BOB}"):
            await world.inquiries.answer(verdict)

    async def test_counts_for_nothing_in_a_run_that_is_cancelled_meanwhile(
        self, world: World
    ) -> None:
        verdict = await approval(world)
        run_id = verdict.inquiry.partition(":")[0]
        interfere(world, lambda: world.runs.cancel(run_id, "bob"))
        with pytest.raises(Conflict, match="already withdrawn"):
            await world.inquiries.answer(verdict)
        assert await world.of_type(run_id, e.ApprovalAnswered) == []
        assert (await world.run(run_id)).status is Status.CANCELLED

    @pytest.mark.parametrize(
        "inquiry",
        ["", "x", ":3", "00-none:3", "{run}:", "{run}:0", "{run}:١", "{run}:2", "{run}:99"],
    )
    async def test_to_what_was_never_asked_is_not_found(self, world: World, inquiry: str) -> None:
        verdict = await approval(world)
        run_id = verdict.inquiry.partition(":")[0]
        wrong = verdict.model_copy(update={"inquiry": inquiry.format(run=run_id)})
        with pytest.raises(NotFound):
            await world.inquiries.answer(wrong)


class TestAProof:
    """A mail can be sent again by anybody, so what is proven of it must be about this question."""

    async def sent(self, world: World, verdict: Verdict) -> str:
        """The channel's id of the mail that asked."""
        events = await world.log.events(verdict.inquiry.partition(":")[0])
        asked = [e_ for e_ in events if isinstance(e_, e.ReplyStarted) and e_.to]
        [number] = [i for i, e_ in enumerate(asked) if e_.to and e_.to.channel == "email"]
        return [e_.receipt for e_ in events if isinstance(e_, e.ReplySent)][number]

    @pytest.fixture
    async def verdict(self, world: World) -> Verdict:
        world.clock.now += 1_000
        return await approval(world)

    @pytest.mark.parametrize("late", [-299.0, 0.0, 1e6])
    async def test_of_an_answer_counts(self, world: World, verdict: Verdict, late: float) -> None:
        asked_at = (await world.inquiries.show(verdict.inquiry)).asked_at.timestamp()
        answers = ("<other>", await self.sent(world, verdict))
        by_id = {"answers": answers, "written_at": asked_at + late}
        await world.inquiries.answer(verdict.model_copy(update=by_id))
        by_address = {"answers": (verdict.inquiry,), "written_at": asked_at + late}
        await world.inquiries.answer(verdict.model_copy(update=by_address))

    async def test_of_something_older_does_not(self, world: World, verdict: Verdict) -> None:
        asked_at = (await world.inquiries.show(verdict.inquiry)).asked_at.timestamp()
        old = {"answers": (verdict.inquiry,), "written_at": asked_at - 301}
        with pytest.raises(Unauthenticated, match="is older"):
            await world.inquiries.answer(verdict.model_copy(update=old))
        assert [a.status for a in await world.open_approvals()] == ["open"]

    async def test_of_an_answer_to_another_question_does_not(
        self, world: World, verdict: Verdict
    ) -> None:
        run_id, _, number = verdict.inquiry.partition(":")
        for other in ("<x>", f"{run_id}:{int(number) - 1}", ""):
            about = verdict.model_copy(update={"answers": (other,), "written_at": 2e9})
            with pytest.raises(Unauthenticated):
                await world.inquiries.answer(about)
        assert [a.status for a in await world.open_approvals()] == ["open"]

    async def test_is_used_up(self, world: World, verdict: Verdict) -> None:
        keyed = verdict.model_copy(update={"key": "email:<m1>"})
        told = await world.inquiries.answer(keyed)
        assert await world.inquiries.answer(keyed) == told
        world.model.lines = [PAY] * 9
        other = (await asked(world, conversation="c2")).work.approval
        assert other is not None
        with pytest.raises(Conflict, match="already decided something else"):
            await world.inquiries.answer(keyed.model_copy(update={"inquiry": other.id}))
        assert [a.id for a in await world.open_approvals()] == [other.id]


class TestADecision:
    async def test_reads_the_log_once(self, world: World, loads: list[str]) -> None:
        verdict = await approval(world)
        loads.clear()
        edited = {"to": "zoe", "euro": 20}
        shown = await world.inquiries.decide(
            verdict.inquiry, approve=True, by=ANN, arguments=edited
        )
        assert len(loads) == 1
        assert (shown.status, shown.arguments) == ("approved", edited)


class TestTheList:
    async def test_shows_what_the_approval_is(self, world: World) -> None:
        asked_for = await approval(world)
        await world.write("is it done?", sender="U2")
        await world.advance((await world.store.asking(limit=1, cursor=None)).runs[0].run_id)
        [listed] = await world.open_approvals()
        assert listed == await world.inquiries.show(asked_for.inquiry)
        assert listed.approvers == world.agent.approvals.approvers

    async def test_reads_no_log(self, world: World, loads: list[str]) -> None:
        await approval(world)
        loads.clear()
        assert len(await world.open_approvals()) == 1
        assert loads == []

    async def test_reads_the_run_of_what_is_too_long_to_be_kept(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(open_approval, "MOST_KEPT", 10)
        asked_for = await approval(world)
        [asking] = (await world.store.asking(limit=9, cursor=None)).runs
        assert asking.shown == b""
        assert await world.open_approvals() == [await world.inquiries.show(asked_for.inquiry)]

    async def test_ends_a_page_after_so_many_readings(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(open_approval, "MOST_KEPT", 10)
        monkeypatch.setattr(inquiries, "READ_AT_ONCE", 2)
        with_payments(world)
        world.model.lines = [PAY] * 9
        runs = [(await asked(world, conversation=f"c{i}")).id for i in range(3)]
        first = OpenApprovals.model_validate_json(await world.inquiries.open())
        assert len(first.approvals) == 2 and first.cursor
        rest = OpenApprovals.model_validate_json(await world.inquiries.open(cursor=first.cursor))
        assert len(rest.approvals) == 1 and rest.cursor is None
        assert {view.run_id for view in (*first.approvals, *rest.approvals)} == set(runs)

    async def test_of_one_run_has_its_approval_or_none(self, world: World) -> None:
        asked_for = await approval(world)
        run_id = asked_for.inquiry.partition(":")[0]
        [one] = OpenApprovals.model_validate_json(await world.inquiries.open_of(run_id)).approvals
        assert one == await world.inquiries.show(asked_for.inquiry)
        await world.inquiries.answer(asked_for)
        for other in (run_id, "00-none-0", "nonsense"):
            page = OpenApprovals.model_validate_json(await world.inquiries.open_of(other))
            assert page.approvals == []
