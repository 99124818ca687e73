"""Changed copies of runs are what `dataclasses.replace` makes, only sooner."""

from __future__ import annotations

import dataclasses
import functools

import pytest

from ponderd.workers.run import effort, state
from ponderd.workers.run.copies import replace
from ponderd.workers.run.state import Run, Work

RUN = Run("r", "agent", "1", "api", "c", created_at=1, updated_at=1, work=Work(begun=2))
PARTS = [
    one
    for module in (state, effort)
    for one in vars(module).values()
    if dataclasses.is_dataclass(one) and isinstance(one, type)
]


def test_a_copy_has_the_changes_and_all_else() -> None:
    changes = {"version": 7, "work": Work(begun=3), "paused": True}
    copy = replace(RUN, **changes)
    assert copy == dataclasses.replace(RUN, **changes) and hash(copy.id) == hash(RUN.id)
    assert RUN.version == 1 and RUN.work.begun == 2
    assert replace(RUN) == RUN and replace(RUN) is not RUN
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.version = 8  # type: ignore[misc]


def test_there_are_no_new_fields() -> None:
    with pytest.raises(TypeError, match="versoin"):
        replace(RUN, versoin=7)  # type: ignore[call-arg]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_nothing_but_fields_makes_a_part(part: type) -> None:
    """A copy does not go by `__init__`, and would keep what was cached for the original."""
    assert not hasattr(part, "__post_init__") and "__slots__" not in vars(part)
    assert not any(isinstance(one, functools.cached_property) for one in vars(part).values())
