from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workers.world import World, make_world


@pytest.fixture
def world() -> Iterator[World]:
    world = make_world()
    yield world
    assert world.model.broken == []
