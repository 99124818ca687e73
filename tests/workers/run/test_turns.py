from __future__ import annotations

import itertools

import pytest

from ponderd.channels.message import Attachment
from ponderd.workers.context.render import LEFT_OUT, render
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer
from ponderd.workers.run.copies import replace
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.run.reduce import fold, reduce
from ponderd.workers.run.state import Run, Turn, add
from ponderd.workers.run.turns import FILES, LEAST, MOST, forget
from tests.workers.world import World

WINDOW = 1_000


def begun() -> Run:
    launched = e.RunLaunched(
        at=0, run_id="00-a-b", agent="a", agent_version="", channel="api", conversation="c"
    )
    return replace(fold([launched]), ended=None)


def exchange(run: Run, number: int, length: int = 100) -> Run:
    asked = Turn("person", f"{number:04} ".ljust(length, "?"))
    return add(run, asked, Turn("agent", f"{number:04} ".ljust(length, "!")))


def answered(window: int) -> e.ModelAnswered:
    call = ModelCall(
        model="m", decision=ThinkingDecision(), prompt_hash="", seconds=0, window=window
    )
    return e.ModelAnswered(at=1, choice=Answer(text="yes"), content="yes", call=call)


class TestWhatIsKept:
    def test_is_never_more_nor_less_than_some_windows(self) -> None:
        run, sizes = begun(), []
        for number in range(200):
            run = forget(exchange(run, number), WINDOW)
            assert run.turn_chars == sum(len(turn.text) for turn in run.turns)
            assert len(run.turns) + run.turns_gone == 2 * (number + 1)
            assert run.turns[0].role == "person"
            sizes.append(run.turn_chars)
        assert max(sizes) <= MOST * WINDOW
        assert min(sizes[20:]) >= LEAST * WINDOW
        assert sum(a > b for a, b in itertools.pairwise(sizes)) < 60

    def test_is_all_without_a_window(self) -> None:
        run = begun()
        for number in range(100):
            run = exchange(run, number)
        assert forget(run, 0) is run
        assert reduce(run, answered(0)).turns_gone == 0
        assert reduce(run, answered(WINDOW)).turns_gone > 0

    def test_counts_no_more_of_a_long_text_than_a_call_shows(self) -> None:
        run = begun()
        for number in range(2):
            run = exchange(run, number, 100_000)
        assert forget(run, WINDOW) is run
        for number in range(20):
            run = exchange(run, number, 100_000)
        assert len(forget(run, WINDOW).turns) == 4

    def test_of_one_long_exchange_is_its_question_and_its_end(self) -> None:
        run = add(begun(), Turn("person", "the question"))
        for number in range(100):
            run = add(run, Turn("agent", f"{number:0100}"), Turn("tool", f"{number:0100}"))
        kept = forget(run, WINDOW).turns
        assert kept[0] == Turn("person", "the question")
        assert kept[-1] == run.turns[-1]
        assert [turn.role for turn in kept[1:3]] == ["agent", "tool"]
        assert LEAST * WINDOW - 400 < sum(len(turn.text) for turn in kept) <= LEAST * WINDOW + 20

    def test_of_its_files_are_the_newest(self) -> None:
        files = tuple(Attachment(name=f"{n}.txt", content_type="", size=1) for n in range(150))
        run = replace(begun(), files=files)
        for number in range(100):
            run = exchange(run, number)
        kept = forget(run, WINDOW)
        assert (kept.files, kept.files_gone) == (files[-FILES:], 150 - FILES)

    @pytest.mark.parametrize("larger", [1, 2, 10])
    def test_a_larger_window_grows_from_there(self, larger: int) -> None:
        run = begun()
        for number in range(300):
            run = forget(exchange(run, number), WINDOW)
        for number in range(300):
            run = forget(exchange(run, number), WINDOW * larger)
        assert run.turn_chars <= MOST * WINDOW * larger
        assert run.turn_chars > LEAST * WINDOW * larger - 200


class TestTheModel:
    def test_sees_the_same_as_of_all_turns(self, world: World) -> None:
        """The end of what it sees; the beginning may be cut at another exchange."""
        everything = kept = begun()
        for number in range(100):
            everything = exchange(everything, number)
            kept = forget(exchange(kept, number), WINDOW)
            whole = render(everything.turns, world.agent, limit_chars=WINDOW)
            seen = render(kept.turns, world.agent, limit_chars=WINDOW, gone=bool(kept.turns_gone))
            assert seen[-6:] == whole[-6:] or number < 4
            assert sum(len(one["content"]) for one in seen[1:]) <= WINDOW + 200

    def test_is_told_that_there_was_more(self, world: World) -> None:
        turns = (Turn("person", "hello"),)
        said = render(turns, world.agent, limit_chars=WINDOW, gone=True)[-1]["content"]
        assert LEFT_OUT.text in said
        assert said.count(LEFT_OUT.text) == 1
        many = turns + (Turn("agent", "x" * 900), Turn("person", "y" * 900)) * 3
        said = "".join(
            one["content"] for one in render(many, world.agent, limit_chars=WINDOW, gone=True)
        )
        assert said.count(LEFT_OUT.text) == 1
