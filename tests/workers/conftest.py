from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.workers.world import World, make_world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world()
    for module in ("runs", "run_logs"):
        monkeypatch.setattr(f"workers.{module}.time", SimpleNamespace(time=world.clock))
    return world
