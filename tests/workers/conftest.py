from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.workers.world import World, make_world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world()
    monkeypatch.setattr("workers.runs.time", SimpleNamespace(time=world.clock))
    return world
