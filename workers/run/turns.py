"""How much of a conversation a run keeps for the model to see. Pure.

What no window of the model can show is dropped, whole exchanges at a time, from the oldest on. The
log still has it. `ModelCall.window` says how large the window was: older logs have none, and drop
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ponderd.workers.run.copies import replace
from ponderd.workers.run.state import Run, Turn

MOST, LEAST = 2.0, 1.25
"""A run keeps at most so many windows of turns; if there are more, it drops all but these.
More than one, so that what calls see changes seldom, and a larger window finds something."""

FILES = 100
"""How many files it keeps then. Each still has the number by which the model was told of it."""


def exchanges(turns: Iterable[Turn]) -> list[list[Turn]]:
    """Split turns into exchanges. One begins where a person writes after the agent has spoken."""
    found: list[list[Turn]] = []
    for turn in turns:
        if not found or (turn.role == "person" and found[-1][-1].role != "person"):
            found.append([])
        found[-1].append(turn)
    return found


def shown_chars(turn: Turn, window: int) -> int:
    """Most characters of a turn that a call with this window shows."""
    return window // 2 if turn.role == "person" else window // 5


def forget(run: Run, window: int) -> Run:
    """`run` without the oldest turns that no window like this one shows. 0: with all of them."""
    if not window or run.turn_chars <= MOST * window:
        return run
    left = _size(run.turns, window)
    if left <= MOST * window:
        return run
    waiting = exchanges(run.turns)
    first = 0
    while first < len(waiting) - 1:
        less = left - _size(waiting[first], window)
        if less < LEAST * window:
            break
        left, first = less, first + 1
    kept = [turn for exchange in waiting[first:] for turn in exchange]
    if left > MOST * window:  # one exchange that is too long: its question and its end stay
        last = 1
        while left > LEAST * window and last + 2 < len(kept):
            left -= _size(kept[last : last + 2], window)
            last += 2
        kept[1:last] = []
    chars = sum(len(turn.text) for turn in kept)
    files = run.files[-FILES:]
    return replace(
        run,
        turns=tuple(kept),
        turn_chars=chars,
        turns_gone=run.turns_gone + len(run.turns) - len(kept),
        files=files,
        files_gone=run.files_gone + len(run.files) - len(files),
    )


def _size(turns: Sequence[Turn], window: int) -> int:
    return sum(min(len(turn.text), shown_chars(turn, window)) for turn in turns)
