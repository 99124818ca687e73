from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.workers.world import World, make_world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = make_world()
    for module in ("runs", "run_log"):
        monkeypatch.setattr(
            f"ponderd.workers.control.{module}.time", SimpleNamespace(time=world.clock)
        )
    yield world
    assert world.model.broken == []
